//! What is asked of us and is not ours, with and without a next enforcer behind.

use axum::{body::Bytes, http::HeaderMap, http::Method, routing::any};
use rescind_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    },
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use rescind_runtime::tls::{ALPN_HTTP, ClientAuth, Identity, server_config};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::{
    fixture::{Running, start_with},
    *,
};

/// Some service that we do not have: the adapter's stands for the original enforcer's.
async fn ask(running: &Running) -> Result<DiscoveryResponse, Status> {
    let mut client = RevokedTokenDiscoveryServiceClient::new(running.connect().await);
    let request = DiscoveryRequest {
        node: Some(Node {
            id: "commonEnforcerLabel".to_owned(),
            ..Node::default()
        }),
        type_url: TYPE_URL.to_owned(),
        ..DiscoveryRequest::default()
    };
    client
        .fetch_tokens(request)
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn other_services_are_carried_to_the_next_and_ours_are_not() {
    let port = free_port();
    let running = start_with(free_port().get(), |config| {
        config.next.address = "127.0.0.1".to_owned();
        config.next.port = port;
        config.next.server_name = "adapter".to_owned();
    })
    .await;
    let away = ask(&running).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable, "{away}");

    let source = Revocations::new();
    source.revoke("theirs");
    source.complete();
    let _original = adapter(&running.certificates, port.get(), source).await;
    eventually(async || ask(&running).await.is_ok()).await;
    let answer = ask(&running).await.unwrap();
    assert_eq!(answer.resources.len(), 1);
    // Our own health, although the one behind would be served: we hold no set yet.
    assert_eq!(running.serving().await, [2, 2]);
    let page = running.page("/metrics").await.1;
    let line = "rescind_enforcer_passthrough_calls_total{outcome=\"ok\"} ";
    assert!(page.contains(line), "{page}");
    assert_eq!(running.stop().await, ExitCode::SUCCESS);
}

#[tokio::test]
async fn without_a_next_they_are_unimplemented() {
    let running = start(free_port().get()).await;
    let status = ask(&running).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
    running.stop().await;
}

/// What is asked is refused here, and said to come back.
async fn says_that_it_loops(running: &Running) {
    let degraded = "leads back";
    eventually(async || running.page("/readyz").await.1.contains(degraded)).await;
    let refused = ask(running).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("leads back"), "{refused}");
}

#[tokio::test]
async fn an_enforcer_that_is_its_own_next_asks_nobody_and_says_so() {
    let port = free_port();
    let running = start_with(free_port().get(), |config| {
        config.enforcer.auth_service.port = port;
        config.next.address = "127.0.0.1".to_owned();
        config.next.port = port;
    })
    .await;
    says_that_it_loops(&running).await;
    assert_eq!(running.stop().await, ExitCode::SUCCESS);
}

#[tokio::test]
async fn admin_pages_that_would_come_back_are_refused() {
    let port = free_port();
    let running = start_with(free_port().get(), |config| {
        config.enforcer.rest_server.port = port;
        config.next.address = "127.0.0.1:1".to_owned();
        config.next.rest.address = format!("127.0.0.1:{}", port.get());
    })
    .await;
    let (status, text) = running.page("/testkey").await;
    assert_eq!(status, 502);
    assert!(text.contains("leads back"), "{text}");
    assert_eq!(running.page("/livez").await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn two_enforcers_that_are_each_others_next_say_so() {
    let [first, second] = [free_port(), free_port()];
    let one = start_with(free_port().get(), |config| {
        config.enforcer.auth_service.port = first;
        config.next.address = "127.0.0.1".to_owned();
        config.next.port = second;
    })
    .await;
    let (cert, key) = one.certificates.identity("enforcer");
    let ca = one.certificates.ca();
    let other = start_with(free_port().get(), move |config| {
        config.enforcer.auth_service.port = second;
        config.next.address = "127.0.0.1".to_owned();
        config.next.port = first;
        config.enforcer.keystore.cert_path = cert;
        config.enforcer.keystore.key_path = key;
        config.enforcer.truststore.location = ca;
    })
    .await;
    says_that_it_loops(&one).await;
    let degraded = async || format!("{:?}", other.health.report().degraded);
    eventually(async || degraded().await.contains("leads back")).await;
    assert_eq!(one.stop().await, ExitCode::SUCCESS);
    assert_eq!(other.stop().await, ExitCode::SUCCESS);
}

async fn original(method: Method, headers: HeaderMap, body: Bytes) -> String {
    let credentials = headers.get("authorization").is_some();
    format!("{method} {credentials} {}", body.len())
}

#[tokio::test]
async fn other_admin_pages_are_carried_to_the_nexts() {
    let certificates = crate::testing::Certificates::new();
    let (cert, key) = certificates.identity("enforcer");
    let identity = Identity::new(cert, key);
    let tls = server_config(&identity, &ClientAuth::None, ALPN_HTTP).unwrap();
    let routes = axum::Router::new()
        .route("/testkey", any(original))
        .route("/revoked_tokens", any(async || "theirs"));
    let registry = Arc::new(registry("original", "1"));
    let admin = Admin::new(Health::new(), registry).merge(routes);
    let admin = admin.bind("127.0.0.1", 0, Some(tls)).await.unwrap();
    let address = admin.local_addr();
    let cancel = CancellationToken::new();
    let serving = tokio::spawn(admin.serve(cancel.clone()));

    let trust = certificates.ca();
    let running = start_with(free_port().get(), move |config| {
        config.next.address = "127.0.0.1:1".to_owned();
        config.next.rest.address = address.to_string();
        config.next.trusted_certs = trust;
    })
    .await;
    assert_eq!(
        running.page("/testkey").await,
        (200, "GET false 0".to_owned())
    );
    let page = running.page("/nothing").await;
    assert_eq!(page.0, 404);
    // Ours stay ours.
    assert_eq!(running.page("/revoked_tokens").await.0, 401);
    assert_eq!(running.page("/readyz").await.0, 503);
    assert_eq!(running.page("/livez").await, (200, "ok\n".to_owned()));
    cancel.cancel();
    serving.await.unwrap().unwrap();
    eventually(async || running.page("/testkey").await.0 == 502).await;
    running.stop().await;
}
