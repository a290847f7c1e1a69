//! What breaks, and what must hold all the same: nothing that was listed or delivered is lost, nothing else is refused, and
//! no sequence goes back.
//!
//! Where chance decides, the seed is printed; `RESCIND_FAULT_SEED` plays a run again. With `RESCIND_SOAK` set there are ten
//! times as many rounds.

mod applied;
mod clocks;
mod cuts;
mod disk;
mod durable;
mod kills;
mod list_server;
mod lost;
mod moments;
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
