//! Back after a minute at a thousand revocations a second.

use crate::{
    Sizes, adapter::Running, gateway::Gateway, ground::Ground, report::median, report::print,
};

const HELD: u64 = 100_000;
const ROUNDS: usize = 5;

pub(crate) fn run(sizes: &Sizes) {
    let missed = sizes.of(60_000) as u64;
    let ground = Ground::new();
    ground.ledger("ledger", HELD);
    let mut adapter = Running::start(&ground, "ledger", HELD);
    let mut gateway = Gateway::start(&ground, &[adapter.port]);
    gateway.go();
    gateway.whole(HELD, None);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        gateway.away();
        adapter.publish(missed);
        let began = gateway.go();
        let whole = gateway.whole(adapter.last, None);
        times.push((whole.at - began).as_secs_f64() * 1e3);
    }
    print(
        "resume.ready_ms",
        &missed.to_string(),
        median(&mut times),
        "ms",
    );
}
