use prometheus_client::registry::Registry;
use rescind_runtime::tls::insecure_client_config;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::testing;

struct Fixture {
    files: testing::Certificates,
    listener: TlsListener,
    loaded: Certificates,
    reloader: Reloader,
    health: Health,
    metrics: Metrics,
}

async fn fixture() -> Fixture {
    let files = testing::Certificates::new();
    let (cert_path, key_path) = files.identity("enforcer");
    let keystore = Keystore {
        cert_path,
        key_path,
    };
    let truststore = Truststore {
        location: files.ca(),
    };
    let loaded = Certificates::load(&keystore, &truststore).unwrap();
    let listener = TlsListener::bind("127.0.0.1", 0, loaded.checks());
    let listener = listener.await.unwrap();
    let health = Health::new();
    let metrics = Metrics::register(&mut Registry::default());
    Fixture {
        reloader: Reloader::new(
            &keystore,
            &truststore,
            &loaded,
            Some(&listener),
            &health,
            &metrics,
        ),
        files,
        listener,
        loaded,
        health,
        metrics,
    }
}

impl Fixture {
    /// A connection as Envoy makes it, and the certificate that it was shown.
    async fn connect(&self) -> (tokio_rustls::client::TlsStream<TcpStream>, Vec<u8>) {
        let trust = Trust::load(self.files.ca()).unwrap();
        let (cert, key) = self.files.identity("router");
        let config = client_config(&trust, Some(&Identity::new(cert, key)), ALPN_H2).unwrap();
        handshake(config, self.listener.local_addr()).await
    }
}

async fn handshake(
    config: Arc<ClientConfig>,
    address: std::net::SocketAddr,
) -> (tokio_rustls::client::TlsStream<TcpStream>, Vec<u8>) {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("enforcer").unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect(name, tcp).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    (stream, shown)
}

fn on_disk(fixture: &Fixture) -> Vec<u8> {
    let pem = std::fs::read(&fixture.reloader.keystore.cert_path).unwrap();
    let (_, block) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
    block.contents
}

#[tokio::test]
async fn a_new_certificate_is_shown_and_no_connection_ends() {
    let mut fixture = fixture().await;
    let (mut before, old) = fixture.connect().await;
    let mut accepted = tokio_stream::StreamExt::next(&mut fixture.listener)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(old, on_disk(&fixture));
    fixture.reloader.poll();
    assert_eq!(fixture.connect().await.1, old);

    fixture.files.identity("enforcer");
    fixture.reloader.poll();
    let (_, new) = fixture.connect().await;
    assert_ne!(new, old);
    assert_eq!(new, on_disk(&fixture));
    accepted.write_all(b"still").await.unwrap();
    accepted.flush().await.unwrap();
    let mut word = [0; 5];
    before.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"still");
    assert!(fixture.metrics.certificate_days_left.get() > 300);
}

#[tokio::test]
async fn files_that_do_not_fit_together_leave_the_old_ones_in_force() {
    let mut fixture = fixture().await;
    let old = on_disk(&fixture);
    let key = std::fs::read(&fixture.reloader.keystore.key_path).unwrap();
    fixture.files.identity("enforcer");
    let new_key = std::fs::read(&fixture.reloader.keystore.key_path).unwrap();
    std::fs::write(&fixture.reloader.keystore.key_path, key).unwrap();
    for _ in 0..2 {
        fixture.reloader.poll();
        assert_eq!(fixture.health.report().degraded[0].0, "certificates");
        assert_eq!(fixture.connect().await.1, old);
    }
    std::fs::write(&fixture.reloader.keystore.key_path, new_key).unwrap();
    fixture.reloader.poll();
    assert_eq!(fixture.health.report().degraded, []);
    assert_eq!(fixture.connect().await.1, on_disk(&fixture));
}

#[tokio::test]
async fn the_admin_server_shows_the_new_one_too() {
    let mut fixture = fixture().await;
    let config = fixture.reloader.admin(&fixture.loaded);
    let listener = TlsListener::bind("127.0.0.1", 0, config).await.unwrap();
    let shown = async || {
        let config = insecure_client_config(None, ALPN_HTTP).unwrap();
        handshake(config, listener.local_addr()).await.1
    };
    let old = shown().await;
    assert_eq!(old, on_disk(&fixture));
    fixture.files.identity("enforcer");
    fixture.reloader.poll();
    assert_ne!(shown().await, old);
    assert_eq!(shown().await, on_disk(&fixture));
}

#[tokio::test]
async fn the_link_to_the_adapters_shows_the_new_one_too() {
    let mut fixture = fixture().await;
    let trust = Trust::load(fixture.files.ca()).unwrap();
    let (cert, key) = fixture.files.identity("adapter-enforcer");
    let clients = ClientAuth::Required(trust);
    let server = server_config(&Identity::new(cert, key), &clients, ALPN_H2).unwrap();
    let mut listener = TlsListener::bind("127.0.0.1", 0, server).await.unwrap();
    let link = fixture.reloader.adapter(&fixture.loaded);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let tcp = TcpStream::connect(listener.local_addr()).await.unwrap();
        let name = ServerName::try_from("adapter-enforcer").unwrap();
        let connector = tokio_rustls::TlsConnector::from(link.clone());
        let _stream = connector.connect(name, tcp).await.unwrap();
        let accepted = tokio_stream::StreamExt::next(&mut listener).await;
        let accepted = accepted.unwrap().unwrap();
        seen.push(accepted.get_ref().1.peer_certificates().unwrap()[0].to_vec());
        assert_eq!(seen.last(), Some(&on_disk(&fixture)));
        fixture.files.identity("enforcer");
        fixture.reloader.poll();
    }
    assert_ne!(seen[0], seen[1]);
}
