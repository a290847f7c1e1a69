//! Files that change while connections stand and others come.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use rcgen::KeyPair;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt as _;

use super::pki::{NAMES, Pki};
use crate::health::Health;
use crate::metrics::encode;
use crate::telemetry::captured::Captured;
use crate::tls::trust::SystemStore;
use crate::tls::{
    Certificates, ClientAuth, Identity, Reloader, TlsListener, Trust, client_config, server_config,
};

/// A server whose certificate and trust are followed. What it hears it says again.
struct Fixture {
    folder: TempDir,
    pki: Pki,
    address: SocketAddr,
    reloader: Reloader,
    health: Health,
    registry: Registry,
}

async fn fixture() -> Fixture {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    copy(&pki.issue("adapter"), folder.path());
    std::fs::copy(pki.path("ca.pem"), folder.path().join("trust.pem")).unwrap();
    of_folder(folder, pki).await
}

/// Serves with what is in the folder.
async fn of_folder(folder: TempDir, pki: Pki) -> Fixture {
    let mut certificates = Certificates::default();
    let path = |name: &str| folder.path().join(name);
    let identity = Identity::new(path("own.pem"), path("own.key"));
    let own = certificates
        .identity("adapter.keystore", &identity)
        .unwrap();
    let trust = certificates
        .trust("truststore", &path("trust.pem"))
        .unwrap();
    let config = server_config(&own, &ClientAuth::Required(trust), &[]).unwrap();
    let mut listener = TlsListener::bind("127.0.0.1", 0, config).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(async move {
        while let Some(stream) = listener.next().await {
            let (mut from, mut to) = tokio::io::split(stream.unwrap());
            tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
        }
    });
    let (health, mut registry) = (Health::new(), Registry::default());
    Fixture {
        reloader: certificates.follow(&mut registry, &health),
        folder,
        pki,
        address,
        health,
        registry,
    }
}

fn copy(identity: &Identity, folder: &Path) {
    std::fs::copy(&identity.cert, folder.join("own.pem")).unwrap();
    std::fs::copy(&identity.key, folder.join("own.key")).unwrap();
}

impl Fixture {
    /// The certificate that the server shows to a client of `pki`, and the connection; `Err` where it is not let in.
    async fn meet(&self, pki: &Pki) -> Result<(Vec<u8>, TlsStream<TcpStream>), String> {
        let trust = crate::tls::Trust::load(self.folder.path().join("own.pem")).unwrap();
        // The certificate in its file pins itself, whoever has issued it.
        let config = client_config(&trust, Some(&pki.issue("enforcer")), &[]).unwrap();
        meet(self.address, config).await
    }

    fn degraded(&self) -> Vec<String> {
        let degraded = self.health.report().degraded;
        degraded.into_iter().map(|(_, reason)| reason).collect()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), content).unwrap();
    }
}

async fn meet(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> Result<(Vec<u8>, TlsStream<TcpStream>), String> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let connecting =
        TlsConnector::from(config).connect(ServerName::try_from("adapter").unwrap(), tcp);
    let mut stream = connecting.await.map_err(|error| error.to_string())?;
    say(&mut stream).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    Ok((shown, stream))
}

/// Says a word and hears it again.
async fn say(stream: &mut TlsStream<TcpStream>) -> Result<(), String> {
    let mut heard = [0; 5];
    stream
        .write_all(b"hello")
        .await
        .map_err(|error| error.to_string())?;
    stream
        .read_exact(&mut heard)
        .await
        .map_err(|error| error.to_string())?;
    assert_eq!(&heard, b"hello");
    Ok(())
}

#[tokio::test]
async fn another_identity_and_another_ca_are_taken_and_no_connection_ends() {
    let mut fixture = fixture().await;
    let (old, mut before) = fixture.meet(&fixture.pki).await.unwrap();
    fixture.reloader.look();
    assert_eq!(fixture.meet(&fixture.pki).await.unwrap().0, old);

    let next = Pki::new();
    copy(&next.issue("adapter"), fixture.folder.path());
    std::fs::copy(next.path("ca.pem"), fixture.folder.path().join("trust.pem")).unwrap();
    fixture.reloader.look();
    let refused = fixture.meet(&fixture.pki).await.unwrap_err();
    assert!(refused.contains("UnknownCA"), "{refused}");
    let (new, _) = fixture.meet(&next).await.unwrap();
    assert_ne!(new, old);
    say(&mut before).await.unwrap();
    assert_eq!(fixture.degraded(), [""; 0]);
}

