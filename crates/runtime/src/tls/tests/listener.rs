//! What peers do to a listener, and what it says about it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use prometheus_client::registry::Registry;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::handshakes::{connect, serve};
use super::pki::Pki;
use crate::admin::Admin;
use crate::health::Health;
use crate::telemetry::captured::Captured;
use crate::tls::{ALPN_HTTP, ClientAuth, TlsListener, client_config, server_config};

struct Fixture {
    pki: Pki,
    address: SocketAddr,
    client: Arc<ClientConfig>,
}

async fn fixture() -> Fixture {
    let pki = Pki::new();
    let config = server_config(
        &pki.issue("adapter"),
        &ClientAuth::Required(pki.trust()),
        &[],
    )
    .unwrap();
    let client = client_config(&pki.trust(), Some(&pki.issue("enforcer")), &[]).unwrap();
    Fixture {
        address: serve(config).await,
        client,
        pki,
    }
}

/// Reads until the server closes, and fails when it does not.
async fn read_to_end(mut stream: TcpStream) {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = timeout(Duration::from_secs(60), stream.read_to_end(&mut answer))
        .await
        .expect("closed by the server");
}

#[tokio::test]
async fn garbage_and_quitters_do_not_disturb_it() {
    let captured = Captured::default();
    let _guard = captured.as_default("debug");
    let fixture = fixture().await;
    for _ in 0..3 {
        let mut garbage = TcpStream::connect(fixture.address).await.unwrap();
        garbage
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        read_to_end(garbage).await;
    }
    drop(TcpStream::connect(fixture.address).await.unwrap());
    connect(fixture.address, "adapter", fixture.client)
        .await
        .unwrap();

    let log = captured.text();
    let failed: Vec<_> = log
        .lines()
        .filter(|line| line.contains("TLS handshake failed"))
        .collect();
    // Three within a second, if this machine is not very slow.
    assert!((1..=3).contains(&failed.len()), "{log}");
    assert!(failed[0].contains(" WARN [refusals.rs:"), "{log}");
    assert!(
        failed[0].contains("peer=127.0.0.1:")
            && failed[0].contains("reason=\"what came is not TLS\""),
        "{log}"
    );
}

#[tokio::test]
async fn refusals_are_told_with_their_reason() {
    let captured = Captured::default();
    let _guard = captured.as_default("info");
    let fixture = fixture().await;
    let (trust, other) = (fixture.pki.trust(), Pki::new());
    let nobody = client_config(&trust, None, &[]).unwrap();
    connect(fixture.address, "adapter", nobody)
        .await
        .unwrap_err();
    let stranger = client_config(&trust, Some(&other.issue("x")), &[]).unwrap();
    connect(fixture.address, "adapter", stranger)
        .await
        .unwrap_err();
    let suspicious = client_config(&other.trust(), None, &[]).unwrap();
    connect(fixture.address, "adapter", suspicious)
        .await
        .unwrap_err();
    // The alert of the last one may still be on its way.
    while captured
        .text()
        .lines()
        .filter(|line| line.contains("TLS handshake failed"))
        .count()
        < 3
    {
        tokio::task::yield_now().await;
    }
    let log = captured.text();
    for reason in [
        "the client showed no certificate",
        "the client's certificate is from an issuer that is not trusted here",
        "the client refused with the alert UnknownCA (it does not trust this server's certificate)",
    ] {
        assert!(log.contains(reason), "{reason} is not in {log}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_closed_after_ten_seconds() {
    let fixture = fixture().await;
    let start = Instant::now();
    let silent = TcpStream::connect(fixture.address).await.unwrap();
    read_to_end(silent).await;
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn silent_peers_do_not_delay_others() {
    let fixture = fixture().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(fixture.address).await.unwrap());
    }
    let start = std::time::Instant::now();
    connect(fixture.address, "adapter", fixture.client)
        .await
        .unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "waited for the silent ones"
    );
}

#[tokio::test]
async fn dropping_it_closes_the_port() {
    let pki = Pki::new();
    let config = server_config(&pki.issue("adapter"), &ClientAuth::None, &[]).unwrap();
    // It never listens; while it lives, nobody else is given the port.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.set_reuseaddr(true).unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = held.local_addr().unwrap().port();
    let bind = || TlsListener::bind("127.0.0.1", port, config.clone());
    let listener = bind().await.unwrap();
    assert!(bind().await.is_err());
    drop(listener);
    while bind().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_port_in_use_names_its_holder() {
    let fixture = fixture().await;
    let config = server_config(&fixture.pki.issue("x"), &ClientAuth::None, &[]).unwrap();
    let error = TlsListener::bind("127.0.0.1", fixture.address.port(), config)
        .await
        .unwrap_err();
    let error = error.to_string();
    let begin = format!(
        "cannot listen on {}: the port is in use by ",
        fixture.address
    );
    assert!(error.starts_with(&begin), "{error}");
    assert!(
        error.ends_with(&format!(" (pid {})", std::process::id())),
        "{error}"
    );
}

#[tokio::test]
async fn the_admin_server_speaks_https() {
    let pki = Pki::new();
    let config = server_config(&pki.issue("adapter"), &ClientAuth::None, ALPN_HTTP).unwrap();
    let server = Admin::new(Health::new(), Arc::new(Registry::default()))
        .merge(Router::new().route("/own", get(|| async { "own" })))
        .bind("localhost", 0, Some(config))
        .await
        .unwrap();
    let address = server.local_addr();
    let cancel = CancellationToken::new();
    let task = tokio::spawn(server.serve(cancel.clone()));

    let client = client_config(&pki.trust(), None, &["http/1.1"]).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let connecting =
        TlsConnector::from(client).connect(ServerName::try_from("localhost").unwrap(), stream);
    let mut stream = connecting.await.unwrap();
    stream
        .write_all(b"GET /own HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nown"),
        "{answer}"
    );
    cancel.cancel();
    task.await.unwrap().unwrap();
}
