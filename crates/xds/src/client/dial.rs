//! A connection to one adapter, and HTTP/2 over it.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::{
    codegen::http::{Uri, uri::Scheme},
    transport::{Channel, Endpoint},
};
use tower::service_fn;

use super::{ClientConfig, Security};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nothing accepts there.
    #[error("not reachable: {0}")]
    Tcp(#[source] io::Error),
    /// One side does not believe the other.
    #[error("TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    /// Nothing answers.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// The address cannot be one.
    #[error("not an address of the form host:port")]
    Address,
    /// What answers does not speak HTTP/2.
    #[error("HTTP/2 failed: {0}")]
    Http(#[from] tonic::transport::Error),
}

/// Connects to `address`. The channel is this one connection: it does not reconnect by itself.
pub async fn dial(config: &ClientConfig, address: &str) -> Result<Channel, DialError> {
    let endpoint = endpoint(config, address)?;
    let io = timeout(config.connect_timeout, secure(&config.security, address))
        .await
        .map_err(|_| DialError::TimedOut(config.connect_timeout))??;
    over(endpoint, io).await
}

/// HTTP/2 over a connection that is made.
pub(super) async fn over<T>(endpoint: Endpoint, io: T) -> Result<Channel, DialError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut once = Some(TokioIo::new(io));
    let connector = service_fn(move |_: Uri| {
        let io = once.take();
        async move { io.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    Ok(endpoint.connect_with_connector(connector).await?)
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

async fn secure(security: &Security, address: &str) -> Result<Box<dyn Io>, DialError> {
    let tcp = TcpStream::connect(address).await.map_err(DialError::Tcp)?;
    tcp.set_nodelay(true).map_err(DialError::Tcp)?;
    match security {
        Security::Plain => Ok(Box::new(tcp)),
        Security::Tls {
            config,
            server_name,
        } => {
            let connector = TlsConnector::from(with_h2(config));
            let tls = connector.connect(server_name.clone(), tcp).await;
            Ok(Box::new(tls.map_err(DialError::Tls)?))
        }
    }
}

fn with_h2(config: &Arc<rustls::ClientConfig>) -> Arc<rustls::ClientConfig> {
    if config.alpn_protocols == [H2] {
        return Arc::clone(config);
    }
    let mut config = rustls::ClientConfig::clone(config);
    config.alpn_protocols = vec![H2.to_vec()];
    Arc::new(config)
}

/// What tonic is told: where requests go by name, and how often to ping. TLS is done here, below it.
pub(super) fn endpoint(config: &ClientConfig, address: &str) -> Result<Endpoint, DialError> {
    let dialled: Uri = format!("http://{address}")
        .parse()
        .map_err(|_| DialError::Address)?;
    let port = dialled.port_u16().ok_or(DialError::Address)?;
    let origin = match &config.security {
        Security::Plain => dialled.clone(),
        Security::Tls { server_name, .. } => origin(server_name, port)?,
    };
    Ok(Endpoint::from(dialled)
        .origin(origin)
        .http2_keep_alive_interval(config.ping_interval)
        .keep_alive_timeout(config.ping_timeout)
        .keep_alive_while_idle(true))
}

fn origin(server_name: &ServerName<'_>, port: u16) -> Result<Uri, DialError> {
    let name = match server_name {
        ServerName::IpAddress(rustls_pki_types::IpAddr::V6(_)) => {
            format!("[{}]", server_name.to_str())
        }
        _ => server_name.to_str().into_owned(),
    };
    Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(format!("{name}:{port}"))
        .path_and_query("/")
        .build()
        .map_err(|_| DialError::Address)
}

const H2: &[u8] = b"h2";
