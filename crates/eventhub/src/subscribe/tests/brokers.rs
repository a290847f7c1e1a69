//! The rules of `session`, one by one, held against a broker that plays Qpid or Andes.

use std::collections::BTreeSet;

use lapin::protocol::{AMQPClass, basic, exchange, queue};

use super::{
    scripted::{Broker, Kind, Peer, Refusal},
    *,
};
use crate::settle_all;

const BOTH: [Kind; 2] = [Kind::Qpid, Kind::Andes];

/// Longer than anything takes, the heartbeat of a connection included.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(PATIENCE, future).await;
    came.expect("did not come")
}

struct Fixture {
    broker: Broker,
    peer: Peer,
    messages: Receiver<HubMessage>,
    _cancel: CancellationToken,
}

/// A subscription that stands.
async fn standing(kind: Kind) -> Fixture {
    standing_with(kind, |config| config).await
}

async fn standing_with(kind: Kind, change: impl FnOnce(HubConfig) -> HubConfig) -> Fixture {
    let broker = Broker::new(kind).await;
    let (mut messages, cancel, _) = start(change(config(&[&broker.url()])));
    let peer = soon(broker.consumed()).await;
    subscribed(&mut messages).await;
    Fixture {
        broker,
        peer,
        messages,
        _cancel: cancel,
    }
}

async fn subscribed(messages: &mut Receiver<HubMessage>) {
    let message = soon(messages.recv()).await;
    assert!(
        matches!(message, Some(HubMessage::Subscribed { .. })),
        "{message:?}"
    );
}

async fn delivery(messages: &mut Receiver<HubMessage>) -> Delivery {
    match soon(messages.recv()).await {
        Some(HubMessage::Delivery(delivery)) => delivery,
        other => panic!("not a delivery: {other:?}"),
    }
}

impl Fixture {
    /// Waits until the loss is told, and then until all of it stands anew. Why it was lost.
    async fn lost_and_back(&mut self) -> String {
        let old = self.peer.queue.clone();
        let reason = {
            let answering = async { while self.peer.step().await.is_some() {} };
            let both = async { tokio::join!(lost(&mut self.messages), answering) };
            soon(both).await.0
        };
        self.peer = soon(self.broker.consumed()).await;
        subscribed(&mut self.messages).await;
        assert_ne!(self.peer.queue, old, "the name of the old queue");
        self.hears().await;
        reason
    }

    /// Delivers something, and goes on answering until it is there.
    async fn hears(&mut self) {
        self.peer.deliver(1, b"news").await;
        let answering = async {
            while self.peer.step().await.is_some() {}
            panic!("hung up");
        };
        let delivery = tokio::select! {
            delivery = delivery(&mut self.messages) => delivery,
            () = answering => return,
        };
        assert!(delivery.event.is_err());
    }

    fn declared(&self) -> Vec<&queue::Declare> {
        let methods = self.peer.seen.iter();
        let declared = methods.filter_map(|method| match method {
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare)) => Some(declare),
            _ => None,
        });
        declared.collect()
    }
}

#[tokio::test]
async fn rule_1_it_asks_for_a_heartbeat_of_its_own_where_the_broker_offers_none() {
    for kind in BOTH {
        assert_eq!(standing(kind).await.peer.heartbeat, 5);
    }
}

#[tokio::test]
async fn rule_2_it_declares_no_exchange() {
    for kind in BOTH {
        let fixture = standing(kind).await;
        let declares = |method: &AMQPClass| {
            matches!(
                method,
                AMQPClass::Exchange(exchange::AMQPMethod::Declare(_))
            )
        };
        assert!(!fixture.peer.seen.iter().any(declares));
    }
}

#[tokio::test]
async fn rule_3_the_queue_is_its_own_without_arguments_and_has_the_name_in_the_answer() {
    for kind in BOTH {
        // The peer checks that the name in its answer is the one that is bound and consumed.
        let fixture = standing(kind).await;
        let [declare] = fixture.declared()[..] else {
            panic!("not one queue: {:?}", fixture.peer.seen);
        };
        assert!(declare.exclusive && declare.auto_delete && !declare.durable && !declare.passive);
        assert!(declare.arguments.inner().is_empty());
        let name = declare.queue.as_str();
        assert!(!name.is_empty() && name == name.to_lowercase(), "{name}");
    }
}

#[tokio::test]
async fn rule_4_both_forms_of_the_key_are_bound() {
    for kind in BOTH {
        let fixture = standing(kind).await;
        let methods = fixture.peer.seen.iter();
        let keys = methods.filter_map(|method| match method {
            AMQPClass::Queue(queue::AMQPMethod::Bind(bind)) => {
                Some((bind.exchange.as_str(), bind.routing_key.as_str()))
            }
            _ => None,
        });
        let both = [
            ("amq.topic", "tokenRevocation"),
            ("amq.topic", "tokenrevocation"),
        ];
        assert_eq!(keys.collect::<BTreeSet<_>>(), BTreeSet::from(both));
    }
}

#[tokio::test]
async fn rule_5_what_cannot_be_read_is_acknowledged_too_and_no_tag_twice() {
    let mut fixture = standing(Kind::Andes).await;
    let prefetch = fixture.peer.seen.iter().find_map(|method| match method {
        AMQPClass::Basic(basic::AMQPMethod::Qos(qos)) => Some(qos.prefetch_count),
        _ => None,
    });
    assert_eq!(prefetch, Some(1000));
    for groups in [1..=3, 4..=4, 5..=6] {
        let mut deliveries = Vec::new();
        let last = *groups.end();
        for tag in groups {
            fixture.peer.deliver(tag, b"unreadable").await;
            deliveries.push(delivery(&mut fixture.messages).await);
        }
        assert!(deliveries.iter().all(|delivery| delivery.event.is_err()));
        settle_all(deliveries).await;
        let (mut acked, mut tag) = (Vec::new(), 0);
        while tag < last {
            // A nack would cost the connection, as it does on Andes.
            let Some(AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) = fixture.peer.step().await
            else {
                panic!("not an ack: {:?}", fixture.peer.seen.last());
            };
            tag = ack.delivery_tag;
            acked.push(tag);
        }
        assert_eq!(acked.last(), Some(&last));
        assert!(acked.is_sorted_by(|a, b| a < b), "{acked:?}");
    }
}

