//! Who is connected, and how far they are.

use std::net::SocketAddr;

use crate::{Audience, Position};

/// One open stream, as a person wants to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStatus {
    /// What `Settings::identify` said of the connection; empty without TLS.
    pub identity: String,
    /// `node.metadata.instanceIdentifier`; empty where the client sent none.
    pub instance: String,
    /// Where the client connects from.
    pub address: Option<SocketAddr>,
    /// What the client can take.
    pub audience: Audience,
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

/// The states of a client, in the words of xDS.
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
}
