//! One revocation to many enforcers: how long to the last ACK, what each push costs, what an idle stream takes.

use std::{thread::sleep, time::Duration};

use crate::{
    Sizes,
    adapter::Running,
    fleet::{AT_ONCE, Fleet, Plan},
    ground::Ground,
    report::{median, print, quantile},
    stream::Form,
};

const HELD: u64 = 1_000;
const ROUNDS: usize = 21;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) fn run(sizes: &Sizes) {
    for count in [200, 1_000, 5_000] {
        once(sizes.of(count), ROUNDS);
    }
}

/// With so many enforcers.
pub(crate) fn once(count: usize, rounds: usize) {
    let ground = Ground::new();
    ground.ledger("ledger", HELD);
    let mut adapter = Running::start(&ground, "ledger", HELD);
    let process = adapter.process();
    let idle = process.resident();
    let mut fleet = Fleet::new();
    fleet.open(&Plan {
        port: adapter.port,
        tls: ground.client_tls(),
        form: Form::Range,
        count,
        at_once: AT_ONCE,
        place: HELD,
    });
    sleep(Duration::from_secs(1));
    let per_stream = (process.resident() - idle) / count as f64;
    let case = count.to_string();
    print("idle.kb_per_stream", &case, per_stream / 1024.0, "KiB");
    let (mut last, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..rounds + 3 {
        sleep(PAUSE);
        let before = process.cpu_us();
        let revoked = adapter.revoke(1);
        let used = process.cpu_us() - before;
        // What runs for the first time is not counted.
        if round >= 3 {
            last.push(revoked.last_ack.unwrap().as_secs_f64() * 1e3);
            cpu.push(used / count as f64);
        }
    }
    print("fanout.last_ack_ms", &case, median(&mut last), "ms");
    print(
        "fanout.last_ack_p95_ms",
        &case,
        quantile(&mut last, 0.95),
        "ms",
    );
    print("fanout.cpu_us_per_push", &case, median(&mut cpu), "us");
}
