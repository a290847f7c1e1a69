//! Times and sizes of the server.

use std::{fmt, sync::Arc, time::Duration};

use tonic::Extensions;

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
    /// Names the peer of a connection for log and status.
    pub identify: Identify,
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
            identify: Identify::default(),
        }
    }
}

/// A function from what the transport knows of a connection to the name of its peer.
///
/// Over TLS the extensions hold `TlsConnectInfo<TcpConnectInfo>` with the peer's certificates.
#[derive(Clone)]
pub struct Identify(Arc<dyn Fn(&Extensions) -> String + Send + Sync>);

impl Identify {
    /// Names peers by `identify`.
    pub fn by(identify: impl Fn(&Extensions) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(identify))
    }

    pub(crate) fn call(&self, extensions: &Extensions) -> String {
        (self.0)(extensions)
    }
}

impl Default for Identify {
    fn default() -> Self {
        Self::by(|_| String::new())
    }
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identify")
    }
}
