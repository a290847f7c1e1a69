//! A WebSocket is opened through Envoy like any other request, and then Envoy only passes bytes on.

use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::revoked_token;
use crate::{clients::websocket::WebSocket, procedures::REVOKED_TOKEN, suite::Suite, world::World};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "a_websocket_opens_with_a_good_token_and_is_refused_with_a_revoked_one",
        upgrade,
    );
}

async fn refused(url: &str, ca: &str, token: &str) {
    let Err(refusal) = WebSocket::open(url, ca, token).await else {
        panic!("a revoked token opens a WebSocket");
    };
    assert_eq!(refusal.status, "HTTP/1.1 401 Unauthorized");
    assert_eq!(refusal.body, REVOKED_TOKEN);
}

async fn upgrade(world: &World) {
    let revoked = revoked_token(world).await;
    let ca = world.var("CA_CERT");
    for url in [world.var("API_URL"), world.plain_url()] {
        let good = world.control_plane().token().await;
        let mut socket = WebSocket::open(&url, &ca, &good).await.unwrap();
        let seen = socket.message().await;
        let seen: Value = serde_json::from_str(seen.to_text().unwrap()).unwrap();
        assert_eq!(seen["path"], "/petstore/v1/pets");
        assert_eq!(seen["headers"]["upgrade"], "websocket");
        assert_eq!(seen["headers"]["authorization"], Value::Null);
        for message in [
            Message::text("hello"),
            Message::binary(vec![7; 200_000]),
            Message::text(""),
        ] {
            socket.echoed(message).await;
        }
        refused(&url, &ca, &revoked).await;

        // Only what opens it is a request: one that stands goes on, the next one is refused.
        world.control_plane().revoke(&good).await;
        world.refused_token(&good).await;
        socket.echoed(Message::text("still here")).await;
        refused(&url, &ca, &good).await;
        socket.close().await;
    }
}
