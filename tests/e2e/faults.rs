//! What breaks, and what must hold all the same: nothing that was listed or delivered is lost, nothing else is refused, and
//! no sequence goes back.
//!
//! Faults come in runs of 20 rounds on one stack: one run, and ten with `RESCIND_SOAK` set. Where chance decides, the seed is
//! printed before each run; `RESCIND_FAULT_SEED` plays that run again.

mod applied;
mod clocks;
mod cuts;
mod disk;
mod durable;
mod ending;
mod kills;
mod list_server;
mod lost;
mod moments;
mod network;
mod proxy;
mod published;
mod rest;
mod seed;

use crate::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    kills::add(suite);
    durable::add(suite);
    cuts::add(suite);
    rest::add(suite);
    lost::add(suite);
    moments::add(suite);
    disk::add(suite);
    clocks::add(suite);
}
