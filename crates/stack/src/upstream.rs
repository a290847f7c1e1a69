//! The API behind Envoy: answers every request with what it saw of it, and a WebSocket with every message it gets.

mod websocket;

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Serves on the loopback interface until the process ends.
pub async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
    let router = Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    axum::serve(listener, router)
        .await
        .context("the upstream ended")
}

/// Larger than any buffer on the way.
const LARGEST_BODY: usize = 64 << 20;

async fn answer(request: Request) -> Response {
    let (method, uri, headers) = (
        request.method().clone(),
        request.uri().clone(),
        request.headers().clone(),
    );
    if websocket::is_asked(&headers) {
        return websocket::accept(request, seen(&method, &uri, &headers, b""));
    }
    match Bytes::from_request(request, &()).await {
        Ok(body) => Json(seen(&method, &uri, &headers, &body)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn seen(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Value {
    json!({
        "method": method.as_str(),
        "path": uri.path(),
        "query": uri.query(),
        "headers": listed(headers),
        "body": String::from_utf8_lossy(body),
    })
}

/// A header that came more than once has its values joined, as the HTTP specification allows (RFC 9110, 5.3).
fn listed(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .keys()
        .map(|name| {
            let values: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            (name.as_str().to_owned(), values.join(", ").into())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_what_it_saw() {
        let mut headers = HeaderMap::new();
        headers.append("x-one", "a".parse().unwrap());
        headers.append("x-one", "b".parse().unwrap());
        let uri = Uri::from_static("/pets/1?q=2");
        assert_eq!(
            seen(&Method::POST, &uri, &headers, b"body"),
            json!({
                "method": "POST", "path": "/pets/1", "query": "q=2",
                "headers": {"x-one": "a, b"}, "body": "body",
            })
        );
    }
}
