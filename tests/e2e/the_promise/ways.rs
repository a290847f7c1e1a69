//! The ways in which a caller asks through Envoy: versions of HTTP, with and without TLS, bodies, WebSockets.

use http::Method;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    clients::{gateway::Gateway, websocket::WebSocket},
    world::World,
};

/// One of them.
pub(super) enum Way {
    Get(Gateway),
    /// With a body that is longer than what is read at once on the way.
    Post(Gateway, String),
    WebSocket {
        url: String,
        ca: String,
    },
}

impl Way {
    /// All of them, each on connections of its own.
    pub(super) fn all(world: &World) -> [Self; 8] {
        let (tls, plain, ca) = (
            world.var("API_URL"),
            world.plain_url(),
            world.var("CA_CERT"),
        );
        let body = || "petstore".repeat(9_000);
        let socket = |url: String| Self::WebSocket {
            url,
            ca: ca.clone(),
        };
        [
            Self::Get(world.caller(false)),
            Self::Get(world.caller(true)),
            Self::Get(Gateway::new(&plain, &ca)),
            Self::Post(world.caller(false), body()),
            Self::Post(world.caller(true), body()),
            Self::Post(Gateway::http2(&plain, &ca), body()),
            socket(tls),
            socket(plain.clone()),
        ]
    }

    /// The status and the body of the answer to a request with this token; 200 where it has reached the API whole.
    pub(super) async fn ask(&self, token: &str) -> (i32, String) {
        match self {
            Self::Get(gateway) => {
                let answer = gateway.with_token(token).await;
                (answer.status.into(), answer.body)
            }
            Self::Post(gateway, body) => post(gateway, token, body).await,
            Self::WebSocket { url, ca } => open(url, ca, token).await,
        }
    }
}

async fn post(gateway: &Gateway, token: &str, body: &str) -> (i32, String) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let answer = gateway
        .request(Method::POST, "", &headers, Some(body))
        .await;
    if answer.status == 200 {
        let seen: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(seen["body"] == body, "another body");
    }
    (answer.status.into(), answer.body)
}

async fn open(url: &str, ca: &str, token: &str) -> (i32, String) {
    match WebSocket::open(url, ca, token).await {
        Ok(mut socket) => {
            // What it says first of the request.
            socket.message().await;
            socket.echoed(Message::text("hello")).await;
            socket.close().await;
            (200, String::new())
        }
        Err(refusal) => (refusal.code(), refusal.body),
    }
}
