//! The server half: serves a [`Source`](crate::Source) over `StreamTokens`, `DeltaTokens` and `FetchTokens`.
//!
//! What happens on a stream is decided by `connection`, a state machine without clock, task or socket; `driver` runs it
//! over tonic, one task for each stream. A stream's backlog is one position, so a slow reader costs nothing.

mod admission;
mod connection;
mod driver;
mod fetch;
mod frame;
mod gate;
mod method;
mod metrics;
mod nonce;
mod opening;
mod outlet;
mod peer;
mod refusals;
mod registry;
mod requests;
mod roster;
mod service;
mod settings;

pub use metrics::Metrics;
pub use peer::{Identify, Peer};
pub use roster::{ClientState, Declared, Method, Proof, StreamStatus};
pub use service::{Handle, TokenService, service};
pub use settings::{Admit, Client, Settings, Watch};

#[cfg(test)]
mod tests;
