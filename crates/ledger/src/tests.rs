//! Tests of the whole: a real file in a real directory.

mod crash;
mod damage;
mod disk;
mod facts;
mod failure;
mod header;
mod migration;
mod model;
mod opening;
mod origins;
mod pages;
mod places;
pub(crate) mod revocations;
mod scan;
mod upkeep;
