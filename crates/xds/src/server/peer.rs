//! The other end of a connection, as the server that accepted it knows it.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tonic::Extensions;

use super::admission::Load;

/// The other end of one connection. Whoever accepts the connection makes one for it, once: its clones, and they alone, are
/// of the same connection, and the streams of a connection belong together.
#[derive(Debug, Clone)]
pub struct Peer {
    identity: Arc<str>,
    address: Option<SocketAddr>,
    connection: ConnectionId,
    load: Arc<Load>,
}

/// Names a connection within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionId(u64);

impl Peer {
    /// The peer of a new connection: who it is, empty where that is not known, and where it connects from.
    pub fn new(identity: &str, address: Option<SocketAddr>) -> Self {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
        Self {
            identity: identity.into(),
            address,
            connection: ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed)),
            load: Arc::default(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Where it connects from.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(super) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// What is open and under way on the connection.
    pub(super) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// The address, for a log line.
    pub(super) fn shown(&self) -> String {
        self.address
            .map_or_else(|| "-".to_owned(), |address| address.to_string())
    }
}

/// Finds the peer of a request's connection in what the transport put beside the request.
///
/// There is no default: a server that does not tell connections apart credits no ACK beyond its stream and forgets every
/// refusal. A request whose peer is not found is refused.
#[derive(Clone)]
pub struct Identify(Arc<Find>);

type Find = dyn Fn(&Extensions) -> Option<Peer> + Send + Sync;

impl Identify {
    /// Finds peers by `identify`.
    pub fn by(identify: impl Fn(&Extensions) -> Option<Peer> + Send + Sync + 'static) -> Self {
        Self(Arc::new(identify))
    }

    /// Where each request carries its [`Peer`]: the connections' `Connected::ConnectInfo` is one.
    pub fn carried() -> Self {
        Self::by(|extensions| extensions.get().cloned())
    }

    pub(super) fn call(&self, extensions: &Extensions) -> Option<Peer> {
        (self.0)(extensions)
    }
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identify")
    }
}
