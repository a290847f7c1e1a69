//! What a server serves from: an ordered, growing collection of resources, seen through positions.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{Any, Resources};

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// The resources, in order. May be empty where the range holds nothing for the audience.
    pub resources: Resources,
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
    ///
    /// Many streams ask for the same: a source that gives all of them the same bytes keeps them in memory once.
    fn read(&self, after: Position, to: Position, audience: Audience, max_bytes: usize) -> Chunk;

    /// The source as packed ranges; `None` where it has no such form.
    fn ranges(&self) -> Option<&dyn Ranges> {
        None
    }

    /// The source as resources with names; `None` where it has no such form.
    fn names(&self) -> Option<&dyn Names> {
        None
    }
}

/// A source as `rescind.v1.Range` carries it.
pub trait Ranges: Send + Sync {
    /// The name of the source among others: a version is known by the source that gave it out alone.
    fn id(&self) -> String;

    /// Everything in `(after, part.to]`, packed, where `after < part.to <= to`. At least one entry, if there is one; else
    /// no more than `max_bytes`. Who asks for the same should get the same bytes, as with [`Source::read`].
    fn read_packed(&self, after: Position, to: Position, max_bytes: usize) -> PackedPart;

    /// What can be said of the source at its head now; all of it is of one moment.
    fn statement(&self) -> Statement;
}

/// A part of a source, packed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackedPart {
    /// What the entries count from.
    pub base: u64,
    /// The entries. May be empty.
    pub entries: Bytes,
    /// How many they are.
    pub count: usize,
    /// Where the part ends.
    pub to: Position,
}

/// "At this position, from this horizon on, the live set has this digest and this many entries."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The head.
    pub position: Position,
    /// Whether the source may be called whole.
    pub complete: bool,
    /// Before this second nothing is counted.
    pub horizon: u64,
    /// The digest of what is live from the horizon on.
    pub digest: [u8; 16],
    /// How many entries that is.
    pub count: u64,
    /// When this was said, in milliseconds of CLOCK_BOOTTIME.
    pub as_of_ms: u64,
    /// For how long what feeds the source has not been good; `None` where that is not known.
    pub source_age_ms: Option<u64>,
}

/// A source as the standard incremental protocol sees it: each resource has a name and a version.
pub trait Names: Send + Sync {
    /// The named resources in `(after, part.to]` that do not expire before `horizon`.
    fn read_named(
        &self,
        after: Position,
        to: Position,
        horizon: u64,
        max_bytes: usize,
    ) -> NamedPart;

    /// The live resource of that name, unless it expires before `horizon`.
    fn find(&self, name: &str, horizon: u64) -> Option<Named>;

    /// Before this second resources count as removed. Grows, in steps.
    fn horizon(&self) -> u64;

    /// The names of those that expire in `[from, to)`, of all that can be read now. One that has come again since, and
    /// expires later, may be among them.
    fn removed(&self, from: u64, to: u64) -> Removed;
}

/// Which resources have expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// These.
    Names(Arc<[String]>),
    /// They are being looked for: ask again.
    Later,
    /// They are no longer known.
    Unknown,
}

/// A resource with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its version; another content has another one.
    pub version: String,
    /// It.
    pub resource: Any,
}

/// A part of a source, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedPart {
    /// The resources, in order.
    pub resources: Vec<Named>,
    /// Where the part ends.
    pub to: Position,
}
