//! An adapter and an enforcer in this process, and a client such as Envoy, all over mutual TLS.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prost::Message as _;
use rescind_proto::{
    envoy::service::auth::v3::authorization_client::AuthorizationClient,
    wso2::discovery::keymgt::RevokedToken,
};
use rescind_runtime::{
    config::Port,
    tls::{self, ALPN_H2, ClientAuth, Trust, server_config},
};
use rescind_xds::{Any, Audience, Chunk, Head, Position, Source, TYPE_URL, server};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::super::*;
use crate::{
    config::TokenService,
    testing::{Certificates, ISSUER, Signer, bearer, jwks, reserved_port, seen},
};

/// An adapter's source: positions are places in a list.
pub(super) struct Revocations {
    all: Mutex<Vec<Any>>,
    head: watch::Sender<Head>,
}

impl Revocations {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            all: Mutex::default(),
            head: watch::Sender::default(),
        })
    }

    pub(super) fn revoke(&self, jti: &str) {
        self.push(Any {
            type_url: TYPE_URL.to_owned(),
            value: RevokedToken {
                jti: jti.to_owned(),
                ..RevokedToken::default()
            }
            .encode_to_vec(),
        });
    }

    pub(super) fn push(&self, resource: Any) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(resource);
        let position = Position(all.len() as u64);
        self.head.send_modify(|head| head.position = position);
    }

    pub(super) fn complete(&self) {
        self.head.send_modify(|head| head.complete = true);
    }
}

impl Source for Revocations {
    fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn resolve(&self, version_info: &str) -> Position {
        let sequence = version_info.strip_suffix("-0a0b0c0d").unwrap_or("0");
        Position(sequence.parse().unwrap_or(0))
    }

    fn version(&self, at: Position) -> String {
        format!("{}-0a0b0c0d", at.0)
    }

    fn read(&self, after: Position, to: Position, _: Audience, _: usize) -> Chunk {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        Chunk {
            resources: all[after.0 as usize..to.0 as usize].to_vec().into(),
            to,
        }
    }
}

/// An adapter that serves until it is dropped.
pub(super) struct Adapter {
    pub(super) streams: server::Handle,
    pub(super) server: JoinHandle<()>,
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves `source` on `port`.
pub(super) async fn adapter(
    certificates: &Certificates,
    port: u16,
    source: Arc<Revocations>,
) -> Adapter {
    let (cert, key) = certificates.identity("adapter");
    let trust = Trust::load(certificates.ca()).unwrap();
    let identity = tls::Identity::new(cert, key);
    let config = server_config(&identity, &ClientAuth::Required(trust), ALPN_H2).unwrap();
    let listener = TlsListener::bind("127.0.0.1", port, config).await.unwrap();
    // One enforcer has one stream: each is its own connection here.
    let identify = server::Identify::by(|_| Some(server::Peer::new("", None)));
    let settings = server::Settings::default();
    let (service, streams) = server::service(source, identify, settings, Arc::default());
    let server = tokio::spawn(async move {
        let served = Server::builder()
            .add_service(service)
            .serve_with_incoming(listener);
        served.await.unwrap();
    });
    Adapter { streams, server }
}

/// A port that nobody listens on, and that nobody else is given.
pub(super) fn free_port() -> Port {
    Port::new(reserved_port()).unwrap()
}

pub(super) struct Running {
    pub(super) certificates: Certificates,
    pub(super) signer: Signer,
    pub(super) health: Health,
    pub(super) checks: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) token: CancellationToken,
    pub(super) process: JoinHandle<ExitCode>,
}

