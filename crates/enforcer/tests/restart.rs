//! `kill -9` of the real process: what it had ACKed is refused again, before any adapter has said a word.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rescind_proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use rescind_runtime::tls::{ALPN_H2, ClientAuth, Identity, TlsListener, Trust, server_config};
use tokio::task::JoinHandle;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Server};

#[allow(dead_code, unreachable_pub, reason = "shared with the unit tests")]
#[path = "../src/testing.rs"]
mod testing;

#[path = "restart/adapter.rs"]
mod adapter;

use adapter::Script;
use testing::{Certificates, ISSUER, Signer, bearer, jwks, metadata, reserved_port, seen};

/// An enforcer's surroundings; the process comes and goes.
struct World {
    certificates: Certificates,
    signer: Signer,
    script: Arc<Script>,
    adapter: Option<JoinHandle<()>>,
    adapter_port: u16,
    port: u16,
}

/// A process that does not outlive its test.
struct Enforcer(Child);

impl Drop for Enforcer {
    fn drop(&mut self) {
        // SIGKILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl World {
    async fn new() -> Self {
        let world = Self {
            certificates: Certificates::new(),
            signer: Signer::new("a"),
            script: Arc::default(),
            adapter: None,
            adapter_port: reserved_port(),
            port: reserved_port(),
        };
        let folder = world.certificates.folder();
        let (cert, key) = world.certificates.identity("enforcer");
        std::fs::write(folder.join("jwks.json"), jwks(&[&world.signer])).unwrap();
        let config = format!(
            "[enforcer.security]\n\
             [[enforcer.security.tokenService]]\nissuer = '{ISSUER}'\njwksURL = 'file://{folder}/jwks.json'\n\
             [enforcer.state]\ndirectory = '{folder}/state'\n\
             [enforcer.authService]\nhost = '127.0.0.1'\nport = {port}\n\
             [enforcer.restServer]\nenabled = false\n\
             [enforcer.keystore]\ncertPath = '{cert}'\nkeyPath = '{key}'\n\
             [enforcer.truststore]\nlocation = '{folder}/ca.pem'\n\
             [xds]\nadapters = ['127.0.0.1:{adapter}']\nretryPeriod = 1\n",
            folder = folder.display(),
            port = world.port,
            cert = cert.display(),
            key = key.display(),
            adapter = world.adapter_port,
        );
        std::fs::write(folder.join("enforcer.toml"), config).unwrap();
        world
    }

    async fn adapter_up(&mut self) {
        let (cert, key) = self.certificates.identity("adapter");
        let trust = Trust::load(self.certificates.ca()).unwrap();
        let clients = ClientAuth::Required(trust);
        let config = server_config(&Identity::new(cert, key), &clients, ALPN_H2).unwrap();
        let listener = TlsListener::bind("127.0.0.1", self.adapter_port, config);
        let listener = listener.await.unwrap();
        let service = adapter::service(self.script.clone());
        self.adapter = Some(tokio::spawn(async move {
            let server = Server::builder().add_service(service);
            server.serve_with_incoming(listener).await.unwrap();
        }));
    }

    async fn adapter_down(&mut self) {
        let task = self.adapter.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    fn start(&self) -> Enforcer {
        let config = self.certificates.folder().join("enforcer.toml");
        let child = Command::new(env!("CARGO_BIN_EXE_rescind-enforcer"))
            .args(["--config", config.to_str().unwrap()])
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Enforcer(child.unwrap())
    }

    /// Connects once the port answers.
    async fn connect(&self) -> AuthorizationClient<Channel> {
        let read = |path| std::fs::read(path).unwrap();
        let (cert, key) = self.certificates.identity("router");
        let identity = tonic::transport::Identity::from_pem(read(cert), read(key));
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(self.certificates.ca())))
            .domain_name("enforcer")
            .identity(identity);
        let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{}", self.port));
        let endpoint = endpoint.unwrap().tls_config(tls).unwrap();
        let connecting = async {
            loop {
                match endpoint.connect().await {
                    Ok(channel) => return AuthorizationClient::new(channel),
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        within(connecting).await
    }

    fn token(&self, jti: &str) -> String {
        self.signer.token(&format!(r#""jti":"{jti}","iat":1"#))
    }

    async fn status(&self, client: &mut AuthorizationClient<Channel>, jti: &str) -> i32 {
        let response = client.check(bearer(&self.token(jti))).await.unwrap();
        seen(response.get_ref()).0
    }

    async fn reason(&self, client: &mut AuthorizationClient<Channel>, jti: &str) -> String {
        let response = client.check(bearer(&self.token(jti))).await.unwrap();
        let reason = metadata(response.get_ref(), "rescind_reason");
        reason.unwrap().to_owned()
    }

    async fn until(&self, client: &mut AuthorizationClient<Channel>, jti: &str, status: i32) {
        let waiting = async {
            while self.status(client, jti).await != status {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(waiting).await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    let limited = tokio::time::timeout(limit, future).await;
    limited.expect("it never came")
}

#[tokio::test]
async fn what_was_acked_is_refused_after_kill_9_while_the_adapter_is_down() {
    let mut world = World::new().await;
    world.adapter_up().await;
    for n in 0..1000 {
        world.script.revoke(&format!("before-{n}"));
    }
    let enforcer = world.start();
    let mut client = world.connect().await;
    world.until(&mut client, "good", 200).await;
    world.script.revoke("victim");
    within(world.script.acked(1001)).await;
    drop(enforcer);
    world.adapter_down().await;

    let _enforcer = world.start();
    let mut client = world.connect().await;
    // The first answers already: no wait, and no adapter.
    for jti in ["victim", "before-0", "before-999"] {
        assert_eq!(world.reason(&mut client, jti).await, "token_revoked");
    }
    let response = client.check(bearer(&world.token("victim"))).await.unwrap();
    let version = metadata(response.get_ref(), "rescind_version");
    assert_eq!(version, Some("1001-0a0b0c0d"));
    // Keys come from their file a moment later.
    world.until(&mut client, "good", 200).await;
}

#[tokio::test]
async fn no_check_after_an_ack_passes_over_many_kills() {
    let mut world = World::new().await;
    world.adapter_up().await;
    let mut revoked = 0;
    for round in 0..6 {
        let _enforcer = world.start();
        let mut client = world.connect().await;
        let acked = world.script.acked_now();
        // Everything that an earlier process had ACKed, before this one hears of it again.
        for n in (0..acked).step_by(7).chain(acked.checked_sub(1)) {
            let reason = world.reason(&mut client, &format!("token-{n}")).await;
            assert_eq!(
                reason, "token_revoked",
                "round {round}, token {n} of {acked}"
            );
        }
        for _ in 0..60 + round * 17 {
            world.script.revoke(&format!("token-{revoked}"));
            revoked += 1;
        }
        // Killed in the middle of them.
        within(world.script.acked(revoked - 10 * round)).await;
        let last = world.script.acked_now() - 1;
        let reason = world.reason(&mut client, &format!("token-{last}")).await;
        assert_eq!(reason, "token_revoked", "round {round}, token {last}");
    }
}

#[tokio::test]
async fn another_process_on_the_same_directory_ends_with_its_name() {
    let world = World::new().await;
    let _first = world.start();
    let _client = world.connect().await;
    let config = world.certificates.folder().join("enforcer.toml");
    let second = Command::new(env!("CARGO_BIN_EXE_rescind-enforcer"))
        .args(["--config", config.to_str().unwrap()])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8(second.stderr).unwrap();
    let path = world.certificates.folder().join("state");
    let expected = format!("{} is used by another process", path.display());
    assert!(text.contains(&expected), "{text}");
}
