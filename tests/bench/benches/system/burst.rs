//! What waits in the broker, as fast as the broker gives it: to a consumer that does nothing with it, to the adapter's disk,
//! and to the enforcer.

use std::time::Duration;

use rescind_stack::Part;
use tokio::time::{Instant, sleep};

use crate::{
    Only,
    hub::{Bare, Publisher},
    measure::{median, show},
    world::{Broker, Receipt, World, until},
};

const EVENTS: usize = 100_000;
const ROUNDS: usize = 3;

/// How finely the end is seen. It is a thousandth of what is measured.
const POLL: Duration = Duration::from_millis(3);

pub(crate) async fn run(only: &Only, broker: &Broker) {
    let with_enforcer = only.takes(&["e2e.burst"]);
    if !with_enforcer && !only.takes(&["ingest."]) {
        return;
    }
    let (bare_url, world) = (
        broker.vhost(),
        World::start(broker, &[Part::Envoy, Part::Upstream]).await,
    );
    let mut publisher = Publisher::connect(&world.stack.var("AMQP_URL")).await;
    let mut beside = Publisher::connect(&bare_url).await;
    let [mut bare, mut durable, mut everywhere] = [const { Vec::new() }; 3];
    let enforcer = world.stack.part(Part::Enforcer);
    for _ in 0..ROUNDS {
        let queue = Bare::declare(&bare_url).await;
        beside.fill(EVENTS).await;
        bare.push(queue.consume(EVENTS).await);
        drop(queue);

        enforcer.stop().await;
        durable.push(
            drain(&world, &mut publisher, |receipt| {
                receipt != Receipt::Unknown
            })
            .await,
        );
        enforcer.start().await.unwrap();
        until(
            "the enforcer is connected",
            Duration::from_secs(30),
            async || world.connected().await == 1,
        )
        .await;

        if with_enforcer {
            everywhere.push(
                drain(&world, &mut publisher, |receipt| {
                    receipt == Receipt::Acked(1, 1)
                })
                .await,
            );
        }
    }
    let bare = median(bare);
    let rate = |seconds: f64| EVENTS as f64 / seconds;
    show(
        "ingest.durable_per_s",
        "100 000 events",
        rate(median(durable)),
        "1/s",
        Some(rate(bare)),
    );
    if with_enforcer {
        let expected = 2 * ROUNDS * EVENTS;
        let kept = world.metric(Part::Adapter, "rescind_ledger_entries").await;
        let enforced = world
            .metric(Part::Enforcer, "rescind_enforcer_set_entries")
            .await;
        show(
            "e2e.burst",
            "lost",
            expected as f64 - kept.min(enforced),
            "events",
            None,
        );
        show("e2e.burst", "s", median(everywhere), "s", Some(bare));
    }
    world.stop().await;
}

/// Seconds from the moment that the adapter goes on until the last event is where it should be. While it stands still the
/// broker takes the events in, but for the window of a thousand.
async fn drain(
    world: &World,
    publisher: &mut Publisher,
    is_there: impl Fn(Receipt) -> bool,
) -> f64 {
    let last = world.head().await + EVENTS as u64;
    let adapter = world.stack.part(Part::Adapter);
    adapter.freeze();
    let filling = Instant::now();
    publisher.fill(EVENTS).await;
    // After two missed heartbeats of 5 s the broker drops the adapter's connection, and its queue with it.
    assert!(
        filling.elapsed() < Duration::from_secs(9),
        "the machine is too busy: the events took {:?} into the broker",
        filling.elapsed()
    );
    let began = Instant::now();
    adapter.thaw();
    while !is_there(world.receipt(last).await) {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{last} is not there"
        );
        sleep(POLL).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(world.head().await, last);
    seconds
}
