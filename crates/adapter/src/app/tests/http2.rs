//! What HTTP/2 says of itself on the xDS port: its settings, its pings, its goodbye.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::client::TlsStream;

use super::{
    connections::{Served, served, served_with},
    *,
};
use crate::config::Seconds;

/// Who carries a call takes as much of it ahead of the original as these say, and as many calls.
#[tokio::test]
async fn a_connection_is_told_its_limits_and_those_of_metadata_where_calls_are_carried() {
    let served = served().await;
    let mut told = mute(&served).await;
    assert_eq!(settings(&mut told).await, limits(16 * 1024));
    drop(told);
    served.stop().await;

    let (_held, port) = reserved();
    let served = served_with(|config| {
        config.adapter.xds.passthrough.address = format!("127.0.0.1:{port}");
        config.adapter.xds.passthrough.server_name = "localhost".into();
    })
    .await;
    let mut told = mute(&served).await;
    assert_eq!(settings(&mut told).await, limits(64 * 1024));
    drop(told);
    served.stop().await;
}

/// Its streams, its windows and its metadata.
fn limits(metadata: u32) -> [(&'static str, u32); 4] {
    [
        ("streams", 8192),
        ("stream window", 64 * 1024),
        ("metadata", metadata),
        ("connection window", 4352 * 64 * 1024),
    ]
}

/// What a connection says of them before all else.
async fn settings(connection: &mut (impl AsyncRead + Unpin)) -> Vec<(&'static str, u32)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let mut said = Vec::new();
    while said
        .last()
        .is_none_or(|(name, _)| *name != "connection window")
    {
        let frame = soon(frame(connection)).await.unwrap();
        match frame.kind {
            SETTINGS => said.extend(frame.body.chunks(6).filter_map(|setting| {
                let name = match setting[1] {
                    3 => "streams",
                    4 => "stream window",
                    6 => "metadata",
                    _ => return None,
                };
                Some((name, number(&setting[2..])))
            })),
            // What comes to the 64 KiB less one that each connection begins with.
            WINDOW_UPDATE => said.push(("connection window", number(&frame.body) + 65_535)),
            _ => {}
        }
    }
    said
}

/// The original client notices a dead path by nothing of its own: it answers pings.
#[tokio::test]
async fn an_idle_connection_is_pinged_and_closed_where_no_answer_comes() {
    let served = served().await;
    let mut idle = mute(&served).await;
    // From here on nothing happens but time.
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let mut pinged = None;
    while let Some(frame) = frame(&mut idle).await {
        if frame.kind == PING && !frame.acknowledges {
            pinged = Some(start.elapsed());
        }
    }
    let (pinged, closed) = (pinged.expect("a ping"), start.elapsed());
    tokio::time::resume();
    let seconds = (pinged.as_secs(), (closed - pinged).as_secs());
    assert!(seconds.0 >= 30 && seconds.1 >= 10, "{seconds:?}");
    served.stop().await;
}

#[tokio::test]
async fn a_connection_is_told_to_go_at_its_age() {
    let served = served_with(|config| config.adapter.xds.max_connection_age = Seconds(20)).await;
    let mut connection = mute(&served).await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    while frame(&mut connection).await.expect("a goodbye").kind != GOAWAY {}
    let age = start.elapsed().as_secs();
    tokio::time::resume();
    // Before the first ping.
    assert!((20..30).contains(&age), "{age}");
    drop(connection);
    served.stop().await;
}

/// A connection that has begun to speak HTTP/2, and says no more.
async fn mute(served: &Served) -> TlsStream<tokio::net::TcpStream> {
    let (cert, key) = served.authority.identity("enforcer");
    let trust = tls::Trust::load(served.authority.ca()).unwrap();
    let identity = tls::Identity::new(cert, key);
    let tls = tls::client_config(&trust, Some(&identity), tls::ALPN_H2).unwrap();
    let connector = tokio_rustls::TlsConnector::from(tls);
    let socket = tokio::net::TcpStream::connect(served.addresses.xds).await;
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connecting = connector.connect(name, socket.unwrap());
    let mut stream = soon(connecting).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(preface).await.unwrap();
    stream.write_all(&settings).await.unwrap();
    stream
}

struct Frame {
    kind: u8,
    acknowledges: bool,
    body: Vec<u8>,
}

/// The next frame; `None` at the end.
async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, ..] = head;
    let mut body = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut body).await.ok()?;
    Some(Frame {
        kind,
        acknowledges: flags & 1 == 1,
        body,
    })
}

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
