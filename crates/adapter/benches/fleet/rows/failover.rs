//! To another adapter that the gateway has never spoken to, after the first one is killed, and after it stands still.

use std::{thread::sleep, time::Duration};

use nix::sys::signal::Signal;

use crate::{
    Sizes, adapter::Running, gateway::Gateway, ground::Ground, process::monotonic, report::print,
};

const HELD: u64 = 100_000;

pub(crate) fn run(_: &Sizes) {
    for (signal, case) in [(Signal::SIGKILL, "kill -9"), (Signal::SIGSTOP, "SIGSTOP")] {
        let ground = Ground::new();
        let adapters = ["one", "two"].map(|name| {
            ground.ledger(name, HELD);
            Running::start(&ground, name, HELD)
        });
        let ports: Vec<_> = adapters.iter().map(|adapter| adapter.port).collect();
        let mut gateway = Gateway::start(&ground, &ports);
        gateway.go();
        let first = gateway.whole(HELD, None).port;
        sleep(Duration::from_secs(1));
        let failing = adapters.iter().find(|adapter| adapter.port == first);
        let began = monotonic();
        failing.unwrap().signal(signal);
        let whole = gateway.whole(HELD, Some(first));
        print(
            "failover.ms",
            case,
            (whole.at - began).as_secs_f64() * 1e3,
            "ms",
        );
        failing.unwrap().signal(Signal::SIGCONT);
    }
}
