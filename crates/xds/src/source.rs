//! What a server serves from: an ordered, growing collection of resources, seen through positions.

use tokio::sync::watch;

use crate::Any;

/// A place in a [`Source`]: everything up to and including it. `Position(0)` is before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// The newest place of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Up to here everything can be read.
    pub position: Position,
    /// Whether the source may be called whole.
    pub complete: bool,
}

/// What a client can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// A Choreo Connect enforcer as it is in the field.
    Classic,
    /// A client whose `node.client_features` name [`RESCIND_FEATURE`](crate::RESCIND_FEATURE).
    Rescind,
}

/// A part of a source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chunk {
    /// The resources, in order. May be empty where the range holds nothing for the audience.
    pub resources: Vec<Any>,
    /// Where the chunk ends: nothing for this audience is missing up to here.
    pub to: Position,
}

/// What the server sends. Positions grow with each accepted change; content at or below the head never changes, it only
/// drops out.
///
/// The methods are called from an async runtime and must not block for long.
pub trait Source: Send + Sync + 'static {
    /// The head, and every change of it. When the sender is dropped, all streams end with `UNAVAILABLE`.
    fn head(&self) -> watch::Receiver<Head>;

    /// The position that a client's `version_info` names. What is unknown, or empty, is `Position(0)`: everything.
    fn resolve(&self, version_info: &str) -> Position;

    /// What goes out as `version_info` for a position. Different positions have different versions.
    fn version(&self, at: Position) -> String;

    /// Everything for `audience` in `(after, chunk.to]`, where `after < chunk.to <= to`.
    ///
    /// Stops before the sum of [`wire_len`](crate::wire_len) of the resources passes `max_bytes`, but a first resource
    /// that is larger by itself is returned alone. What does not stop reaches `to`.
    fn read(&self, after: Position, to: Position, audience: Audience, max_bytes: usize) -> Chunk;
}
