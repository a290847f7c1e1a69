//! The pages over a real socket.

use axum::Json;
use axum::routing::post;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

struct Fixture {
    health: Health,
    address: SocketAddr,
    cancel: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start() -> Fixture {
    let health = Health::new();
    let registry = Arc::new(metrics::registry("adapter", "0.1.0"));
    let routes = Router::new().route(
        "/echo",
        post(|Json(body): Json<Value>| async move { body.to_string() }),
    );
    let server = Admin::new(health.clone(), registry)
        .merge(routes)
        .bind("127.0.0.1", 0, None)
        .await
        .unwrap();
    let address = server.local_addr();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(server.serve(cancel.clone()));
    Fixture {
        health,
        address,
        cancel,
        task,
    }
}

impl Fixture {
    /// One request on a connection of its own: the status, the head's other lines, and the body.
    async fn request(&self, line: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        // The server may answer and close before it has read a long body.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }
}

#[tokio::test]
async fn livez_answers_whatever_is_pending() {
    let fixture = start().await;
    fixture.health.require("ledger");
    let (status, _, body) = fixture.request("GET /livez", "").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn readyz_lists_what_is_pending_and_what_is_degraded() {
    let fixture = start().await;
    let ledger = fixture.health.require("ledger");
    fixture
        .health
        .degrade("hub", "connection refused\nby the broker");
    let (status, head, body) = fixture.request("GET /readyz", "").await;
    assert_eq!(status, 503);
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert_eq!(
        body,
        "not ready\npending: ledger\ndegraded: hub: connection refused\\nby the broker\n"
    );

    ledger.done();
    let (status, _, body) = fixture.request("GET /readyz", "").await;
    assert_eq!(
        (status, body.as_str()),
        (
            200,
            "ready\ndegraded: hub: connection refused\\nby the broker\n"
        )
    );

    fixture.health.recover("hub");
    let (status, _, body) = fixture.request("GET /readyz", "").await;
    assert_eq!((status, body.as_str()), (200, "ready\n"));
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    let fixture = start().await;
    let (status, head, body) = fixture.request("GET /metrics", "").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(
        body.contains("rescind_build_info{part=\"adapter\",version=\"0.1.0\"} 1\n"),
        "{body}"
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let fixture = start().await;
    let (status, _, body) = fixture.request("HEAD /readyz", "").await;
    assert_eq!((status, body.as_str()), (200, ""));
    let (status, head, _) = fixture.request("POST /metrics", "").await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: get,head"), "{head}");
    assert_eq!(fixture.request("GET /nowhere", "").await.0, 404);
}

#[tokio::test]
async fn a_parts_own_routes_take_bodies_of_bounded_length() {
    let fixture = start().await;
    let (status, _, body) = fixture.request("POST /echo", "{\"a\":1}").await;
    assert_eq!((status, body.as_str()), (200, "{\"a\":1}"));
    let long = format!("\"{}\"", "x".repeat(MAX_BODY_BYTES));
    assert_eq!(fixture.request("POST /echo", &long).await.0, 413);
}

#[tokio::test]
async fn serving_ends_when_told_to_although_a_connection_is_open() {
    let fixture = start().await;
    let mut open = TcpStream::connect(fixture.address).await.unwrap();
    open.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 1];
    open.read_exact(&mut first).await.unwrap();
    fixture.cancel.cancel();
    fixture.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let fixture = start().await;
    let mut open = TcpStream::connect(fixture.address).await.unwrap();
    open.write_all(b"GET /livez HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    // One whole request after it: the half one has been accepted before.
    fixture.request("GET /livez", "").await;
    tokio::time::pause();
    fixture.cancel.cancel();
    let start = tokio::time::Instant::now();
    fixture.task.await.unwrap().unwrap();
    assert!(start.elapsed() <= DRAIN + Duration::from_millis(10));
}
