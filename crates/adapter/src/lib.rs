//! The adapter: event hub -> ledger -> xDS. Data flows one way.
//!
//! [`App::build`] binds the listeners and opens the ledger, [`App::run`] serves until a signal. Inside, one task owns the
//! ledger's writer (`ingest`), one reads the control plane's list (`catchup`), and the streams of the discovery service
//! read what was published (`publication`).

mod api;
mod app;
mod catchup;
mod cli;
pub mod config;
mod ingest;
mod metrics;
mod opening;
mod passthrough;
mod peer;
mod prepare;
mod publication;
mod roster;
mod serving;

#[cfg(test)]
mod testing;

pub use app::{Addresses, App};
pub use cli::Adapter;
pub use metrics::Metrics;
