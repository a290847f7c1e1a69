//! The whole process in one, without a control plane: real sockets, real certificates, a real ledger.

use std::{fs, net::TcpListener};

use rescind_ledger::Ledger;
use rescind_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    },
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use rescind_runtime::{config::Port, tls};
use rescind_xds::TYPE_URL;
use tempfile::TempDir;
use tonic::{
    Code, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;
use crate::testing::{certificates::Authority, soon, token};

fn free_port() -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Port::new(listener.local_addr().unwrap().port()).unwrap()
}

fn config(authority: &Authority, directory: &TempDir) -> Config {
    let mut config = Config::default();
    let (cert_path, key_path) = authority.identity("adapter");
    config.adapter.keystore.cert_path = cert_path;
    config.adapter.keystore.key_path = key_path;
    config.adapter.truststore.location = authority.ca();
    config.adapter.xds.host = "127.0.0.1".into();
    config.adapter.xds.port = free_port();
    config.adapter.admin.port = free_port();
    config.ledger.directory = directory.path().to_owned();
    config.control_plane.enabled = false;
    config
}

async fn channel(authority: &Authority, address: SocketAddr) -> Channel {
    let (cert, key) = authority.identity("enforcer");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(fs::read(authority.ca()).unwrap()))
        .identity(Identity::from_pem(
            fs::read(cert).unwrap(),
            fs::read(key).unwrap(),
        ))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await.unwrap()
}

async fn stream(channel: Channel) -> Streaming<DiscoveryResponse> {
    let request = DiscoveryRequest {
        node: Some(Node {
            id: "commonEnforcerLabel".into(),
            ..Node::default()
        }),
        type_url: TYPE_URL.into(),
        ..DiscoveryRequest::default()
    };
    // A stream of requests that stays open.
    let (requests, received) = mpsc::channel(1);
    requests.send(request).await.unwrap();
    let requests_kept = requests;
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(received);
    let mut client = RevokedTokenDiscoveryServiceClient::new(channel);
    let responses = client.stream_tokens(outgoing).await.unwrap().into_inner();
    tokio::spawn(async move { requests_kept.closed().await });
    responses
}

async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(
            &tls::insecure_client_config(None, &[]).unwrap(),
        ))
        .build()
        .unwrap();
    let request = client.get(format!("https://{address}{path}"));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn it_serves_its_ledger_and_ends_its_streams_with_an_error() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger
        .append(&[token("token-a"), token("token-b")])
        .unwrap();
    drop(ledger);

    let app = App::build(config(&authority, &directory)).await.unwrap();
    let addresses = app.addresses();
    let token = app.token();
    let running = tokio::spawn(app.run());

    assert_eq!(
        page(addresses.admin, "/readyz").await,
        (200, "ready\n".to_owned())
    );
    let (status, metrics) = page(addresses.admin, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "rescind_ledger_entries 2",
        "rescind_ledger_head 2",
        "rescind_ledger_complete 1",
        "rescind_xds_acks_total 0",
        "rescind_hub_connected 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }

    let channel = channel(&authority, addresses.xds).await;
    let mut health = HealthClient::new(channel.clone());
    for service in serving::SERVICES {
        let service = service.to_owned();
        let request = HealthCheckRequest { service };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status, 1);
    }

    let mut responses = stream(channel).await;
    let first = soon(responses.message()).await.unwrap().unwrap();
    assert_eq!(first.resources.len(), 2);
    assert!(
        first.version_info.starts_with("2-"),
        "{}",
        first.version_info
    );

    token.cancel();
    let end = soon(responses.message()).await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
    Ledger::open(directory.path()).unwrap();
}

#[tokio::test]
async fn what_it_cannot_have_is_named() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();

    let held = Ledger::open(directory.path()).unwrap();
    let error = App::build(config(&authority, &directory))
        .await
        .unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.starts_with("cannot open the ledger: ledger directory"),
        "{text}"
    );
    drop(held);

    let mut wrong = config(&authority, &directory);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    wrong.adapter.xds.port = Port::new(taken.local_addr().unwrap().port()).unwrap();
    let error = App::build(wrong).await.unwrap_err();
    assert!(
        error.to_string().contains("the port is in use"),
        "{error:#}"
    );

    let mut wrong = config(&authority, &directory);
    wrong.adapter.truststore.location = "/nowhere".into();
    let error = App::build(wrong).await.unwrap_err();
    assert_eq!(rescind_runtime::exit::code_for(&error), 2);
    assert!(
        error
            .to_string()
            .starts_with("adapter.truststore.location: "),
        "{error:#}"
    );
}
