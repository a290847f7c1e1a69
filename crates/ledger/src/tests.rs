//! Tests of the whole: a real file in a real directory.

mod crash;
mod damage;
mod failure;
mod model;
mod opening;
pub(crate) mod revocations;
