//! What an enforcer does when something around it breaks: one test for each row of the design's table that concerns it.

mod adapters;
mod clocks;
mod networks;
mod processes;

use std::time::Duration;

use crate::{
    clients::gate::{Gate, Verdict},
    eventually::eventually,
    suite::Suite,
};

pub(crate) fn add(suite: &mut Suite) {
    adapters::add(suite);
    networks::add(suite);
    processes::add(suite);
    clocks::add(suite);
}

/// The answer to a token once it is not what it was.
async fn becomes(gate: &Gate, token: &str, status: i32) -> Verdict {
    let ask = || gate.token(token);
    eventually(Duration::from_secs(45), ask, |verdict| {
        verdict.status == status
    })
    .await
}
