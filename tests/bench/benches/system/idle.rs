//! One event at a time, in a system that has nothing else to do.

use std::time::Duration;

use rescind_stack::Part;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Only, client,
    hub::Publisher,
    measure::{percentile, show},
    world::{Broker, Receipt, World, until},
};

const EVENTS: usize = 1_000;
const WARM_UP: usize = 100;

pub(crate) async fn run(only: &Only, broker: &Broker) {
    if !only.takes(&["e2e.idle"]) {
        return;
    }
    let world = World::start(broker, &[Part::Envoy, Part::Upstream]).await;
    let [receipts, applied] = events(&world).await;
    percentiles("e2e.idle_ms", receipts);
    percentiles("e2e.idle_client_ms", applied);
    world.stop().await;
}

fn percentiles(name: &str, mut times: Vec<f64>) {
    for (case, share) in [("p50", 0.5), ("p99", 0.99)] {
        show(name, case, percentile(&mut times, share), "ms", None);
    }
}

/// Milliseconds from a publication until the adapter says that the enforcer and a client in this process have ACKed, and
/// until that client has. The adapter is asked only then: questions in the meantime would be in the event's way.
async fn events(world: &World) -> [Vec<f64>; 2] {
    let mut publisher = Publisher::connect(&world.stack.var("AMQP_URL")).await;
    let (seen, mut watched) = watch::channel((0, Instant::now()));
    let cancel = CancellationToken::new();
    let applied = Box::new(move |sequence| {
        seen.send_replace((sequence, Instant::now()));
    });
    let client = client::subscribe(&world.stack, 0, cancel.clone(), applied);
    until("both are connected", Duration::from_secs(20), async || {
        world.connected().await == 2
    })
    .await;
    let mut version = world.head().await;
    let mut times = [const { Vec::new() }; 2];
    for event in 0..WARM_UP + EVENTS {
        version += 1;
        let began = Instant::now();
        publisher.publish().await;
        let (_, at) = *watched
            .wait_for(|(sequence, _)| *sequence >= version)
            .await
            .unwrap();
        while world.receipt(version).await != Receipt::Acked(2, 2) {
            assert!(began.elapsed() < Duration::from_secs(10), "not ACKed");
        }
        let now = Instant::now();
        if event >= WARM_UP {
            times[0].push((now - began).as_secs_f64() * 1e3);
            times[1].push((at - began).as_secs_f64() * 1e3);
        }
        pause(event).await;
    }
    cancel.cancel();
    let _ = client.await;
    times
}

/// Long enough for everything to fall asleep, and not in step with any timer.
async fn pause(event: usize) {
    sleep(Duration::from_micros(4_000 + event as u64 * 7_919 % 4_000)).await;
}
