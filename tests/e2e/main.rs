//! End-to-end tests: the real processes, a real broker, a real Envoy, real TLS.
//!
//! `cargo test -p rescind-e2e -- burst` runs those whose name has `burst` in it. Tests that break nothing share one stack;
//! the others start one of their own on free ports, on the same broker.

#![allow(
    clippy::unwrap_used,
    reason = "a test; clippy does not know a harness of our own for one"
)]

mod bursts;
mod classic_client;
mod clients;
mod doors;
mod eventually;
mod hub_input;
mod next_enforcer;
mod passthrough;
mod procedures;
mod refusals;
mod restarts;
mod startup;
mod suite;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    suite::run(|suite| {
        procedures::add(suite);
        refusals::add(suite);
        classic_client::add(suite);
        doors::add(suite);
        hub_input::add(suite);
        passthrough::add(suite);
        bursts::add(suite);
        restarts::add(suite);
        startup::add(suite);
        next_enforcer::add(suite);
    })
}
