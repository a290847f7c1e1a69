//! From the receipt of an event to each ACK, and to the last one.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Live;

/// So many groups are followed at once; what is older than those is not measured to its end.
const GROUPS: usize = 1024;

/// Published groups that not every stream has ACKed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// In the order of their positions.
    groups: VecDeque<Group>,
    delivered: Vec<Duration>,
    completed: Vec<Duration>,
}

#[derive(Debug)]
struct Group {
    position: u64,
    received_at: Instant,
    /// Streams that it was pushed to and that have not ACKed it.
    left: usize,
}

impl Pending {
    /// A group is published. A stream that has ACKed it already was quicker than this call.
    pub(super) fn publish(
        &mut self,
        position: u64,
        received_at: Instant,
        live: impl Iterator<Item = Live>,
    ) {
        if self
            .groups
            .back()
            .is_some_and(|group| group.position >= position)
        {
            return;
        }
        let mut left = 0;
        let mut reached = 0;
        for stream in live.filter(|stream| stream.head < position) {
            match stream.acked >= position {
                true if stream.passed >= position => {}
                true => reached += 1,
                false => left += 1,
            }
        }
        let took = received_at.elapsed();
        self.delivered.extend(std::iter::repeat_n(took, reached));
        if left > 0 {
            if self.groups.len() == GROUPS {
                self.groups.pop_front();
            }
            self.groups.push_back(Group {
                position,
                received_at,
                left,
            });
        } else if reached > 0 {
            self.completed.push(took);
        }
    }

    /// A stream that opened at `head` has ACKed what lies after `from` up to `to`.
    pub(super) fn acked(&mut self, from: u64, to: u64, head: u64) {
        for group in &mut self.groups {
            if group.position > to {
                break;
            }
            if group.position > from && head < group.position {
                group.left = group.left.saturating_sub(1);
                self.delivered.push(group.received_at.elapsed());
            }
        }
        self.complete();
    }

    /// A stream that opened at `head` gets nothing of what lies after `from` up to `to`.
    pub(super) fn passed(&mut self, from: u64, to: u64, head: u64) {
        for group in &mut self.groups {
            if group.position > from && group.position <= to && head < group.position {
                group.left = group.left.saturating_sub(1);
            }
        }
        self.complete();
    }

    /// A stream that opened at `head` has ended, and had ACKed up to `acked`.
    pub(super) fn left(&mut self, acked: u64, head: u64) {
        for group in &mut self.groups {
            if group.position > acked && head < group.position {
                group.left = group.left.saturating_sub(1);
            }
        }
        self.complete();
    }

    /// Times to an ACK, since the last call.
    pub(super) fn delivered(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.delivered)
    }

    /// Times to a last ACK, since the last call.
    pub(super) fn completed(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.completed)
    }

    fn complete(&mut self) {
        let completed = &mut self.completed;
        self.groups.retain(|group| {
            if group.left == 0 {
                completed.push(group.received_at.elapsed());
            }
            group.left > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use rescind_xds::server::Method;

    use super::{super::Subscription, *};

    fn live(acked: u64, head: u64) -> Live {
        Live {
            stream: 0,
            row: 0,
            acked,
            passed: 0,
            head,
            method: Method::DeltaRange,
            takes_all: true,
            subscription: Subscription::All,
            address: None,
            opened_at: Instant::now(),
            heard_at: Instant::now(),
        }
    }

    fn counts(pending: &mut Pending) -> (usize, usize) {
        (pending.delivered().len(), pending.completed().len())
    }

    #[test]
    fn each_ack_counts_once_and_the_last_one_completes() {
        let mut pending = Pending::default();
        let streams = [live(4, 4), live(4, 4), live(5, 5)];
        // The third one opened at the new head: it was not pushed to it.
        pending.publish(5, Instant::now(), streams.into_iter());
        assert_eq!(counts(&mut pending), (0, 0));
        pending.acked(4, 5, 4);
        assert_eq!(counts(&mut pending), (1, 0));
        pending.acked(5, 5, 4);
        assert_eq!(counts(&mut pending), (0, 0));
        pending.acked(4, 5, 4);
        assert_eq!(counts(&mut pending), (1, 1));
        assert!(pending.groups.is_empty());
    }

    #[test]
    fn an_ack_may_be_quicker_than_the_note_of_the_publication() {
        let mut pending = Pending::default();
        pending.publish(5, Instant::now(), [live(5, 4), live(4, 4)].into_iter());
        assert_eq!(counts(&mut pending), (1, 0));
        pending.acked(4, 6, 4);
        assert_eq!(counts(&mut pending), (1, 1));
        pending.publish(7, Instant::now(), [live(7, 4)].into_iter());
        assert_eq!(counts(&mut pending), (1, 1));
    }

    #[test]
    fn who_gets_nothing_is_not_waited_for_and_is_no_delivery() {
        let mut pending = Pending::default();
        pending.publish(5, Instant::now(), [live(4, 4), live(4, 4)].into_iter());
        pending.passed(4, 5, 4);
        assert_eq!(counts(&mut pending), (0, 0));
        pending.acked(4, 5, 4);
        assert_eq!(counts(&mut pending), (1, 1));
        // One that was quicker than the note of the publication.
        let passed = Live {
            passed: 6,
            ..live(6, 4)
        };
        pending.publish(6, Instant::now(), [passed].into_iter());
        assert_eq!(counts(&mut pending), (0, 0));
    }

    #[test]
    fn one_ack_may_be_for_several_groups_and_who_leaves_is_not_waited_for() {
        let mut pending = Pending::default();
        for position in [5, 6, 7] {
            pending.publish(
                position,
                Instant::now(),
                [live(4, 4), live(4, 4)].into_iter(),
            );
        }
        pending.acked(4, 6, 4);
        assert_eq!(counts(&mut pending), (2, 0));
        pending.left(5, 4);
        assert_eq!(counts(&mut pending), (0, 1));
        pending.acked(6, 7, 4);
        // The one that left had ACKed the first group before it was told.
        assert_eq!(pending.groups.len(), 1);
    }
}
