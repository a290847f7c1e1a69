//! A WebSocket is opened through Envoy like any other request, and then Envoy only passes bytes on.

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request};
use serde_json::Value;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::revoked_token;
use crate::{
    clients::raw::{self, Connection},
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::World,
};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "a_websocket_opens_with_a_good_token_and_is_refused_with_a_revoked_one",
        upgrade,
    );
}

type Socket = WebSocketStream<Box<dyn Connection>>;

/// Opens a WebSocket with this token.
async fn open(world: &World, url: &str, token: &str) -> Result<Socket, Error> {
    let connection = raw::connect(url, &world.var("CA_CERT")).await;
    let url = url.replacen("http", "ws", 1);
    let mut request: Request<()> = url.into_client_request()?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    request.headers_mut().insert("authorization", bearer);
    Ok(client_async(request, connection).await?.0)
}

async fn echoed(socket: &mut Socket, message: Message) {
    socket.send(message.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), message);
}

async fn upgrade(world: &World) {
    let revoked = revoked_token(world).await;
    for url in [world.var("API_URL"), world.plain_url()] {
        let good = world.control_plane().token().await;
        let mut socket = open(world, &url, &good).await.unwrap();
        let seen = socket.next().await.unwrap().unwrap();
        let seen: Value = serde_json::from_str(seen.to_text().unwrap()).unwrap();
        assert_eq!(seen["path"], "/petstore/v1/pets");
        assert_eq!(seen["headers"]["upgrade"], "websocket");
        assert_eq!(seen["headers"]["authorization"], Value::Null);
        for message in [
            Message::text("hello"),
            Message::binary(vec![7; 200_000]),
            Message::text(""),
        ] {
            echoed(&mut socket, message).await;
        }

        let mut connection = raw::connect(&url, &world.var("CA_CERT")).await;
        let request = format!(
            "GET /petstore/v1/pets HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {revoked}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let refusal = raw::exchange(&mut *connection, request.as_bytes()).await;
        assert_eq!(refusal.status, "HTTP/1.1 401 Unauthorized");
        assert_eq!(refusal.body, REVOKED_TOKEN);

        // Only what opens it is a request: one that stands goes on, the next one is refused.
        world.control_plane().revoke(&good).await;
        world.refused_token(&good).await;
        echoed(&mut socket, Message::text("still here")).await;
        let Err(Error::Http(refusal)) = open(world, &url, &good).await else {
            panic!("a revoked token opens a WebSocket");
        };
        assert_eq!(refusal.status(), 401);
        socket.close(None).await.unwrap();
    }
}
