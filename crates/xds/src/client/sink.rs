//! Where the client puts what it receives.

use crate::Any;

/// Holds what was received. One task calls it; it need not be quick, but nothing more is read before it returns.
pub trait Sink: Send {
    /// The version of what is held; empty when nothing is. A new stream asks for what is newer.
    fn version(&self) -> String;

    /// Decodes, validates and applies all of `update`, or nothing of it. `Ok` is ACKed, so what was applied must last;
    /// `Err` is NACKed with its text, and what was held stays.
    fn apply(&mut self, update: Update) -> Result<(), Rejection>;

    /// The link to the adapters has changed.
    fn link(&mut self, state: LinkState);
}

/// One response.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The version that holding this update brings.
    pub version: String,
    /// The resources as they came, their types unchecked. May be empty: then the version alone moves.
    pub resources: Vec<Any>,
    /// Where the server stands; `None` from a server that is not `rescind.v1`.
    pub head: Option<ServerHead>,
}

/// The server's head when it sent a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHead {
    /// The version of the head. A client that holds it holds all there was.
    pub version: String,
    /// Whether the server calls its set whole.
    pub complete: bool,
}

/// Why an update was refused. The text goes to the server; it must name no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejection(pub String);

/// How it stands with the adapters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// A stream to this adapter (`host:port`) is open.
    Connected {
        /// The adapter.
        address: String,
    },
    /// The stream ended, or could not be opened; the next attempt follows by itself.
    Disconnected {
        /// Why, in one line.
        reason: String,
    },
}
