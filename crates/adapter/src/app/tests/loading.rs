//! While the ledger is read.

use futures_util::StreamExt as _;

use super::*;

/// The xDS port, bound and not served.
async fn bound() -> (Authority, TlsListener) {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let prepared = prepare(&config(&authority, &directory)).unwrap();
    let bound = TlsListener::bind("127.0.0.1", 0, prepared.xds_tls).await;
    (authority, bound.unwrap())
}

#[tokio::test]
async fn every_call_is_unavailable_and_then_the_port_is_free() {
    let (authority, mut listener) = bound().await;
    let address = listener.local_addr();

    let (read, reading) = tokio::sync::oneshot::channel();
    let loading = serving::refuse_while(&mut listener, async { Ok(reading.await?) });
    let calls = async {
        let channel = channel(&authority, address).await;
        let mut client = RevokedTokenDiscoveryServiceClient::new(channel.clone());
        let (_open, requests) = mpsc::channel(1);
        let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
        let status = soon(client.stream_tokens(requests)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "the adapter is reading its ledger");
        let mut health = HealthClient::new(channel.clone());
        let request = HealthCheckRequest::default();
        let status = soon(health.check(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        read.send("read").unwrap();
        channel
    };
    // The connection is still there: it is ended by us.
    let (loaded, _channel) = soon(async { tokio::join!(loading, calls) }).await;
    assert_eq!(loaded.unwrap(), "read");
    let next = tokio::spawn(async move { channel(&authority, address).await });
    assert!(soon(listener.next()).await.unwrap().is_ok());
    next.abort();
}

#[tokio::test]
async fn who_holds_a_connection_open_without_a_word_holds_up_nothing() {
    let (authority, mut listener) = bound().await;
    let (cert, key) = authority.identity("enforcer");
    let trust = tls::Trust::load(authority.ca()).unwrap();
    let identity = tls::Identity::new(cert, key);
    let tls = tls::client_config(&trust, Some(&identity), tls::ALPN_H2).unwrap();
    let connector = tokio_rustls::TlsConnector::from(tls);
    let socket = tokio::net::TcpStream::connect(listener.local_addr());
    let socket = socket.await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();

    let (read, reading) = tokio::sync::oneshot::channel();
    let loading = serving::refuse_while(&mut listener, async { Ok(reading.await?) });
    let silent = async {
        let silent = soon(connector.connect(name, socket)).await.unwrap();
        read.send("read").unwrap();
        silent
    };
    let (loaded, _silent) = soon(async { tokio::join!(loading, silent) }).await;
    assert_eq!(loaded.unwrap(), "read");
}

#[tokio::test]
async fn the_admin_port_answers_meanwhile() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let mut config = config(&authority, &directory);
    config.adapter.admin.read_token = rescind_runtime::config::Secret::new("reads");
    let bound = Bound::new(config).await.unwrap();
    let admin = bound.addresses.admin;
    assert_eq!(page(admin, "/livez").await, (200, "ok\n".to_owned()));
    let (status, reason) = page(admin, "/readyz").await;
    assert_eq!(
        (status, &*reason),
        (503, "not ready\npending: ledger\npending: xDS port\n")
    );
    let (status, metrics) = page(admin, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("rescind_certificate_days_left"),
        "{metrics}"
    );
    for path in ["/v1/enforcers", "/v1/versions/1", "/v1/revocations?jti=a"] {
        assert_eq!(page(admin, path).await.0, 401);
        let starting = read(admin, path).await;
        assert_eq!(
            starting, "{\"error\":\"the adapter is starting\"}",
            "{path}"
        );
    }
    let app = bound.open().await.unwrap();
    assert_eq!(page(admin, "/readyz").await, (200, "ready\n".to_owned()));
    let (stop, running) = (app.token(), tokio::spawn(app.run()));
    stop.cancel();
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
}