/// The configuration of an enforcer of one issuer, whose adapter is to be at `adapter`.
pub(super) fn configured(adapter: u16) -> (Certificates, Signer, Config) {
    let certificates = Certificates::new();
    let signer = Signer::new("a");
    let keys = certificates.folder().join("jwks.json");
    std::fs::write(&keys, jwks(&[&signer])).unwrap();
    let (cert_path, key_path) = certificates.identity("enforcer");

    let mut config = Config::default();
    config.enforcer.keystore.cert_path = cert_path;
    config.enforcer.keystore.key_path = key_path;
    config.enforcer.truststore.location = certificates.ca();
    config.enforcer.auth_service.host = "127.0.0.1".to_owned();
    config.enforcer.auth_service.port = free_port();
    config.enforcer.auth_service.max_message_size = 256 * 1024;
    config.enforcer.rest_server.port = free_port();
    config.enforcer.security.token_service = vec![TokenService {
        issuer: ISSUER.to_owned(),
        jwks_url: reqwest::Url::from_file_path(keys).unwrap().to_string(),
        ..TokenService::default()
    }];
    config.enforcer.state.directory = certificates.folder().join("state");
    config.xds.adapters = vec![format!("127.0.0.1:{adapter}")];
    config.xds.retry_period = 1;
    (certificates, signer, config)
}

/// Such an enforcer.
pub(super) async fn start(adapter: u16) -> Running {
    start_with(adapter, |_| {}).await
}

/// The same, changed by `change`.
pub(super) async fn start_with(adapter: u16, change: impl FnOnce(&mut Config)) -> Running {
    let (certificates, signer, mut config) = configured(adapter);
    change(&mut config);
    App::prepare(&config).unwrap();
    let app = App::build(&config).await.unwrap();
    let (health, checks) = (app.health().clone(), app.check_addr());
    let admin = app.admin_addr().unwrap();
    let supervisor = app.supervise();
    Running {
        certificates,
        signer,
        health,
        checks,
        admin,
        token: supervisor.token(),
        process: tokio::spawn(supervisor.run()),
    }
}

impl Running {
    pub(super) async fn ready(&self) {
        eventually(async || self.health.is_ready()).await;
    }

    pub(super) async fn stop(self) -> ExitCode {
        self.token.cancel();
        self.process.await.unwrap()
    }

    /// A connection such as Envoy's, with a certificate of `certificates` or with none.
    pub(super) fn endpoint(&self, certificates: Option<&Certificates>) -> Endpoint {
        let read = |path| std::fs::read(path).unwrap();
        let ca = Certificate::from_pem(read(self.certificates.ca()));
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(ca)
            .domain_name("enforcer");
        if let Some(certificates) = certificates {
            let (cert, key) = certificates.identity("router");
            tls = tls.identity(Identity::from_pem(read(cert), read(key)));
        }
        Endpoint::from_shared(format!("https://{}", self.checks))
            .unwrap()
            .tls_config(tls)
            .unwrap()
    }

    pub(super) async fn connect(&self) -> Channel {
        let endpoint = self.endpoint(Some(&self.certificates));
        endpoint.connect().await.unwrap()
    }

    pub(super) fn token(&self, jti: &str) -> String {
        self.signer.token(&format!(r#""jti":"{jti}","iat":1"#))
    }

    pub(super) async fn serving(&self) -> Vec<i32> {
        let mut client = HealthClient::new(self.connect().await);
        let mut serving = Vec::new();
        for service in ["", "envoy.service.auth.v3.Authorization"] {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            serving.push(client.check(request).await.unwrap().get_ref().status);
        }
        serving
    }

    pub(super) async fn page(&self, path: &str) -> (u16, String) {
        let ca = std::fs::read(self.certificates.ca()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .no_proxy()
            .build()
            .unwrap();
        let url = format!("https://localhost:{}{path}", self.admin.port());
        let response = client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

/// Waits until `condition` holds, 30 s at most.
pub(super) async fn eventually(condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect("the condition never came to hold");
}

/// Asks until the answer is `status`.
pub(super) async fn until(client: &AuthorizationClient<Channel>, token: &str, status: i32) {
    eventually(async || {
        let mut client = client.clone();
        let response = client.check(bearer(token)).await.unwrap();
        seen(response.get_ref()).0 == status
    })
    .await;
}
