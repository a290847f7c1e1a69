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
use rescind_revocation::{UnixSeconds, packed};
use rescind_runtime::{config::Port, tls};
use rescind_xds::{TYPE_URL, client, server::Proof};
use tempfile::TempDir;
use tonic::{
    Code, Streaming,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;
use crate::prepare::prepare;
use crate::serving;
use crate::testing::{certificates::Authority, soon, token};

mod connections;
mod headers;
mod http2;
mod loading;
mod loops;
mod partial;
mod sharing;

fn config(authority: &Authority, directory: &TempDir) -> Config {
    let mut config = Config::default();
    let (cert_path, key_path) = authority.identity("adapter");
    config.adapter.keystore.cert_path = cert_path;
    config.adapter.keystore.key_path = key_path;
    config.adapter.truststore.location = authority.ca();
    config.adapter.xds.host = "127.0.0.1".into();
    config.adapter.xds.port = Port::FREE;
    config.adapter.xds.allowed_clients = vec!["enforcer".into()];
    config.adapter.xds.shared_certificates = vec!["enforcer".into()];
    config.adapter.admin.port = Port::FREE;
    config.ledger.directory = directory.path().to_owned();
    config.control_plane.enabled = false;
    config
}

/// A port that nobody else is given while the socket lives.
fn reserved() -> (tokio::net::TcpSocket, u16) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

async fn channel(authority: &Authority, address: SocketAddr) -> Channel {
    try_channel(authority, address).await.unwrap()
}

async fn try_channel(
    authority: &Authority,
    address: SocketAddr,
) -> Result<Channel, tonic::transport::Error> {
    channel_of("enforcer", authority, address).await
}

/// Of a client that is called so.
async fn channel_of(
    name: &str,
    authority: &Authority,
    address: SocketAddr,
) -> Result<Channel, tonic::transport::Error> {
    let (cert, key) = authority.identity(name);
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(fs::read(authority.ca()).unwrap()))
        .identity(Identity::from_pem(
            fs::read(cert).unwrap(),
            fs::read(key).unwrap(),
        ))
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await
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
    for service in crate::serving::SERVICES {
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

/// Holds what a client of ours is sent.
struct Held(
    tokio::sync::watch::Sender<(Vec<rescind_revocation::Entry>, Option<client::Checkpoint>)>,
);

impl client::Sink for Held {
    fn version(&self) -> String {
        String::new()
    }

    fn apply(&mut self, update: client::Update) -> Result<client::Outcome, client::Rejection> {
        let entries = match &update.content {
            client::Content::Packed(of) => packed::decode(&of.entries, UnixSeconds(of.base)),
            _ => Ok(Vec::new()),
        };
        let entries = entries.map_err(|error| client::Rejection(error.to_string()))?;
        self.0.send_modify(|(held, checkpoint)| {
            held.extend(entries);
            *checkpoint = update.checkpoint;
        });
        Ok(client::Outcome::Applied(client::Answer {
            proof: Some(Proof::Proven),
            walk: false,
        }))
    }

    fn link(&mut self, _: client::LinkState) {}
}

#[tokio::test]
async fn one_of_our_enforcers_gets_it_packed_and_its_receipt_is_shown() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger
        .append(&[token("token-a"), token("token-b")])
        .unwrap();
    let checkpoint = ledger.reader().checkpoint();
    drop(ledger);
    let mut config = config(&authority, &directory);
    config.adapter.admin.read_token = rescind_runtime::config::Secret::new("reads");
    config.adapter.xds.allowed_clients = vec!["enf*".into()];
    let app = App::build(config).await.unwrap();
    let addresses = app.addresses();
    let stop = app.token();
    let running = tokio::spawn(app.run());

    let (cert, key) = authority.identity("enforcer");
    let identity = tls::Identity::new(cert, key);
    let trust = tls::Trust::load(authority.ca()).unwrap();
    let tls = tls::client_config(&trust, Some(&identity), tls::ALPN_H2).unwrap();
    let security = client::Security::Tls {
        config: tls,
        server_name: "localhost".try_into().unwrap(),
    };
    let endpoints = vec![addresses.xds.to_string()];
    let link = client::ClientConfig::new(endpoints, security, "gw-1".into());
    let (held, mut seen) = tokio::sync::watch::channel(Default::default());
    let client = tokio::spawn(client::run(link, Held(held), stop.clone()));
    let (entries, said) = soon(seen.wait_for(|(_, checkpoint)| checkpoint.is_some()))
        .await
        .unwrap()
        .clone();
    let said = said.unwrap();
    assert_eq!((entries.len(), said.count), (2, 2));
    assert_eq!(said.digest, checkpoint.digest.to_bytes());
    assert!(said.complete);

    let path = "/v1/versions/2";
    assert_eq!(page(addresses.admin, path).await.0, 401);
    let everywhere = async {
        while !read(addresses.admin, path)
            .await
            .contains("\"everywhere\":true")
        {
            tokio::task::yield_now().await;
        }
    };
    soon(everywhere).await;
    let enforcers = read(addresses.admin, "/v1/enforcers").await;
    for part in [
        "\"identity\":\"enforcer\"",
        "\"instance\":\"gw-1\"",
        "\"state\":\"SYNCED\"",
        "DeltaTokens rescind.v1.Range",
    ] {
        assert!(enforcers.contains(part), "{part} {enforcers}");
    }
    stop.cancel();
    soon(client).await.unwrap();
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
    // The receipt is durable.
    let (_, rows) = Store::open(directory.path()).unwrap();
    assert_eq!((rows[0].acked, &*rows[0].named.instance), (2, "gw-1"));
}

#[tokio::test]
async fn a_certificate_that_is_not_allowed_may_not_subscribe() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let mut config = config(&authority, &directory);
    config.adapter.xds.allowed_clients = vec!["gateway-*".into()];
    let app = App::build(config).await.unwrap();
    let addresses = app.addresses();
    let stop = app.token();
    let running = tokio::spawn(app.run());
    let mut client =
        RevokedTokenDiscoveryServiceClient::new(channel(&authority, addresses.xds).await);
    let refused = client.fetch_tokens(DiscoveryRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let refused = client
        .stream_tokens(tokio_stream::iter([DiscoveryRequest::default()]))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    stop.cancel();
    soon(running).await.unwrap();
}

/// A page of the API.
async fn read(address: SocketAddr, path: &str) -> String {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(
            &tls::insecure_client_config(None, &[]).unwrap(),
        ))
        .build()
        .unwrap();
    let request = client
        .get(format!("https://{address}{path}"))
        .bearer_auth("reads");
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn new_certificates_are_in_force_on_both_ports_and_no_stream_ends() {
    tls::install_crypto_provider();
    let (authority, next) = (Authority::new(), Authority::new());
    let directory = TempDir::new().unwrap();
    let config = config(&authority, &directory);
    let keystore = config.adapter.keystore.clone();
    let app = App::build(config).await.unwrap();
    let (addresses, cancel) = (app.addresses(), app.token());
    let running = tokio::spawn(app.run());
    let mut before = stream(channel(&authority, addresses.xds).await).await;
    soon(before.message()).await.unwrap().unwrap();
    let (_, metrics) = page(addresses.admin, "/metrics").await;
    for role in ["adapter.keystore", "adapter.truststore.location"] {
        let days = format!("rescind_certificate_days_left{{role=\"{role}\"}} ");
        assert!(metrics.contains(&days), "{metrics}");
    }

    try_channel(&next, addresses.xds).await.unwrap_err();
    let (cert, key) = next.identity("adapter");
    fs::copy(cert, keystore.cert_path).unwrap();
    fs::copy(key, keystore.key_path).unwrap();
    fs::copy(next.ca(), authority.ca()).unwrap();
    let after = soon(async {
        loop {
            let Ok(channel) = try_channel(&next, addresses.xds).await else {
                continue;
            };
            // One that has not been let in may hear of it only now.
            let mut health = HealthClient::new(channel.clone());
            let asked = health.check(HealthCheckRequest::default()).await;
            if asked.is_ok() {
                return channel;
            }
        }
    });
    let mut after = stream(after.await).await;
    soon(after.message()).await.unwrap().unwrap();
    let trust = tls::Trust::load(next.ca()).unwrap();
    let believing = tls::client_config(&trust, None, tls::ALPN_HTTP).unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(&believing))
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/readyz", addresses.admin.port());
    let status = client.get(url).send().await.unwrap().status();
    assert_eq!(status, reqwest::StatusCode::OK);
    let ended = futures_util::FutureExt::now_or_never(before.message());
    assert!(ended.is_none(), "{ended:?}");
    cancel.cancel();
    soon(running).await.unwrap();
}
