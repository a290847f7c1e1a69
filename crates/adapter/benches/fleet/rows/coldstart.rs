//! A gateway that holds nothing: until it holds everything, and what that takes at both ends.

use crate::{Sizes, adapter::Running, gateway::Gateway, ground::Ground, report::print};

pub(crate) fn run(sizes: &Sizes) {
    for (full, case) in [(1_000_000, "1M"), (10_000_000, "10M")] {
        let tokens = sizes.of(full) as u64;
        let case = &if sizes.quick {
            tokens.to_string()
        } else {
            case.to_owned()
        };
        let ground = Ground::new();
        ground.ledger("ledger", tokens);
        let adapter = Running::start(&ground, "ledger", tokens);
        let process = adapter.process();
        let held = process.all_resident();
        process.reset_peak();
        let mut gateway = Gateway::start(&ground, &[adapter.port]);
        let began = gateway.go();
        let whole = gateway.whole(tokens, None);
        assert_eq!(whole.sequence, tokens);
        print(
            "coldstart.ready_s",
            case,
            (whole.at - began).as_secs_f64(),
            "s",
        );
        print("coldstart.entries_mb", case, whole.bytes as f64 / 1e6, "MB");
        let above = (process.peak() - held) / 1e6;
        print("coldstart.adapter_mb", case, held / 1e6, "MB");
        print("coldstart.adapter_above_mb", case, above, "MB");
        print(
            "coldstart.gateway_mb",
            case,
            gateway.process().resident() / 1e6,
            "MB",
        );
        print(
            "coldstart.gateway_peak_mb",
            case,
            gateway.process().peak() / 1e6,
            "MB",
        );
    }
}
