//! A stand-in on a free port, a client that trusts it, and the hub's end of the outbox.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
mod reading;

pub(super) use reading::*;

use std::{fs, io};

use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use rescind_runtime::tls::{
    ALPN_HTTP, ClientAuth, Identity, TlsListener, install_crypto_provider, server_config,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{
    filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::StandinConfig;
use crate::event::Message;
use crate::hub::{Inbox, Outbox};
use crate::keys::Keys;
use crate::plane::{Clock, ControlPlane};

pub(super) const ADMIN: (&str, &str) = ("admin", "admin-password");
pub(super) const CLIENT: (&str, &str) = ("HDePH4YnDwc9klPtQ9672zFUfXka", "secret-one");
pub(super) const OTHER_CLIENT: (&str, &str) = ("other-client", "secret-two");
pub(super) const APPLICATION: &str = "93921368-ebdd-41c1-9b67-e38efcdfc320";

const OTHER_APPLICATION: &str = "00000000-ebdd-41c1-9b67-e38efcdfc320";

/// 2021-05-01 07:20:57 UTC: the moment of the document's example.
pub(super) const NOW: u64 = 1_619_853_657_123;

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// Made once for all tests: RSA keys take their time.
static TOKEN_KEY: LazyLock<Pair> = LazyLock::new(|| pair(&rcgen::PKCS_RSA_SHA256));
static API_KEY_KEY: LazyLock<Pair> = LazyLock::new(|| pair(&rcgen::PKCS_RSA_SHA256));
static SERVER: LazyLock<Pair> = LazyLock::new(|| pair(&rcgen::PKCS_ECDSA_P256_SHA256));

/// What has been logged, at every level, by all tests: a subscriber for one thread alone would race with the others.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let log = Arc::<Mutex<Vec<u8>>>::default();
    let writer = log.clone();
    let ours = Targets::new().with_target("rescind_standin", tracing::Level::TRACE);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || Writer(writer.clone()));
    tracing_subscriber::registry().with(ours).with(lines).init();
    log
});

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log so far.
pub(super) fn log() -> String {
    String::from_utf8(LOG.lock().unwrap().clone()).unwrap()
}

fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> Pair {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let certificate = rcgen::CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

pub(super) struct Standin {
    pub(super) client: Client,
    pub(super) inbox: Inbox,
    pub(super) directory: TempDir,
    url: String,
    plane: Weak<ControlPlane>,
    clock: Arc<AtomicU64>,
    cancel: CancellationToken,
    server: JoinHandle<()>,
}

impl Standin {
    pub(super) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), |_| ()).await
    }

    pub(super) async fn start_with(change: impl FnOnce(&mut StandinConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    /// Ends it and starts another one in the same directory.
    pub(super) async fn restart(self, change: impl FnOnce(&mut StandinConfig)) -> Self {
        let directory = self.stop().await;
        Self::start_in(directory, change).await
    }

    pub(super) async fn stop(self) -> TempDir {
        self.cancel.cancel();
        // Connections that the client keeps open would hold up the drain.
        drop(self.client);
        self.server.await.unwrap();
        self.directory
    }

    pub(super) async fn start_in(
        directory: TempDir,
        change: impl FnOnce(&mut StandinConfig),
    ) -> Self {
        install_crypto_provider();
        LazyLock::force(&LOG);
        let mut config = config(directory.path());
        change(&mut config);
        let identity = Identity::new(&config.cert_path, &config.key_path);
        let tls = server_config(&identity, &ClientAuth::None, ALPN_HTTP).unwrap();
        let listener = TlsListener::bind("127.0.0.1", 0, tls).await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().port());

        let clock = Arc::new(AtomicU64::new(NOW));
        let ticking = clock.clone();
        let told = Clock::new(move || ticking.load(Ordering::Relaxed));
        let (outbox, inbox) = Outbox::new();
        let keys = Keys::load(&config).unwrap();
        let plane = Arc::new(ControlPlane::open(config, keys, told, outbox).unwrap());
        let served = Arc::downgrade(&plane);
        let router = crate::http::router(plane);
        let cancel = CancellationToken::new();
        let drained = cancel.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(drained)
                .await
                .unwrap();
        });
        Self {
            client: client(|builder| builder),
            inbox,
            directory,
            url,
            plane: served,
            clock,
            cancel,
            server,
        }
    }

    /// What is served. Held weakly, or the list would stay open over a restart.
    pub(super) fn plane(&self) -> Arc<ControlPlane> {
        self.plane.upgrade().unwrap()
    }

    /// Lets time pass.
    pub(super) fn advance(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// Asks for a token by `fields`.
    pub(super) async fn token(&self, client: (&str, &str), fields: &[(&str, &str)]) -> String {
        let answer = self
            .post("/oauth2/token")
            .basic_auth(client.0, Some(client.1))
            .form(fields)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        text(&json_of(answer).await, "access_token")
    }

    /// A token of the first application.
    pub(super) async fn app_token(&self) -> String {
        self.token(CLIENT, &[("grant_type", "client_credentials")])
            .await
    }

    /// A token of the admin with the scope that the DevPortal API wants.
    pub(super) async fn devportal_token(&self) -> String {
        self.token(CLIENT, &password_grant("apim:api_key")).await
    }

    /// Revokes an access token as its application.
    pub(super) async fn revoke(&self, client: (&str, &str), token: &str) -> Response {
        self.post("/oauth2/revoke")
            .basic_auth(client.0, Some(client.1))
            .form(&[("token", token)])
            .send()
            .await
            .unwrap()
    }

    /// Makes an API key with the DevPortal API.
    pub(super) async fn api_key(&self, token: &str, request: Value) -> Value {
        let answer = self
            .post(&api_key_path("generate"))
            .bearer_auth(token)
            .json(&request)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        json_of(answer).await
    }

    pub(super) async fn revoke_api_key(&self, token: &str, key: &str) -> Response {
        self.post(&api_key_path("revoke"))
            .bearer_auth(token)
            .json(&json!({ "apikey": key }))
            .send()
            .await
            .unwrap()
    }

    /// The list, as the admin reads it.
    pub(super) async fn list(&self) -> Value {
        let answer = self
            .get("/internal/data/v1/revokedjwt")
            .basic_auth(ADMIN.0, Some(ADMIN.1))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        json_of(answer).await
    }

    /// The one message that is on its way to the hub.
    #[track_caller]
    pub(super) fn published_one(&mut self) -> Message {
        let mut messages = self.published();
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    /// All messages that are on their way. Whoever has its answer has its messages there.
    pub(super) fn published(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.inbox.try_recv().ok())
            .flatten()
            .collect()
    }
}

pub(super) fn token_certificate() -> &'static str {
    &TOKEN_KEY.certificate
}

pub(super) fn api_key_certificate() -> &'static str {
    &API_KEY_KEY.certificate
}

pub(super) fn config(directory: &Path) -> StandinConfig {
    let write = |name: &str, pair: &Pair| -> (PathBuf, PathBuf) {
        let (certificate, key) = (
            directory.join(format!("{name}.pem")),
            directory.join(format!("{name}.key")),
        );
        fs::write(&certificate, &pair.certificate).unwrap();
        fs::write(&key, &pair.key).unwrap();
        (certificate, key)
    };
    let (cert_path, key_path) = write("standin", &SERVER);
    let (token_cert, token_key) = write("token", &TOKEN_KEY);
    let (api_key_cert, api_key_key) = write("apikey", &API_KEY_KEY);
    serde_json::from_value(json!({
        "certPath": cert_path,
        "keyPath": key_path,
        "stateDirectory": directory.join("state"),
        "issuer": "https://localhost:9443/oauth2/token",
        "tokenKey": { "certPath": token_cert, "keyPath": token_key },
        "apiKeyKey": { "certPath": api_key_cert, "keyPath": api_key_key },
        "admin": { "username": ADMIN.0, "password": ADMIN.1 },
        "application": [
            {
                "id": APPLICATION,
                "name": "DefaultApplication",
                "clientId": CLIENT.0,
                "clientSecret": CLIENT.1,
            },
            {
                "id": OTHER_APPLICATION,
                "name": "Other",
                "clientId": OTHER_CLIENT.0,
                "clientSecret": OTHER_CLIENT.1,
            },
        ],
    }))
    .unwrap()
}

/// A client that trusts the stand-in, and nobody else.
pub(super) fn client(
    change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Client {
    let root = Certificate::from_pem(SERVER.certificate.as_bytes()).unwrap();
    change(Client::builder().tls_certs_only([root]))
        .build()
        .unwrap()
}
