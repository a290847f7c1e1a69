//! From an address to a TLS connection, within bounded time.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use http::{Uri, uri::PathAndQuery};
use hyper_util::client::legacy::connect::{HttpConnector, dns::GaiResolver};
use rescind_runtime::tls::Asked;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::ServiceExt as _;

use crate::resolve::Bounded;

/// A dead path is noticed after about half a minute although nothing is sent. HTTP/2 pings cannot do that: gRPC servers
/// end a connection that is pinged more often than every five minutes.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const TCP_KEEPALIVE_RETRIES: u32 = 3;
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// The server that calls are carried to.
#[derive(Clone)]
pub struct Upstream {
    /// `host:port`; the name is resolved at each attempt.
    pub address: String,
    /// The name in its certificate, also sent as SNI.
    pub server_name: ServerName<'static>,
    /// Whom we believe and who we are, asked anew at each handshake. ALPN is set by the carrier.
    pub tls: Arc<ClientConfig>,
    /// The longest that a TCP connection may take, once the address is known.
    pub connect_timeout: Duration,
    /// The longest that TLS, and for gRPC the exchange of HTTP/2 settings, may take after it. Choreo Connect's adapter
    /// accepts connections long before it answers them.
    pub handshake_timeout: Duration,
}

/// Why an upstream cannot be used now: text for a log line or a status, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Away {
    reason: Arc<str>,
}

/// Makes connections to one upstream.
pub(crate) struct Dialer {
    connector: HttpConnector<Bounded<GaiResolver>>,
    uri: Uri,
    server_name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    alpn: &'static [u8],
    handshake_timeout: Duration,
}

impl Upstream {
    /// An upstream with the usual time-outs: 2 s for TCP, 5 s for the rest.
    pub fn new(
        address: impl Into<String>,
        server_name: ServerName<'static>,
        tls: Arc<ClientConfig>,
    ) -> Self {
        Self {
            address: address.into(),
            server_name,
            tls,
            connect_timeout: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(5),
        }
    }
}

impl Away {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        Self {
            reason: reason.to_string().into(),
        }
    }

    /// The way leads back to where it began.
    pub(crate) fn looped() -> Self {
        Self::new("its address leads back to where the call came from")
    }

    fn because(what: &str, error: &dyn Error, behind: impl fmt::Display) -> Self {
        Self::new(format_args!("{what}: {}{behind}", chain(error)))
    }
}

impl Dialer {
    pub(crate) fn new(upstream: &Upstream, alpn: &'static [u8]) -> Result<Self, Away> {
        let address = &upstream.address;
        let uri = format!("https://{address}");
        let uri: Uri = uri
            .parse()
            .map_err(|_| Away::new(format_args!("{address} is not an address")))?;
        if uri.port().is_none() || uri.path() != "/" {
            return Err(Away::new(format_args!("{address} is not host:port")));
        }
        let mut connector = HttpConnector::new_with_resolver(Bounded(GaiResolver::new()));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(upstream.connect_timeout));
        connector.set_keepalive(Some(TCP_KEEPALIVE));
        connector.set_keepalive_interval(Some(TCP_KEEPALIVE_INTERVAL));
        connector.set_keepalive_retries(Some(TCP_KEEPALIVE_RETRIES));
        connector.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT));
        Ok(Self {
            connector,
            uri,
            server_name: upstream.server_name.clone(),
            tls: with_alpn(&upstream.tls, alpn),
            alpn,
            handshake_timeout: upstream.handshake_timeout,
        })
    }

    /// Where `path` is at the upstream.
    pub(crate) fn uri_of(&self, path: &'static str) -> Uri {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        Uri::from_parts(parts).expect("scheme, authority and path are all there")
    }

    /// Connects, and lets `open` make something of the connection within the time for handshakes.
    pub(crate) async fn dial<T, E, F>(
        &self,
        open: impl FnOnce(TlsStream<TcpStream>) -> F,
    ) -> Result<T, Away>
    where
        F: Future<Output = Result<T, E>>,
        E: Error,
    {
        let tcp = self.connector.clone().oneshot(self.uri.clone()).await;
        let tcp = tcp.map_err(|error| Away::because("cannot connect", &error, ""))?;
        let asked = Asked::default();
        let handshake = async {
            let connector = TlsConnector::from(asked.noting(&self.tls));
            let connecting = connector.connect(self.server_name.clone(), tcp.into_inner());
            let stream = connecting.await.map_err(|error| {
                Away::because("TLS handshake failed", &error, asked.behind(&error))
            })?;
            self.check_alpn(&stream)?;
            open(stream)
                .await
                .map_err(|error| Away::because("HTTP/2 handshake failed", &error, &asked))
        };
        timeout(self.handshake_timeout, handshake)
            .await
            .map_err(|_| {
                Away::new(format_args!(
                    "no answer to the handshake within {:?}",
                    self.handshake_timeout
                ))
            })?
    }

    /// A server without ALPN may speak HTTP/1.1, never HTTP/2.
    fn check_alpn(&self, stream: &TlsStream<TcpStream>) -> Result<(), Away> {
        match stream.get_ref().1.alpn_protocol() {
            Some(agreed) if agreed == self.alpn => Ok(()),
            None if self.alpn == HTTP_1 => Ok(()),
            _ => Err(Away::new("it does not speak HTTP/2 (ALPN)")),
        }
    }
}

/// ALPN of gRPC.
pub(crate) const HTTP_2: &[u8] = b"h2";
/// ALPN of plain requests.
pub(crate) const HTTP_1: &[u8] = b"http/1.1";

fn with_alpn(tls: &ClientConfig, alpn: &[u8]) -> Arc<ClientConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(tls)
}

/// An error and its causes. Causes that only repeat what was said are left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("address", &self.address)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("uri", &self.uri)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
