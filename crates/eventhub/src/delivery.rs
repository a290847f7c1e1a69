//! What came over a subscription, and how it is settled.
//!
//! A delivery is acknowledged by its owner, after the event is durable; dropping one settles nothing. Acknowledging many
//! at once saves a frame for each, but one wrong tag is dangerous: for a tag that is no longer outstanding RabbitMQ closes
//! the channel (406), and Andes acknowledges *everything* that is outstanding. So each channel remembers what it has
//! handed out, and a multiple acknowledgement is sent only where it covers exactly the group's own deliveries.
//!
//! An acknowledgement that is under way while its connection is lost may never be told so by lapin: it is waited for only as
//! long as the subscription stands. Without that, whoever settles would hear nothing from any later subscription either.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use lapin::{Acker, options::BasicAckOptions};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{DecodeError, Event};

/// One message of the hub, decoded.
///
/// It is redelivered, or lost with its queue, unless it is settled: unreadable ones too, since Andes stops delivering at
/// 1000 unacknowledged messages.
#[derive(Debug)]
#[must_use = "an unsettled delivery takes one place of the prefetch for as long as the subscription stands"]
pub struct Delivery {
    /// What it says, or why it cannot be read.
    pub event: Result<Event, DecodeError>,
    /// When it was taken from the connection.
    pub received_at: Instant,
    /// The broker that it came from, without credentials; empty for one of no broker.
    pub source: Arc<str>,
    ticket: Ticket,
}

/// How a delivery is settled.
#[derive(Debug)]
enum Ticket {
    Broker {
        acker: Acker,
        tag: u64,
        channel: Arc<Outstanding>,
    },
    Receipt(oneshot::Sender<()>),
}

impl Delivery {
    /// A delivery of no broker, and what hears that it was settled: for tests and other sources of events.
    pub fn with_receipt(
        event: Result<Event, DecodeError>,
        received_at: Instant,
    ) -> (Self, oneshot::Receiver<()>) {
        let (settled, receipt) = oneshot::channel();
        let delivery = Self {
            event,
            received_at,
            source: "".into(),
            ticket: Ticket::Receipt(settled),
        };
        (delivery, receipt)
    }

    /// A delivery of the channel whose outstanding tags are kept in `channel`, to the broker `source`.
    pub(crate) fn of_broker(
        event: Result<Event, DecodeError>,
        source: &Arc<str>,
        acker: Acker,
        tag: u64,
        channel: &Arc<Outstanding>,
    ) -> Self {
        channel.insert(tag);
        Self {
            event,
            received_at: Instant::now(),
            source: Arc::clone(source),
            ticket: Ticket::Broker {
                acker,
                tag,
                channel: Arc::clone(channel),
            },
        }
    }

    /// Acknowledges it. Where its channel has died there is nothing left to acknowledge, and that is no error.
    pub async fn settle(self) {
        settle_all(vec![self]).await;
    }
}

/// Acknowledges all of `deliveries`, in as few frames as is safe.
pub async fn settle_all(deliveries: Vec<Delivery>) {
    // By address: as a number, since a pointer would bind this future to one thread.
    let mut channels: BTreeMap<usize, (Arc<Outstanding>, BTreeMap<u64, Acker>)> = BTreeMap::new();
    for delivery in deliveries {
        match delivery.ticket {
            Ticket::Receipt(settled) => {
                // The receipt may have been dropped: nobody wants to know.
                let _ = settled.send(());
            }
            Ticket::Broker {
                acker,
                tag,
                channel,
            } => {
                let (_, group) = channels
                    .entry(Arc::as_ptr(&channel).addr())
                    .or_insert_with(|| (channel, BTreeMap::new()));
                group.insert(tag, acker);
            }
        }
    }
    for (channel, group) in channels.into_values() {
        acknowledge(&channel, &group).await;
    }
}

async fn acknowledge(channel: &Outstanding, group: &BTreeMap<u64, Acker>) {
    for ack in channel.take(&group.keys().copied().collect()) {
        let Some(acker) = group.get(&ack.tag) else {
            continue;
        };
        let options = BasicAckOptions {
            multiple: ack.multiple,
        };
        match channel.while_it_stands(acker.ack(options)).await {
            Some(Ok(_)) => {}
            // Fails only where the channel is gone, and with it whatever could be acknowledged.
            Some(Err(error)) => {
                debug!(%error, "acknowledgement was not sent");
                return;
            }
            None => return,
        }
    }
}

/// The tags that one channel has handed out and that are not settled yet, for as long as its subscription stands.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    tags: Mutex<BTreeSet<u64>>,
    over: CancellationToken,
}

/// One `basic.ack` to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ack {
    tag: u64,
    multiple: bool,
}

impl Outstanding {
    /// The subscription is over: what it has handed out can be acknowledged no more, and nobody waits for that.
    pub(crate) fn end(&self) {
        self.over.cancel();
    }

