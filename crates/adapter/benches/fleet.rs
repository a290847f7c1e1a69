//! The adapter and its enforcers in figures: many streams at once, over real TLS, adapter and clients in processes of their
//! own.
//!
//! ```text
//! cargo bench -p rescind-adapter --bench fleet                      every row, some minutes
//! cargo bench -p rescind-adapter --bench fleet -- fanout bulk       some of them: see ROWS
//! cargo bench -p rescind-adapter --bench fleet -- quick             all of them, small
//! ```
//!
//! The adapter is the whole one, with its ledger on disk; what is revoked is put into its writer, as the control plane's
//! list is. The clients are a scripted fleet that speaks just enough HTTP/2, so that the machine's time goes to the adapter;
//! where a row is about one client, it is the client library that the enforcer uses. What a process costs is read from
//! `/proc`. A line for each figure goes to standard error, a JSON object to standard output.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unused_crate_dependencies,
    missing_docs,
    reason = "a program to measure with, not a part of the product; its rows run on a thread of their own and may sleep there"
)]

#[path = "fleet/adapter.rs"]
mod adapter;
#[path = "fleet/fleet.rs"]
mod fleet;
#[path = "fleet/gateway.rs"]
mod gateway;
#[path = "fleet/ground.rs"]
mod ground;
#[path = "fleet/http2.rs"]
mod http2;
#[path = "fleet/process.rs"]
mod process;
#[path = "fleet/report.rs"]
mod report;
#[path = "fleet/rows.rs"]
mod rows;
#[path = "fleet/stream.rs"]
mod stream;

use std::env;

/// What a process of this program is, where it is not the one that was started.
pub(crate) const ROLE: &str = "FLEET_BENCHES_ROLE";

type Row = (&'static str, fn(&Sizes));

/// In the order in which they run.
const ROWS: [Row; 8] = [
    ("fanout", rows::fanout::run),
    ("bulk", rows::bulk::run),
    ("messages", rows::messages::run),
    ("resume", rows::resume::run),
    ("failover", rows::failover::run),
    ("coldstart", rows::coldstart::run),
    ("storm", rows::storm::run),
    ("many", rows::many::run),
];

/// How large the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// A hundredth, to see that it works.
    pub(crate) quick: bool,
}

impl Sizes {
    /// `full`, or what is left of it.
    pub(crate) fn of(self, full: usize) -> usize {
        if self.quick {
            (full / 100).max(2)
        } else {
            full
        }
    }
}

fn main() {
    rescind_runtime::tls::install_crypto_provider();
    process::raise_open_files();
    let arguments: Vec<_> = env::args().skip(1).collect();
    match env::var(ROLE).as_deref() {
        Ok("adapter") => return adapter::child(&arguments[0]),
        Ok("gateway") => return gateway::child(&arguments),
        _ => {}
    }
    let quick = arguments.iter().any(|argument| argument == "quick");
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let some = ROWS.iter().any(|(name, _)| named(name));
    for (name, run) in ROWS {
        if !some || named(name) {
            run(&Sizes { quick });
        }
    }
}
