//! HTTP/1.1 as bytes: what is sent and what comes back, to the byte.

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::tls;

/// Both directions of a connection.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// An answer, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawAnswer {
    /// The status line.
    pub(crate) status: String,
    /// The header lines, in order.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// Connects to the authority of an URL; over TLS where that is its scheme.
pub(crate) async fn connect(url: &str, ca: &str) -> Box<dyn Connection> {
    let uri: http::Uri = url.parse().unwrap();
    let (host, port) = (uri.host().unwrap().to_owned(), uri.port_u16().unwrap());
    let socket = TcpStream::connect((host.as_str(), port)).await.unwrap();
    if uri.scheme_str() == Some("http") {
        return Box::new(socket);
    }
    let connector = TlsConnector::from(tls::client_config(ca, None, b"http/1.1"));
    let name = ServerName::try_from(host).unwrap();
    Box::new(connector.connect(name, socket).await.unwrap())
}

/// Sends `request` and reads one answer, whose length must be said.
pub(crate) async fn exchange(connection: &mut dyn Connection, request: &[u8]) -> RawAnswer {
    connection.write_all(request).await.unwrap();
    connection.flush().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n").map(str::to_owned);
    let status = lines.next().unwrap();
    let headers: Vec<String> = lines.collect();
    let length = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    RawAnswer {
        status,
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

impl RawAnswer {
    /// The number of the status line.
    pub(crate) fn code(&self) -> i32 {
        self.status.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The header lines without the date's value, which changes.
    pub(crate) fn dateless(&self) -> Vec<&str> {
        let lines = self.headers.iter().map(String::as_str);
        lines
            .map(|line| {
                if line.starts_with("date: ") {
                    "date"
                } else {
                    line
                }
            })
            .collect()
    }
}
