//! Who is connected, and how far they are.

use std::net::SocketAddr;

use crate::{Audience, Position};

/// One open stream, as a person wants to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStatus {
    /// Names the stream within the process.
    pub stream: u64,
    /// The peer's, as the embedding server named it.
    pub identity: String,
    /// `node.metadata.instanceIdentifier`; empty where the client sent none.
    pub instance: String,
    /// Where the client connects from.
    pub address: Option<SocketAddr>,
    /// What the client can take.
    pub audience: Audience,
    /// By which method, and in which form.
    pub method: Method,
    /// Whether it asks for all that there is, and not for a part of it by name.
    pub subscribes_to_all: bool,
    /// What the client says of itself.
    pub declared: Declared,
    /// What came of comparing digests; `None` where the client does not compare, or has not yet.
    pub proof: Option<Proof>,
    /// Up to here the client has everything it could take.
    pub acked: Position,
    /// Up to here everything has been sent.
    pub sent: Position,
    /// How it stands with the newest response.
    pub state: ClientState,
    /// What the client said when it last refused something; capped and escaped.
    pub last_error: Option<String>,
    /// Entries that this client does not enforce because it refused each of them alone.
    pub not_enforced: usize,
}

/// The ways of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `StreamTokens`.
    Stream,
    /// `DeltaTokens` with packed ranges.
    DeltaRange,
    /// `DeltaTokens` with named resources.
    DeltaNames,
}

impl Method {
    /// The gRPC method and what it carries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "StreamTokens",
            Self::DeltaRange => "DeltaTokens rescind.v1.Range",
            Self::DeltaNames => "DeltaTokens RevokedToken",
        }
    }
}

/// What an enforcer says of itself in the metadata of its node; `None` where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Declared {
    /// How many adapters it may go to.
    pub adapters: Option<u64>,
    /// After how many seconds without an adapter its set counts as stale.
    pub stale_after_s: Option<u64>,
    /// What its weakest route does then: `deny`, `allow` or `deny-writes`.
    pub stale_policy: Option<String>,
}

/// What came of comparing a client's digest with that of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// It holds exactly what the source holds.
    Proven,
    /// It does not.
    Diverged,
}

impl Proof {
    /// As it is said in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proven => "PROVEN",
            Self::Diverged => "DIVERGED",
        }
    }

    /// Reads what [`name`](Self::name) says.
    pub(crate) fn read(name: &str) -> Option<Self> {
        [Self::Proven, Self::Diverged]
            .into_iter()
            .find(|proof| proof.name() == name)
    }
}

/// The states of a client, in the words of xDS and two of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientState {
    /// Nothing has been sent yet.
    NotSent,
    /// What was sent is ACKed, or its ACK is not late.
    Synced,
    /// An ACK is late.
    Stale,
    /// The newest answer was a NACK.
    Error,
    /// All is ACKed, and yet the client holds another set.
    Diverged,
    /// All is ACKed, and the client, which could, has not compared its set.
    Unproven,
}

impl ClientState {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotSent => "NOT_SENT",
            Self::Synced => "SYNCED",
            Self::Stale => "STALE",
            Self::Error => "ERROR",
            Self::Diverged => "DIVERGED",
            Self::Unproven => "UNPROVEN",
        }
    }
}
