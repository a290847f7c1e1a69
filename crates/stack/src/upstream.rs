//! The API behind Envoy: answers every request with what it saw of it.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderMap, Method, Uri},
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Serves on the loopback interface until the process ends.
pub async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
    axum::serve(listener, Router::new().fallback(echo))
        .await
        .context("the upstream ended")
}

async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Json<Value> {
    Json(json!({
        "method": method.as_str(),
        "path": uri.path(),
        "query": uri.query(),
        "headers": listed(&headers),
        "body": String::from_utf8_lossy(&body),
    }))
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

    #[tokio::test]
    async fn it_tells_what_it_saw() {
        let mut headers = HeaderMap::new();
        headers.append("x-one", "a".parse().unwrap());
        headers.append("x-one", "b".parse().unwrap());
        let Json(seen) = echo(
            Method::POST,
            Uri::from_static("/pets/1?q=2"),
            headers,
            Bytes::from_static(b"body"),
        )
        .await;
        assert_eq!(
            seen,
            json!({
                "method": "POST", "path": "/pets/1", "query": "q=2",
                "headers": {"x-one": "a, b"}, "body": "body",
            })
        );
    }
}
