//! The whole enforcer in one process, between a real xDS server and a real ext_authz client.

use rescind_proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use rescind_runtime::config::Port;
use rescind_xds::{Any, TYPE_URL};

use super::*;
use crate::testing::{Certificates, bearer, check, metadata, seen};

mod carried;
mod fixture;

use fixture::{Revocations, adapter, configured, eventually, free_port, start, until};

#[tokio::test]
async fn what_the_adapter_sends_is_refused_on_the_same_connection() {
    let source = Revocations::new();
    for n in 0..10 {
        source.revoke(&format!("before-{n}"));
    }
    source.complete();
    let port = free_port().get();
    let running = start(port).await;
    let _adapter = adapter(&running.certificates, port, source.clone()).await;
    running.ready().await;

    let mut client = AuthorizationClient::new(running.connect().await);
    for n in 0..10 {
        let token = running.token(&format!("before-{n}"));
        let response = client.check(bearer(&token)).await.unwrap().into_inner();
        assert_eq!(metadata(&response, "rescind_reason"), Some("token_revoked"));
    }
    let (good, other) = (running.token("good"), running.token("other"));
    let response = client.check(bearer(&good)).await.unwrap().into_inner();
    assert_eq!(seen(&response), (200, ""));
    assert_eq!(metadata(&response, "rescind_version"), Some("10-0a0b0c0d"));

    source.revoke("good");
    let applied = "rescind_enforcer_set_version 11";
    eventually(async || running.page("/metrics").await.1.contains(applied)).await;
    let response = client.check(bearer(&good)).await.unwrap().into_inner();
    assert_eq!(
        seen(&response),
        (
            401,
            r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid JWT token. Make sure you have provided the correct security credentials"}"#
        )
    );
    assert_eq!(metadata(&response, "rescind_version"), Some("11-0a0b0c0d"));
    let response = client.check(bearer(&other)).await.unwrap().into_inner();
    assert_eq!(seen(&response).0, 200);
    let (status, page) = running.page("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "rescind_enforcer_set_entries 11",
        "rescind_enforcer_set_version 11",
        "rescind_enforcer_adapter_connected 1",
        "rescind_enforcer_checks_total{outcome=\"allowed\"} 2",
        "rescind_enforcer_check_seconds_count ",
        "rescind_enforcer_keys_loaded_timestamp_seconds ",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    assert_eq!(running.stop().await, ExitCode::SUCCESS);
}

#[tokio::test]
async fn started_without_an_adapter_it_answers_503_until_one_comes() {
    let port = free_port().get();
    let running = start(port).await;
    let mut client = AuthorizationClient::new(running.connect().await);
    let good = running.token("good");
    let response = client.check(bearer(&good)).await.unwrap().into_inner();
    assert_eq!(seen(&response).0, 503);
    assert_eq!(running.serving().await, [2, 2]);
    let (status, page) = running.page("/readyz").await;
    assert_eq!(status, 503);
    assert!(page.contains("pending: revoked tokens"), "{page}");

    let source = Revocations::new();
    let adapter = adapter(&running.certificates, port, source.clone()).await;
    source.revoke("revoked");
    source.complete();
    running.ready().await;
    until(&client, &good, 200).await;
    eventually(async || running.serving().await == [1, 1]).await;

    // Without its adapter it keeps what it has, and says so.
    let streams = adapter.streams.drain();
    drop(adapter);
    streams.await;
    eventually(async || !running.health.report().degraded.is_empty()).await;
    until(&client, &running.token("revoked"), 401).await;
    until(&client, &good, 200).await;
    let (status, page) = running.page("/readyz").await;
    assert_eq!(status, 200);
    assert!(page.contains("degraded: adapter"), "{page}");
    assert_eq!(running.stop().await, ExitCode::SUCCESS);
}

#[tokio::test]
async fn an_incomplete_adapter_opens_nothing() {
    let port = free_port().get();
    let running = start(port).await;
    let source = Revocations::new();
    source.revoke("revoked");
    let _adapter = adapter(&running.certificates, port, source.clone()).await;
    eventually(async || {
        running
            .page("/metrics")
            .await
            .1
            .contains("rescind_enforcer_set_entries 1")
    })
    .await;
    let mut client = AuthorizationClient::new(running.connect().await);
    let response = client.check(bearer(&running.token("good"))).await.unwrap();
    assert_eq!(seen(response.get_ref()).0, 503);
    source.complete();
    running.ready().await;
    until(&client, &running.token("good"), 200).await;
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_decoded_is_not_applied_and_the_rest_is() {
    let port = free_port().get();
    let running = start(port).await;
    let source = Revocations::new();
    source.complete();
    let _adapter = adapter(&running.certificates, port, source.clone()).await;
    running.ready().await;
    source.push(Any {
        type_url: TYPE_URL.to_owned(),
        value: vec![0x0a, 0xff],
    });
    eventually(async || {
        running
            .page("/metrics")
            .await
            .1
            .contains("rescind_enforcer_rejected_updates_total 1")
    })
    .await;
    let client = AuthorizationClient::new(running.connect().await);
    until(&client, &running.token("good"), 200).await;
    source.revoke("after");
    until(&client, &running.token("after"), 401).await;
    running.stop().await;
}

#[tokio::test]
async fn a_caller_without_a_trusted_certificate_is_not_served() {
    let running = start(free_port().get()).await;
    let foreign = Certificates::new();
    for certificates in [None, Some(&foreign)] {
        let channel = running.endpoint(certificates).connect_lazy();
        let refused = AuthorizationClient::new(channel)
            .check(check("/", &[]))
            .await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let mut client = AuthorizationClient::new(running.connect().await);
    assert!(client.check(check("/", &[])).await.is_ok());
    running.stop().await;
}

#[tokio::test]
async fn a_huge_token_and_a_huge_check_are_refused_and_do_not_end_the_server() {
    let source = Revocations::new();
    source.complete();
    let port = free_port().get();
    let running = start(port).await;
    let _adapter = adapter(&running.certificates, port, source).await;
    running.ready().await;
    let mut client = AuthorizationClient::new(running.connect().await);
    let huge = running.token(&"x".repeat(100_000));
    let response = client.check(bearer(&huge)).await.unwrap().into_inner();
    assert_eq!(metadata(&response, "rescind_reason"), Some("malformed"));
    let huge = "x".repeat(300 * 1024);
    let response = client.check(bearer(&huge)).await.unwrap().into_inner();
    assert_eq!(metadata(&response, "rescind_reason"), Some("bad_check"));
    until(&client, &running.token("good"), 200).await;
    running.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let running = start(free_port().get()).await;
    let mut config = Config::default();
    config.enforcer.keystore.cert_path = running.certificates.folder().join("enforcer.pem");
    config.enforcer.keystore.key_path = running.certificates.folder().join("enforcer.key");
    config.enforcer.truststore.location = running.certificates.ca();
    config.enforcer.state.directory = "".into();
    config.enforcer.auth_service.host = "127.0.0.1".to_owned();
    config.enforcer.auth_service.port = Port::new(running.checks.port()).unwrap();
    let error = App::build(&config).await.unwrap_err();
    assert_eq!(rescind_runtime::exit::code_for(&error), 1);
    let text = format!("{error:#}");
    assert!(text.contains(&running.checks.to_string()), "{text}");

    config.enforcer.keystore.key_path = "/nowhere.key".into();
    let error = App::build(&config).await.unwrap_err();
    assert_eq!(rescind_runtime::exit::code_for(&error), 2);
    assert!(format!("{error:#}").contains("/nowhere.key"), "{error:#}");
    running.stop().await;
}

#[tokio::test]
async fn embedded_in_a_proxy_it_subscribes_and_refuses_all_the_same() {
    use crate::embed::{Route, subscribe};
    use rescind_authz::{Decision, Reason};

    let port = free_port().get();
    let (certificates, signer, config) = configured(port);
    let (enforcer, background) = subscribe(&config).unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let background = tokio::spawn(background.run(cancel.clone()));
    let source = Revocations::new();
    source.revoke("revoked");
    source.complete();
    let _adapter = adapter(&certificates, port, source.clone()).await;

    let check = |jti: &str| {
        let token = signer.token(&format!(r#""jti":"{jti}","iat":1"#));
        let request =
            http::Request::get("/pets").header("authorization", format!("Bearer {token}"));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match enforcer.check(&parts, &Route::default()).decision {
            Decision::Allow(_) => None,
            Decision::Deny(denial) => Some(denial.reason),
        }
    };
    assert_eq!(check("revoked"), Some(Reason::NotReady));
    eventually(async || enforcer.health().is_ready() && check("good").is_none()).await;
    assert_eq!(check("revoked"), Some(Reason::TokenRevoked));
    source.revoke("good");
    eventually(async || check("good") == Some(Reason::TokenRevoked)).await;
    cancel.cancel();
    background.await.unwrap();
}