/// Whoever was let in by a CA that is trusted no more must not get in by the session of then.
#[tokio::test]
async fn a_session_of_before_the_change_is_not_resumed() {
    let mut fixture = fixture().await;
    let trust = crate::tls::Trust::load(fixture.folder.path().join("own.pem")).unwrap();
    let config = client_config(&trust, Some(&fixture.pki.issue("enforcer")), &[]).unwrap();
    let mut config = Arc::unwrap_or_clone(config);
    config.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    for _ in 0..2 {
        let (_, stream) = meet(fixture.address, config.clone()).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
    std::fs::copy(
        Pki::new().path("ca.pem"),
        fixture.folder.path().join("trust.pem"),
    )
    .unwrap();
    fixture.reloader.look();
    meet(fixture.address, config).await.unwrap_err();
}

#[tokio::test]
async fn a_certificate_and_then_its_key_are_taken_without_a_word() {
    let mut fixture = fixture().await;
    let (old, _) = fixture.meet(&fixture.pki).await.unwrap();
    let next = fixture.pki.issue("next");
    let certificate = std::fs::read(fixture.folder.path().join("own.pem")).unwrap();
    fixture.write("own.pem", std::fs::read(&next.cert).unwrap());
    fixture.reloader.look();
    assert!(fixture.reloader.is_unsure());
    assert_eq!(fixture.degraded(), [""; 0]);
    fixture.write("own.key", std::fs::read(&next.key).unwrap());
    fixture.reloader.look();
    assert_eq!(fixture.degraded(), [""; 0]);
    let (new, _) = fixture.meet(&fixture.pki).await.unwrap();
    assert_ne!(new, old);

    // The other way round, and given up: what is in force is back.
    let key = std::fs::read(fixture.folder.path().join("own.key")).unwrap();
    fixture.write("own.key", "-----BEGIN PRIVATE KEY-----");
    fixture.reloader.look();
    fixture.write("own.key", key);
    fixture.reloader.look();
    assert_eq!(fixture.degraded(), [""; 0]);
    assert!(!fixture.reloader.is_unsure());
    let _ = certificate;
}

#[tokio::test]
async fn broken_files_leave_the_old_ones_in_force_and_are_told() {
    let captured = Captured::default();
    let _guard = captured.as_default("info");
    let mut fixture = fixture().await;
    let (old, _) = fixture.meet(&fixture.pki).await.unwrap();
    let good = std::fs::read(fixture.folder.path().join("own.pem")).unwrap();
    for (name, content, said) in [
        (
            "own.pem",
            "garbage",
            "holds no usable certificate: it is not PEM",
        ),
        ("trust.pem", "", "holds no usable trusted certificates"),
    ] {
        let before = std::fs::read(fixture.folder.path().join(name)).unwrap();
        fixture.write(name, content);
        fixture.reloader.look();
        fixture.reloader.look();
        let degraded = fixture.degraded().join("\n");
        let path = fixture.folder.path().join(name);
        assert!(degraded.contains(path.to_str().unwrap()), "{degraded}");
        assert!(degraded.contains(said), "{degraded}");
        assert!(captured.text().contains(said));
        fixture.write(name, before);
        fixture.reloader.look();
        assert_eq!(fixture.degraded(), [""; 0]);
    }
    std::fs::remove_file(fixture.folder.path().join("own.key")).unwrap();
    fixture.reloader.look();
    fixture.reloader.look();
    assert!(fixture.degraded()[0].contains("cannot read the private key"));
    assert_eq!(
        good,
        std::fs::read(fixture.folder.path().join("own.pem")).unwrap()
    );
    assert_eq!(fixture.meet(&fixture.pki).await.unwrap().0, old);
}

/// As Kubernetes changes a secret: the files are links through `..data`, which is put in place at once.
#[tokio::test]
async fn a_swapped_link_is_a_change() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, identity: &Identity| {
        let version = folder.path().join(name);
        std::fs::create_dir(&version).unwrap();
        copy(identity, &version);
        std::fs::copy(pki.path("ca.pem"), version.join("trust.pem")).unwrap();
        symlink(name, folder.path().join("..new")).unwrap();
        std::fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
    };
    version("..1", &pki.issue("one"));
    for name in ["own.pem", "own.key", "trust.pem"] {
        symlink(Path::new("..data").join(name), folder.path().join(name)).unwrap();
    }
    version("..2", &pki.issue("two"));
    let swap = folder.path().to_owned();
    let mut fixture = of_folder(folder, pki).await;
    let (old, _) = fixture.meet(&fixture.pki).await.unwrap();
    std::fs::remove_file(swap.join("..data")).unwrap();
    symlink("..1", swap.join("..data")).unwrap();
    fixture.reloader.look();
    let (new, _) = fixture.meet(&fixture.pki).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(fixture.degraded(), [""; 0]);
}

