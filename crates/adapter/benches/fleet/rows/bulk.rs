//! A megabyte to 200 enforcers: what a kilobyte costs, and what memory it takes on the way.

use std::{thread::sleep, time::Duration};

use crate::{
    Sizes,
    adapter::Running,
    fleet::{AT_ONCE, Fleet, Plan},
    ground::Ground,
    report::{median, print},
    stream::Form,
};

const HELD: u64 = 10;
const ROUNDS: usize = 5;

pub(crate) fn run(sizes: &Sizes) {
    // 20 bytes for each entry; in the classic form 105, and so fewer of them.
    once(sizes, Form::Range, 50_000, "1 MB x 200");
    once(sizes, Form::Tokens, 10_000, "StreamTokens, 1 MB x 200");
}

fn once(sizes: &Sizes, form: Form, entries: u64, case: &str) {
    let count = sizes.of(200);
    let ground = Ground::new();
    ground.ledger("ledger", HELD);
    let mut adapter = Running::start(&ground, "ledger", HELD);
    let process = adapter.process();
    // What a group takes on its way into the ledger is not what this is about.
    let mut alone = Vec::new();
    for _ in 0..3 {
        let before = process.cpu_us();
        adapter.publish(entries);
        alone.push(process.cpu_us() - before);
    }
    let alone = median(&mut alone);
    let mut fleet = Fleet::new();
    fleet.open(&Plan {
        port: adapter.port,
        tls: ground.client_tls(),
        form,
        count,
        at_once: AT_ONCE,
        place: adapter.last,
    });
    let (mut cpu, mut above, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sleep(Duration::from_millis(500));
        let (idle, bytes) = (process.all_resident(), fleet.bytes());
        process.reset_peak();
        let before = process.cpu_us();
        let revoked = adapter.revoke(entries);
        let used = process.cpu_us() - before;
        let kilobytes = (fleet.bytes() - bytes) as f64 / 1e3;
        cpu.push((used - alone) / kilobytes);
        above.push((process.peak() - idle) / 1e6);
        last.push(revoked.last_ack.unwrap().as_secs_f64() * 1e3);
    }
    print("bulk.us_per_kb", case, median(&mut cpu), "us");
    print("bulk.rss_mb", case, above[0], "MB");
    print("bulk.last_ack_ms", case, median(&mut last), "ms");
}
