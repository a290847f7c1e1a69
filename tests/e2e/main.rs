//! End-to-end tests: the real processes, a real broker, a real Envoy, real TLS.
//!
//! `cargo test -p rescind-e2e -- burst` runs those whose name has `burst` in it. Tests that break nothing share one stack;
//! the others start one of their own on free ports, on the same broker.

#![allow(
    clippy::unwrap_used,
    reason = "a test; clippy does not know a harness of our own for one"
)]

mod behind_theirs;
mod bursts;
mod classic_client;
mod clients;
mod doors;
mod eventually;
mod faults;
mod hub_connection;
mod hub_input;
mod in_their_place;
mod next_enforcer;
mod passthrough;
mod port;
mod procedures;
mod refusals;
mod restarts;
mod several_adapters;
mod startup;
mod suite;
mod the_promise;
mod through_envoy;
mod when_it_breaks;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    suite::run(|suite| {
        procedures::add(suite);
        refusals::add(suite);
        classic_client::add(suite);
        doors::add(suite);
        hub_input::add(suite);
        hub_connection::add(suite);
        passthrough::add(suite);
        bursts::add(suite);
        restarts::add(suite);
        startup::add(suite);
        when_it_breaks::add(suite);
        faults::add(suite);
        the_promise::add(suite);
        through_envoy::add(suite);
        several_adapters::add(suite);
        next_enforcer::add(suite);
        behind_theirs::add(suite);
        in_their_place::add(suite);
    })
}