#[test]
fn a_file_of_a_trust_store_that_breaks_takes_nobodys_trust_away() {
    let (one, two) = (Pki::new(), Pki::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("always.pem"), "garbage").unwrap();
    std::fs::copy(one.path("ca.pem"), folder.path().join("one.pem")).unwrap();
    let mut certificates = Certificates::default();
    let trust = certificates.trust("truststore", folder.path()).unwrap();
    let shared = certificates.trust("another role", folder.path()).unwrap();
    let health = Health::new();
    let mut reloader = certificates.follow(&mut Registry::default(), &health);
    std::fs::copy(two.path("ca.pem"), folder.path().join("two.pem")).unwrap();
    reloader.look();
    assert_eq!(format!("{trust:?}"), "Trust(2 certificates)");
    assert_eq!(format!("{shared:?}"), "Trust(2 certificates)");

    std::fs::write(folder.path().join("one.pem"), "garbage").unwrap();
    reloader.look();
    reloader.look();
    assert_eq!(format!("{trust:?}"), "Trust(2 certificates)");
    let degraded = health.report().degraded[0].1.clone();
    assert!(degraded.contains("one.pem holds no usable"), "{degraded}");
    std::fs::remove_file(folder.path().join("one.pem")).unwrap();
    reloader.look();
    assert_eq!(format!("{trust:?}"), "Trust(1 certificates)");
    assert_eq!(health.report().degraded, []);
}

/// Its target may be gone for a moment, or for good: nobody said that its CA is trusted no more.
#[test]
fn a_link_to_nothing_takes_nobodys_trust_away() {
    let (one, two) = (Pki::new(), Pki::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(one.path("ca.pem"), folder.path().join("one.pem")).unwrap();
    symlink(two.path("ca.pem"), folder.path().join("two.pem")).unwrap();
    symlink(folder.path(), folder.path().join("folder.pem")).unwrap();
    let mut certificates = Certificates::default();
    let trust = certificates.trust("truststore", folder.path()).unwrap();
    let health = Health::new();
    let mut reloader = certificates.follow(&mut Registry::default(), &health);
    std::fs::remove_file(two.path("ca.pem")).unwrap();
    reloader.look();
    reloader.look();
    assert_eq!(format!("{trust:?}"), "Trust(2 certificates)");
    let degraded = health.report().degraded[0].1.clone();
    assert!(degraded.contains("two.pem"), "{degraded}");
}

#[test]
fn a_system_store_that_is_read_in_part_takes_nobodys_trust_away() {
    let certificates = |pkis: &[&Pki]| -> Vec<_> {
        let read = |pki: &&Pki| CertificateDer::from_pem_file(pki.path("ca.pem")).unwrap();
        pkis.iter().map(read).collect()
    };
    let store = |pkis: &[&Pki], errors: &[&str]| SystemStore {
        certificates: certificates(pkis),
        errors: errors.iter().map(ToString::to_string).collect(),
    };
    let (one, two, three) = (&Pki::new(), &Pki::new(), &Pki::new());
    let trust = Trust::of_system(store(&[one, two], &[])).unwrap();
    let refused = trust.take_system(store(&[one, three], &["no room"]));
    assert!(refused.unwrap_err().to_string().contains("no room"));
    assert_eq!(trust.current().pinned.len(), 2);
    let more = store(&[one, two, three], &["no room"]);
    trust.take_system(more).unwrap();
    assert_eq!(trust.current().pinned.len(), 3);
    trust.take_system(store(&[one], &[])).unwrap();
    assert_eq!(trust.current().pinned.len(), 1);
}

#[tokio::test]
async fn days_left_are_shown_and_an_expired_certificate_is_told() {
    let mut fixture = fixture().await;
    let days = |fixture: &Fixture| {
        let page = encode(&fixture.registry).unwrap();
        let name = "certificate_days_left{role=\"adapter.keystore\"} ";
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().parse::<i64>().unwrap()
    };
    assert!(days(&fixture) > 10_000);
    assert_eq!(fixture.degraded(), [""; 0]);

    let key = KeyPair::generate().unwrap();
    let expired = fixture
        .pki
        .issue_with("old", NAMES, 2020, &key, &key.serialize_pem());
    copy(&expired, fixture.folder.path());
    fixture.reloader.look();
    assert!(days(&fixture) < -1000);
    let own = fixture.folder.path().join("own.pem");
    assert_eq!(
        fixture.degraded(),
        [format!(
            "adapter.keystore: {} has expired on 2020-01-01T00:00:00Z",
            own.display()
        )]
    );
}
