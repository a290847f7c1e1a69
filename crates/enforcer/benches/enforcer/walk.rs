//! A repair walk over ten million tokens: what it takes beside the set, and for how long an update may have to wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::registry::Registry;
use rescind_enforcer::{
    age::Age,
    clock::{Clock, SystemClock},
    journal::Durable,
    metrics::Metrics,
    readiness::Readiness,
    subscription::{Signals, Subscription},
};
use rescind_revocation::{RevokedSet, packed};
use rescind_runtime::Health;
use rescind_xds::client::{Content, Packed, Sink as _, Update, Walk};

use super::{Figure, input};

const TOKENS: usize = 10_000_000;
const PART: usize = 100_000;

pub(crate) fn run() {
    let set = Arc::new(RevokedSet::with_capacity(TOKENS));
    let mut subscription = subscription(&set);
    // First everything of one ledger, then a walk over another that lacks a hundredth.
    walk(&mut subscription, "one", TOKENS, &mut Vec::new());
    let before = set.memory().bytes;
    let mut times = Vec::new();
    let began = Instant::now();
    walk(&mut subscription, "two", TOKENS / 100 * 99, &mut times);
    figure(
        "walk.parts_s",
        "10M, all parts applied",
        began.elapsed().as_secs_f64(),
        "s",
        10.0,
    );
    let during = set.memory().bytes.saturating_sub(before);
    figure(
        "walk.memory_mb",
        "10M, beside the set",
        during as f64 / 1e6,
        "MB",
        16.0,
    );
    let began = Instant::now();
    let (mut more, mut steps) = (true, Vec::new());
    while more {
        let step = Instant::now();
        more = subscription.work();
        steps.push(step.elapsed());
    }
    figure(
        "walk.look_s",
        "10M, in steps after it",
        began.elapsed().as_secs_f64(),
        "s",
        5.0,
    );
    longest("walk.step_ms", "10M, the longest step", &steps);
    longest("walk.part_ms", "the longest part of 100 000", &times);
}

fn longest(name: &'static str, case: &'static str, times: &[Duration]) {
    let longest = times.iter().max().copied().unwrap_or_default();
    figure(name, case, longest.as_secs_f64() * 1e3, "ms", 50.0);
}

/// Applies a walk, part by part.
fn walk(subscription: &mut Subscription, ledger: &str, tokens: usize, times: &mut Vec<Duration>) {
    for first in (0..tokens).step_by(PART) {
        let last = (first + PART).min(tokens);
        let entries: Vec<_> = (first..last).map(input::entry).collect();
        let update = Update {
            ledger: Some(ledger.to_owned()),
            version: format!("{last}-0a"),
            content: Content::Packed(Packed {
                base: 0,
                entries: packed::encode(&entries),
                walk: Walk::Part {
                    begins: first == 0,
                    ends: last == tokens,
                },
            }),
            head: None,
            checkpoint: None,
        };
        let began = Instant::now();
        subscription.apply(update).unwrap();
        times.push(began.elapsed());
    }
}

fn subscription(set: &Arc<RevokedSet>) -> Subscription {
    let (health, clock) = (Health::new(), Arc::new(SystemClock) as Arc<dyn Clock>);
    let metrics = Metrics::register(&mut Registry::default());
    let durable = Durable::in_memory(clock.clone(), &health, &metrics);
    let signals = Signals {
        age: Age::new(clock.clone()),
        clock,
        readiness: Readiness::new(&health),
        health,
        metrics,
    };
    Subscription::new(set.clone(), durable, signals)
}

fn figure(name: &'static str, case: &'static str, value: f64, unit: &'static str, goal: f64) {
    Figure {
        name,
        case,
        value,
        unit,
        goal,
        limit: None,
        peer: None,
        met: value <= goal,
    }
    .print();
}
