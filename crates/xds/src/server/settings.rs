//! Times and sizes of the server.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use tonic::Status;

use super::{Declared, Method, StreamStatus};
use crate::{Audience, Position};

/// What the server is told. `Default` is what production runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a new stream may take to send its first request.
    pub first_request_timeout: Duration,
    /// Resources of one response, in bytes on the wire.
    pub chunk_bytes: usize,
    /// No response is larger, in bytes; a single resource that would make one so is skipped and reported.
    pub max_response_bytes: usize,
    /// No request may be larger, in bytes.
    pub max_request_bytes: usize,
    /// How long an idle stream of a `rescind.v1` client stays silent.
    pub heartbeat: Duration,
    /// A response without an ACK for so long makes its stream STALE.
    pub ack_stale: Duration,
    /// A response without an ACK for so long ends its stream with `UNAVAILABLE`.
    pub ack_close: Duration,
    /// How long a client is left alone after a NACK, unless content changes.
    pub nack_hold: Duration,
    /// What that time doubles up to where the same content is refused again.
    pub nack_hold_max: Duration,
    /// How long the first answer on a superseding stream waits for the answer still due on the superseded one: the
    /// original client breaks when both streams carry traffic at once.
    pub supersede_grace: Duration,
    /// How long what a client refused is remembered after the last stream of its connection has ended.
    pub connection_linger: Duration,
    /// What is kept of a client's error text, in bytes.
    pub error_text_bytes: usize,
    /// So many names one stream may subscribe to.
    pub max_names: usize,
    /// So many streams may be open at once for one identity, counted from their opening.
    pub max_streams: usize,
    /// So many of them on one connection.
    pub max_streams_per_connection: usize,
    /// A request of more than so many bytes takes room while it comes, and has [`Self::first_request_timeout`] for that.
    pub small_request_bytes: usize,
    /// So much room is there for such requests together, and for a quarter of it under one identity; on one connection,
    /// for one of the largest.
    pub large_requests_bytes: usize,
    /// So many bytes of pages, counted from their making to the last byte that is sent, may be unread for one identity.
    pub pages_bytes: usize,
    /// So many of them on one connection.
    pub pages_bytes_per_connection: usize,
    /// So many chunks of full syncs are under way at once; live pushes do not count.
    pub full_sync_places: usize,
    /// A chunk that is not ACKed within this time gives its place to another stream.
    pub place_time: Duration,
    /// Between two parts of a walk that a client asks for although it holds everything.
    pub walk_pause: Duration,
    /// How old a connection grows before its streams end with `UNAVAILABLE`; up to a tenth is added at random. Something
    /// below must have said GOAWAY by then, or the streams come back on the same connection. `None` is for ever.
    pub max_connection_age: Option<Duration>,
    /// Who may subscribe, by the identity of the peer.
    pub admit: Admit,
    /// Under which identities several clients may come at once, told apart by `instanceIdentifier` alone. Under another one a
    /// second `instanceIdentifier` is refused while the first is open.
    pub share: Admit,
    /// Who hears of ACKs.
    pub watcher: Option<Arc<dyn Watch>>,
}

/// Hears how far clients are. Called from the streams' tasks: it must be quick and must not block.
pub trait Watch: fmt::Debug + Send + Sync {
    /// A stream is open: its client has everything up to `acked`, where the head is at `head`.
    fn opened(&self, client: &Client, acked: Position, head: Position);

    /// A client has taken a response: it had everything up to `from`, and has it up to `to`.
    fn acked(&self, client: &Client, from: Position, to: Position);

    /// A client that has taken all that it was sent has come to `to`, which was the head, by what is not sent to it. Where the
    /// head has moved since, some of that may have been replaced by what lies beyond.
    fn passed(&self, client: &Client, to: Position);

    /// A stream goes for all that there is from now on, or for a part of it; or what it has taken is sent to it anew. Its
    /// client counts as having everything up to `acked`.
    fn subscribed(&self, client: &Client, to_all: bool, acked: Position);

    /// A stream has ended, and this is where its client was.
    fn closed(&self, client: &Client, acked: Position);

    /// The standing of a client has changed in another way: it refused something, is late, or has compared its set.
    fn changed(&self, status: StreamStatus);
}

/// A stream and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Names the stream within the process.
    pub stream: u64,
    /// The peer's.
    pub identity: String,
    /// `node.metadata.instanceIdentifier`.
    pub instance: String,
    /// Where the client connects from.
    pub address: Option<SocketAddr>,
    /// What it can take.
    pub audience: Audience,
    /// How.
    pub method: Method,
    /// Whether it asked for all that there is when it opened, and not for a part of it by name.
    pub subscribes_to_all: bool,
    /// What it says of itself.
    pub declared: Declared,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first_request_timeout: Duration::from_secs(30),
            chunk_bytes: 3_500 * 1024,
            max_response_bytes: 4 * 1024 * 1024,
            max_request_bytes: 4 * 1024 * 1024,
            heartbeat: Duration::from_secs(5),
            ack_stale: Duration::from_secs(15),
            ack_close: Duration::from_secs(120),
            nack_hold: Duration::from_secs(5),
            nack_hold_max: Duration::from_secs(300),
            supersede_grace: Duration::from_secs(1),
            connection_linger: Duration::from_secs(60),
            error_text_bytes: 4 * 1024,
            max_names: 1000,
            max_streams: 10_000,
            max_streams_per_connection: 1000,
            small_request_bytes: 16 * 1024,
            large_requests_bytes: 64 * 1024 * 1024,
            pages_bytes: 64 * 1024 * 1024,
            pages_bytes_per_connection: 16 * 1024 * 1024,
            full_sync_places: 16,
            place_time: Duration::from_secs(1),
            walk_pause: Duration::from_millis(50),
            max_connection_age: None,
            admit: Admit::default(),
            share: Admit::default(),
            watcher: None,
        }
    }
}

/// A function from a peer's name to whether it may do something, and what is said to one that may not.
#[derive(Clone)]
pub struct Admit {
    admits: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    refusal: &'static str,
}

impl Admit {
    /// Admits by `admit`.
    pub fn by(admit: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            admits: Arc::new(admit),
            refusal: "the client's certificate is not among those that may do this",
        }
    }

    /// Says `refusal` to those who are not admitted: it should name what would have to be set.
    #[must_use]
    pub fn saying(self, refusal: &'static str) -> Self {
        Self { refusal, ..self }
    }

    pub(crate) fn check(&self, identity: &str) -> Result<(), Status> {
        match (self.admits)(identity) {
            true => Ok(()),
            false => Err(Status::permission_denied(self.refusal)),
        }
    }
}

/// Everybody whom the transport lets in.
impl Default for Admit {
    fn default() -> Self {
        Self::by(|_| true)
    }
}

impl fmt::Debug for Admit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admit")
    }
}
