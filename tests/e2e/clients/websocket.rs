//! A caller's WebSocket through Envoy: the request that opens it as bytes, and then messages.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::raw::{self, Connection, RawAnswer};

/// One that is open.
pub(crate) struct WebSocket {
    stream: WebSocketStream<Box<dyn Connection>>,
}

/// What asks for it; the key and what must answer it are the example of RFC 6455, section 1.3.
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPTED: &str = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

impl WebSocket {
    /// Opens one at this URL's authority with this access token, or gives the answer that refuses it.
    pub(crate) async fn open(url: &str, ca: &str, token: &str) -> Result<Self, RawAnswer> {
        let mut connection = raw::connect(url, ca).await;
        let request = format!(
            "GET /petstore/v1/pets HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{UPGRADE}\r\n"
        );
        let answer = raw::exchange(&mut *connection, request.as_bytes()).await;
        if answer.status != "HTTP/1.1 101 Switching Protocols" {
            return Err(answer);
        }
        assert!(
            answer.headers.iter().any(|line| line == ACCEPTED),
            "{answer:?}"
        );
        let stream = WebSocketStream::from_raw_socket(connection, Role::Client, None).await;
        Ok(Self { stream })
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Message {
        self.stream.next().await.unwrap().unwrap()
    }

    /// Sends a message, which must come back.
    pub(crate) async fn echoed(&mut self, message: Message) {
        self.stream.send(message.clone()).await.unwrap();
        assert_eq!(self.message().await, message);
    }

    pub(crate) async fn close(mut self) {
        self.stream.close(None).await.unwrap();
    }
}
