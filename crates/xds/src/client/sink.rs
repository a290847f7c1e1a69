//! Where the client puts what it receives.

use std::time::Duration;

use rescind_proto::rescind::v1::Checkpoint;

use crate::{Any, server::Proof};

/// Holds what was received. One task calls it; it need not be quick, but nothing more is read before it returns.
pub trait Sink: Send {
    /// The version of what is held, towards servers that have `StreamTokens` alone; empty when nothing is. A new stream asks
    /// for what is newer.
    fn version(&self) -> String;

    /// What is held of each ledger: its id and the version. A new stream names all of them, and its server takes its own.
    fn versions(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Whether what is held may be called whole. While it may not, an adapter that is not complete itself is left for the next
    /// one.
    fn is_complete(&self) -> bool {
        true
    }

    /// Decodes, validates and applies all of `update`, or nothing of it. [`Outcome::Applied`] is ACKed, so what was applied
    /// must last; `Err` is NACKed with its text, and what was held stays.
    fn apply(&mut self, update: Update) -> Result<Outcome, Rejection>;

    /// Whether what was applied and [not ACKed](Outcome::Held) lasts by now, all of it. Asked every
    /// [`alive`](super::ClientConfig::alive) while there is such; what is returned goes back with the ACK.
    fn settle(&mut self) -> Option<Answer> {
        None
    }

    /// One step of the sink's own work, of a few milliseconds at most. Returns whether there is more. Called while no
    /// response waits, so that what is long never delays what is new.
    fn work(&mut self) -> bool {
        false
    }

    /// The link to the adapters has changed.
    fn link(&mut self, state: LinkState);
}

/// One response.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The ledger whose version that is; `None` over `StreamTokens`, whose server knows its own versions from others.
    pub ledger: Option<String>,
    /// The version that holding this update brings.
    pub version: String,
    /// What it carries.
    pub content: Content,
    /// Where the server stands; `None` from a server that is not `rescind.v1`.
    pub head: Option<ServerHead>,
    /// What is said of the whole set as it is once this is applied.
    pub checkpoint: Option<Checkpoint>,
}

/// What a response carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// The resources as they came, their types unchecked. May be none: then the version alone moves.
    Resources(Vec<Any>),
    /// Packed entries, unchecked.
    Packed(Packed),
    /// Nothing: the server shows that it is there.
    Nothing,
}

/// Packed entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What they count from.
    pub base: u64,
    /// They.
    pub entries: Vec<u8>,
    /// Whether they are new, or belong to a walk over everything.
    pub walk: Walk,
}

/// What a part is of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// None: it is new.
    None,
    /// One of its parts.
    Part {
        /// The first one of a walk from before everything.
        begins: bool,
        /// The last one.
        ends: bool,
    },
}

/// What became of an update that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is applied and lasts: it is ACKed.
    Applied(Answer),
    /// It is applied, and would not outlive this process: it is neither ACKed nor NACKed, and its position not reported.
    ///
    /// The stream stays. Its server sends nothing more before the ACK, which follows as soon as the sink can
    /// [settle](Sink::settle) it; it calls the client stale meanwhile, and ends the stream in the end. The next stream begins
    /// at the position that lasts.
    Held,
}

/// What goes back with an ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// What came of comparing digests, where they were compared.
    pub proof: Option<Proof>,
    /// Everything shall be sent again, beside what is new.
    pub walk: bool,
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
    /// The first request of a stream to this adapter (`host:port`) is on its way.
    Opening {
        /// The adapter.
        address: String,
    },
    /// A stream to this adapter (`host:port`) is open.
    Connected {
        /// The adapter.
        address: String,
    },
    /// The stream stands, and pings are answered. Said now and then where the server itself says nothing when it has
    /// nothing new.
    Alive {
        /// For how long nothing came, not even a part of a response.
        quiet: Duration,
    },
    /// The stream ended, or could not be opened; the next attempt follows by itself.
    Disconnected {
        /// Why, in one line.
        reason: String,
    },
}
