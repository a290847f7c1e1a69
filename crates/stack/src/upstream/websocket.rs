//! A WebSocket at the API: its first message is what the upstream saw of the request, then each message comes back.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, handshake::derive_accept_key, protocol::Role},
};

/// Whether a request is the opening handshake of a WebSocket (RFC 6455, 4.1).
pub(super) fn is_asked(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE);
    upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers the handshake, and goes on with the connection on a task of its own.
pub(super) fn accept(mut request: Request, seen: Value) -> Response {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let key = key.map(|key| derive_accept_key(key.as_bytes()));
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (Some(key), Some(upgrade)) = (key, upgrade) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    tokio::spawn(async move {
        // A caller who goes away is nobody's trouble.
        if let Ok(connection) = upgrade.await {
            let _ = echo(TokioIo::new(connection), seen.to_string()).await;
        }
    });
    let headers = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, &key),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

async fn echo(
    connection: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    seen: String,
) -> Result<(), Error> {
    let mut socket = WebSocketStream::from_raw_socket(connection, Role::Server, None).await;
    socket.send(Message::text(seen)).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
