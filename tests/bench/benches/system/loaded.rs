//! A thousand events a second, and a hundred clients.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rescind_stack::Part;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    Only, client,
    hub::Publisher,
    measure::{percentile, show},
    world::{Broker, World, until},
};

const CLIENTS: usize = 100;
const PER_MS: u64 = 1;
const EVENTS: u64 = 15_000;

/// What a client has seen: the sequence, and how long each event took, in milliseconds.
struct Seen {
    sequence: AtomicU64,
    times: Mutex<Vec<f32>>,
}

pub(crate) async fn run(only: &Only, broker: &Broker) {
    if !only.takes(&["e2e.loaded"]) {
        return;
    }
    let world = World::start(broker, &[Part::Envoy, Part::Upstream, Part::Enforcer]).await;
    let mut publisher = Publisher::connect(&world.stack.var("AMQP_URL")).await;
    let base = world.head().await;
    let (start, cancel) = (Arc::new(OnceLock::new()), CancellationToken::new());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| follow(&world, number, base, &start, &cancel))
        .collect();
    until(
        "all clients are connected",
        Duration::from_secs(60),
        async || world.connected().await == CLIENTS,
    )
    .await;

    let began = *start.get_or_init(Instant::now);
    publish(&mut publisher).await;
    let took = began.elapsed().as_secs_f64();
    let all = |seen: &Arc<Seen>| seen.sequence.load(Ordering::Acquire) >= base + EVENTS;
    until(
        "all clients have all events",
        Duration::from_secs(60),
        async || clients.iter().all(all),
    )
    .await;
    assert_eq!(world.head().await, base + EVENTS);

    let mut times = Vec::new();
    for seen in &clients {
        let seen = seen.times.lock().unwrap();
        assert_eq!(seen.len() as u64, EVENTS);
        times.extend(seen.iter().map(|ms| f64::from(*ms)));
    }
    for (case, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        show(
            "e2e.loaded_ms",
            case,
            percentile(&mut times, share),
            "ms",
            None,
        );
    }
    show(
        "e2e.loaded_per_s",
        "published",
        EVENTS as f64 / took,
        "1/s",
        None,
    );
    cancel.cancel();
    world.stop().await;
}

/// The event of a sequence was due at a moment that hangs on its number alone: a publisher that is late is not forgiven.
fn follow(
    world: &World,
    number: usize,
    base: u64,
    start: &Arc<OnceLock<Instant>>,
    cancel: &CancellationToken,
) -> Arc<Seen> {
    let seen = Arc::new(Seen {
        sequence: AtomicU64::new(base),
        times: Mutex::new(Vec::with_capacity(EVENTS as usize)),
    });
    let (heard, start) = (Arc::clone(&seen), Arc::clone(start));
    let applied = move |sequence: u64| {
        let now = Instant::now();
        let before = heard.sequence.fetch_max(sequence, Ordering::AcqRel);
        // There is no event before the start.
        let Some(began) = start.get() else { return };
        let mut times = heard.times.lock().unwrap();
        for event in before..sequence.max(before) {
            let due = *began + Duration::from_millis((event - base) / PER_MS);
            times.push(now.saturating_duration_since(due).as_secs_f32() * 1e3);
        }
    };
    drop(client::subscribe(
        &world.stack,
        number,
        cancel.clone(),
        Box::new(applied),
    ));
    seen
}

async fn publish(publisher: &mut Publisher) {
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for _ in 0..EVENTS / PER_MS {
        ticks.tick().await;
        for _ in 0..PER_MS {
            publisher.publish().await;
        }
    }
}
