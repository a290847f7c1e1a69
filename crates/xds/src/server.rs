//! The server half: serves a [`Source`](crate::Source) over `StreamTokens`.
//!
//! What happens on a stream is decided by `connection`, a state machine without clock, task or socket; `driver` runs it
//! over tonic, one task for each stream. A stream's backlog is one position, so a slow reader costs nothing.

mod connection;
mod driver;
mod metrics;
mod nonce;
mod opening;
mod outlet;
mod peer;
mod refusals;
mod registry;
mod roster;
mod service;
mod settings;

pub use metrics::Metrics;
pub use roster::{ClientState, StreamStatus};
pub use service::{Handle, TokenService, service};
pub use settings::{Identify, Settings};

#[cfg(test)]
mod tests;
