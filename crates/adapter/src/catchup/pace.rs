//! When the list is read: soon for who asks, and never so often that asking does harm.
//!
//! ```text
//! after a login that was refused      only at `next`: an account may be locked out by attempts
//! else, with a new subscription       at once: it may have missed what was published before it
//! else, for who asks                  from `floor` on
//! else                                at `again`, or at `next`
//! ```

use tokio::time::{Duration, Instant};

use super::Timing;

/// The longest time that a reading leaves the control plane in peace, however long it took.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is known of the last reading, and what was asked for since.
#[derive(Debug)]
pub(super) struct Pace {
    /// When to read unasked.
    next: Instant,
    /// Who asks does not get it before.
    floor: Instant,
    /// When to read once more, after a catch-up that was asked for.
    again: Option<Instant>,
    asked: bool,
    refused: bool,
    /// How many subscriptions had stood when the last reading began.
    subscriptions: u64,
}

impl Pace {
    /// Nothing is read yet.
    pub(super) fn new(timing: &Timing, now: Instant) -> Self {
        Self {
            next: now + timing.first,
            floor: now,
            again: None,
            asked: false,
            refused: false,
            subscriptions: 0,
        }
    }

    pub(super) fn asked(&mut self) {
        self.asked = true;
    }

    /// When to read, where so many subscriptions have stood by now.
    pub(super) fn due(&self, subscriptions: u64, now: Instant) -> Instant {
        if self.refused {
            return self.next;
        }
        if subscriptions > self.subscriptions {
            return now;
        }
        let soonest = if self.asked {
            self.floor
        } else {
            let again = self.again.map(|again| again.max(self.floor));
            again.unwrap_or(self.next)
        };
        soonest.min(self.next)
    }

    /// A reading begins, which answers whoever asked so far.
    pub(super) fn begins(&mut self, subscriptions: u64, timing: &Timing, now: Instant) {
        if std::mem::take(&mut self.asked) || subscriptions > self.subscriptions {
            self.again = Some(now + timing.again_after);
        } else if self.again.is_some_and(|again| again <= now) {
            self.again = None;
        }
        self.subscriptions = subscriptions;
    }

    /// The list was read, which took so long. A stream of events that ask for it keeps the control plane busy half of the
    /// time at the most.
    pub(super) fn read(&mut self, took: Duration, wait: Duration, timing: &Timing, now: Instant) {
        self.refused = false;
        self.next = now + wait;
        self.floor = now + took.clamp(timing.pause, LONGEST_PAUSE.max(timing.pause));
    }

    /// It could not be read. Who asks shortens a wait that has grown, to what it was at first.
    pub(super) fn failed(&mut self, wait: Duration, timing: &Timing, now: Instant) {
        self.refused = false;
        self.next = now + wait;
        self.floor = now + wait.min(timing.retry_interval);
    }

    /// We were not let in.
    pub(super) fn refused(&mut self, wait: Duration, now: Instant) {
        self.refused = true;
        self.next = now + wait;
        self.floor = self.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A pace whose last reading, asked for, began at `start`, and when that is.
    fn fixture() -> (Pace, Timing, Instant) {
        let timing = Timing::new(seconds(5), seconds(30));
        let start = Instant::now();
        let mut pace = Pace::new(&timing, start);
        pace.asked();
        assert_eq!(pace.due(0, start), start);
        pace.begins(1, &timing, start);
        (pace, timing, start)
    }

    #[test]
    fn one_who_asks_gets_it_at_once_and_then_again_a_while_later() {
        let (mut pace, timing, start) = fixture();
        pace.read(seconds(1), timing.every, &timing, start + seconds(1));
        let now = start + seconds(100);
        pace.again = None;
        assert_eq!(pace.due(1, now), start + seconds(301));
        pace.asked();
        assert!(pace.due(1, now) <= now);
        pace.begins(1, &timing, now);
        pace.read(seconds(1), timing.every, &timing, now);
        assert_eq!(pace.due(1, now), now + timing.again_after);
        pace.begins(1, &timing, now + timing.again_after);
        pace.read(seconds(1), timing.every, &timing, now + seconds(30));
        assert_eq!(pace.due(1, now), now + seconds(330));
    }

    #[test]
    fn a_stream_of_events_leaves_it_in_peace_half_of_the_time() {
        let (mut pace, timing, start) = fixture();
        for (took, pause) in [
            (Duration::ZERO, timing.pause),
            (seconds(20), seconds(20)),
            (seconds(3600), seconds(60)),
        ] {
            pace.again = None;
            pace.read(took, timing.every, &timing, start);
            pace.asked();
            assert_eq!(pace.due(1, start), start + pause);
            // A subscription that is new does not wait.
            assert_eq!(pace.due(2, start), start);
        }
    }

    #[test]
    fn one_who_asks_shortens_a_grown_wait_to_the_first_one() {
        let (mut pace, timing, start) = fixture();
        pace.failed(seconds(60), &timing, start);
        assert_eq!(pace.due(1, start), start + timing.again_after);
        pace.asked();
        assert_eq!(pace.due(1, start), start + timing.retry_interval);
        assert_eq!(pace.due(2, start), start);
    }

    #[test]
    fn nobody_hastens_what_follows_a_refused_login() {
        let (mut pace, timing, start) = fixture();
        let refused = start + seconds(1);
        pace.refused(timing.unauthorized_retry, refused);
        pace.asked();
        let next = refused + timing.unauthorized_retry;
        // Not even the reading that was to follow the first one.
        assert!(pace.again.unwrap() < next);
        assert_eq!(pace.due(1, refused), next);
        assert_eq!(pace.due(2, refused), next);
        pace.begins(2, &timing, next);
        pace.read(seconds(1), timing.every, &timing, next);
        assert_eq!(pace.due(2, next), next + timing.again_after);
    }
}