#[tokio::test]
async fn rule_6_every_refusal_is_told_in_the_brokers_words_and_tried_again() {
    for (refusal, text) in [
        (Refusal::Password, "530 Authentication failed"),
        (Refusal::VirtualHost, "404 Unknown virtual host"),
    ] {
        let broker = Broker::new(Kind::Qpid).await;
        let (mut messages, _cancel, _) = start(config(&[&broker.url()]));
        broker.refuse(Some(refusal)).await;
        let reason = lost(&mut messages).await;
        assert!(
            reason.contains(text) && !reason.contains("secret"),
            "{reason}"
        );
        let _peer = broker.consumed().await;
        subscribed(&mut messages).await;
    }
}

#[tokio::test]
async fn rule_7_a_queue_that_is_deleted_in_silence_is_noticed() {
    for kind in BOTH {
        let often = |config| HubConfig {
            queue_check: Duration::from_millis(20),
            ..config
        };
        let mut fixture = standing_with(kind, often).await;
        fixture.peer.queue_is_gone = true;
        let reason = fixture.lost_and_back().await;
        assert!(
            reason.ends_with("the broker answers 404 Queue not found"),
            "{reason}"
        );
    }
}

/// A subscription whose broker is asked for the queue, and does not answer.
async fn asked(kind: Kind, step_timeout: Duration) -> Fixture {
    let often = |config| HubConfig {
        queue_check: Duration::from_millis(20),
        heartbeat: Duration::from_secs(60),
        step_timeout,
        ..config
    };
    let mut fixture = standing_with(kind, often).await;
    fixture.peer.keeps_silent = true;
    let is_check = |method: &Option<AMQPClass>| match method {
        Some(AMQPClass::Queue(queue::AMQPMethod::Declare(declare))) => declare.passive,
        Some(_) => false,
        None => panic!("hung up"),
    };
    while !is_check(&soon(fixture.peer.step()).await) {}
    fixture
}

#[tokio::test]
async fn rule_7_deliveries_go_on_while_the_check_is_unanswered() {
    for kind in BOTH {
        let mut fixture = asked(kind, Duration::from_secs(3600)).await;
        for tag in 1..=3 {
            fixture.peer.deliver(tag, b"news").await;
            assert!(delivery(&mut fixture.messages).await.event.is_err());
        }
        // Answered, and asked again.
        fixture.peer.keeps_silent = false;
        fixture.peer.declared().await;
        let checks = fixture.declared().len();
        while fixture.declared().len() < checks + 2 {
            soon(fixture.peer.step()).await;
        }
        fixture.hears().await;
    }
}

#[tokio::test]
async fn rule_7_a_check_that_is_never_answered_ends_it() {
    for kind in BOTH {
        // All of the handshake has so long too, which a busy machine may need; and no heartbeat is due before.
        let limit = Duration::from_secs(25);
        let mut fixture = asked(kind, limit).await;
        fixture.peer.deliver(1, b"news").await;
        assert!(delivery(&mut fixture.messages).await.event.is_err());
        tokio::time::pause();
        tokio::time::advance(limit).await;
        tokio::time::resume();
        let reason = fixture.lost_and_back().await;
        assert!(reason.ends_with("no answer to the queue check"), "{reason}");
    }
}

#[tokio::test]
async fn rule_8_after_every_end_all_of_it_is_built_anew() {
    for kind in BOTH {
        let mut fixture = standing(kind).await;
        fixture.peer.close(320, "CONNECTION_FORCED").await;
        let reason = fixture.lost_and_back().await;
        assert!(reason.contains("320 CONNECTION_FORCED"), "{reason}");

        fixture.peer.close_channel(541, "INTERNAL_ERROR").await;
        let reason = fixture.lost_and_back().await;
        assert!(reason.contains("541 INTERNAL_ERROR"), "{reason}");

        fixture.peer.cancel_consumer().await;
        let reason = fixture.lost_and_back().await;
        assert!(reason.contains("cancelled the consumer"), "{reason}");

        fixture.peer.hang_up().await;
        fixture.lost_and_back().await;
    }
}

#[tokio::test]
async fn a_broker_that_blocks_publishers_still_delivers() {
    let mut fixture = standing(Kind::Qpid).await;
    fixture.peer.block().await;
    fixture.hears().await;
}

#[tokio::test]
async fn a_durable_queue_is_not_tried_on_a_broker_that_would_keep_it_for_ever() {
    for kind in BOTH {
        let broker = Broker::new(kind).await;
        let durable = HubConfig {
            durable_queue: Some(DurableQueue {
                name: "rescind-1".into(),
                expires: Duration::from_secs(60),
            }),
            ..config(&[&broker.url()])
        };
        let (mut messages, _cancel, _) = start(durable);
        let (reason, seen) = tokio::join!(lost(&mut messages), broker.refuse(None));
        assert!(reason.contains("needs RabbitMQ"), "{reason}");
        assert!(
            !seen
                .iter()
                .any(|method| matches!(method, AMQPClass::Queue(_)))
        );
    }
}
