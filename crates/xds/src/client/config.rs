//! What the client is told.

use std::{fmt, sync::Arc, time::Duration};

use rustls_pki_types::ServerName;

use crate::server::Declared;

/// What the client is told. [`ClientConfig::new`] sets what production runs with.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Adapters as `host:port`; at least one. Shuffled once; the client stays on one until it fails.
    pub endpoints: Vec<String>,
    /// How the connection is secured.
    pub security: Security,
    /// `node.id`.
    pub node_id: String,
    /// `node.metadata.instanceIdentifier`; what tells this client from its siblings.
    pub instance_identifier: String,
    /// What the server is told beside that.
    pub declared: Declared,
    /// No response may be larger, in bytes.
    pub max_message_bytes: usize,
    /// TCP connect and TLS handshake together.
    pub connect_timeout: Duration,
    /// How often an HTTP/2 ping goes out.
    pub ping_interval: Duration,
    /// How long its answer may take.
    pub ping_timeout: Duration,
    /// A stream that is not refused within this time counts as open, also where the server shows nothing yet.
    pub settle: Duration,
    /// A `rescind.v1` server that sends not a byte of a response for so long is left for the next one.
    pub silence: Duration,
    /// How often the sink hears that a stream stands whose server is not `rescind.v1`.
    pub alive: Duration,
    /// An adapter whose source has not been good for so long is left for a fresher one, if there is another.
    pub source_age: Duration,
    /// How long it is stayed with the freshest then.
    pub source_age_pause: Duration,
    /// A client that is not complete asks an adapter that was not complete either again after so long, if there is another.
    pub incomplete_pause: Duration,
    /// The first bound of the random wait between attempts; doubles with each failure.
    pub backoff_base: Duration,
    /// The last bound.
    pub backoff_cap: Duration,
}

impl ClientConfig {
    /// A client of `endpoints` with the default times and sizes.
    pub fn new(endpoints: Vec<String>, security: Security, instance_identifier: String) -> Self {
        Self {
            endpoints,
            security,
            node_id: "commonEnforcerLabel".to_owned(),
            instance_identifier,
            declared: Declared::default(),
            max_message_bytes: 4 * 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(5),
            settle: Duration::from_secs(1),
            silence: Duration::from_secs(15),
            alive: Duration::from_secs(5),
            source_age: Duration::from_secs(60),
            source_age_pause: Duration::from_secs(300),
            incomplete_pause: Duration::from_secs(15),
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(30),
        }
    }
}

/// How the connection is secured.
#[derive(Clone)]
pub enum Security {
    /// TLS, with the client's certificate in `config`. ALPN `h2` is set by the client.
    Tls {
        /// Trust and identity.
        config: Arc<rustls::ClientConfig>,
        /// The name that the server's certificate must carry, whatever host is dialled.
        server_name: ServerName<'static>,
    },
    /// Nothing. For tests and for a tunnel that already secures.
    Plain,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls { server_name, .. } => f
                .debug_struct("Tls")
                .field("server_name", server_name)
                .finish_non_exhaustive(),
            Self::Plain => f.write_str("Plain"),
        }
    }
}