    /// What `work` comes to; `None` where the subscription ends before.
    async fn while_it_stands<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.over.run_until_cancelled(work).await
    }

    fn insert(&self, tag: u64) {
        self.tags
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tag);
    }

    /// Takes `group` out and says how to acknowledge it: the lowest outstanding tags with one multiple acknowledgement,
    /// as far as the group has them without a gap, the others each by itself.
    fn take(&self, group: &BTreeSet<u64>) -> Vec<Ack> {
        let mut outstanding = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let group: Vec<u64> = group
            .iter()
            .copied()
            .filter(|tag| outstanding.contains(tag))
            .collect();
        let covered = outstanding
            .iter()
            .zip(&group)
            .take_while(|(lowest, tag)| lowest == tag)
            .count();
        for tag in &group {
            outstanding.remove(tag);
        }
        let together = covered.checked_sub(1).map(|last| Ack {
            tag: group[last],
            multiple: last > 0,
        });
        let singly = group[covered..].iter().map(|&tag| Ack {
            tag,
            multiple: false,
        });
        together.into_iter().chain(singly).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    fn outstanding(tags: impl IntoIterator<Item = u64>) -> Outstanding {
        Outstanding {
            tags: Mutex::new(tags.into_iter().collect()),
            ..Outstanding::default()
        }
    }

    #[track_caller]
    fn check(handed_out: &[u64], group: &[u64], acks: &[(u64, bool)]) {
        let acks: Vec<Ack> = acks
            .iter()
            .map(|&(tag, multiple)| Ack { tag, multiple })
            .collect();
        let channel = outstanding(handed_out.iter().copied());
        assert_eq!(channel.take(&group.iter().copied().collect()), acks);
    }

    #[test]
    fn a_group_that_holds_every_lower_tag_takes_one_frame() {
        check(&[1, 2, 3], &[1, 2, 3], &[(3, true)]);
        check(&[4, 5, 6, 7], &[4, 5], &[(5, true)]);
    }

    #[test]
    fn a_lower_tag_of_another_group_is_never_acknowledged() {
        check(&[1, 2, 3], &[2, 3], &[(2, false), (3, false)]);
        check(&[1, 2, 3, 4], &[1, 2, 4], &[(2, true), (4, false)]);
    }

    #[test]
    fn one_delivery_is_acknowledged_by_itself() {
        check(&[7], &[7], &[(7, false)]);
        check(&[6, 7], &[7], &[(7, false)]);
    }

    #[test]
    fn a_tag_is_acknowledged_once() {
        let channel = outstanding([1, 2]);
        assert_eq!(channel.take(&BTreeSet::from([1, 2])).len(), 1);
        assert_eq!(channel.take(&BTreeSet::from([1, 2])), []);
    }

    #[tokio::test]
    async fn a_receipt_hears_the_settlement_and_nothing_before() {
        let unreadable = || Err(DecodeError::MissingToken);
        let (first, mut receipt) = Delivery::with_receipt(unreadable(), Instant::now());
        let (second, other) = Delivery::with_receipt(unreadable(), Instant::now());
        assert!(receipt.try_recv().is_err());
        settle_all(vec![first, second]).await;
        receipt.try_recv().unwrap();
        other.await.unwrap();
    }

    #[tokio::test]
    async fn a_delivery_whose_channel_is_gone_settles() {
        let channel = Arc::new(Outstanding::default());
        let mock = |tag| {
            lapin::message::Delivery::mock(tag, "".into(), "".into(), false, Vec::new()).acker
        };
        let source = "".into();
        let delivery = |tag| {
            let event = Err(DecodeError::MissingToken);
            Delivery::of_broker(event, &source, mock(tag), tag, &channel)
        };
        let deliveries = (1..=3).map(delivery).collect();
        settle_all(deliveries).await;
        assert_eq!(channel.take(&BTreeSet::from([1, 2, 3])), []);
    }

    #[tokio::test]
    async fn an_acknowledgement_that_nobody_answers_is_waited_for_while_the_subscription_stands() {
        let channel = Outstanding::default();
        assert_eq!(channel.while_it_stands(async { 1 }).await, Some(1));
        let never = channel.while_it_stands(std::future::pending::<()>());
        let ends = async { channel.end() };
        assert_eq!(tokio::join!(never, ends).0, None);
    }

    proptest! {
        /// Plays the acknowledgements against a broker that means "this tag and all lower ones" by multiple.
        #[test]
        fn acknowledgements_cover_the_group_and_only_the_group(
            handed_out in btree_set(1u64..60, 0..40),
            group in btree_set(1u64..60, 0..40),
        ) {
            let mut broker = handed_out.clone();
            for ack in outstanding(handed_out.clone()).take(&group) {
                prop_assert!(broker.contains(&ack.tag), "tag {} is not outstanding", ack.tag);
                if ack.multiple {
                    broker.retain(|tag| *tag > ack.tag);
                } else {
                    broker.remove(&ack.tag);
                }
            }
            prop_assert_eq!(broker, &handed_out - &group);
        }
    }
}
