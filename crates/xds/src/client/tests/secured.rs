//! With mutual TLS, as in production.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::*;
use crate::fixtures::wire::{Known, Peer, classic};
use crate::server::{Handle, Identify, Metrics, service};

/// A certificate authority with one identity for each side.
struct Certs {
    roots: Arc<RootCertStore>,
    server: Identity,
    client: Identity,
}

struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.clone());
        (vec![self.certificate.clone()], key.into())
    }
}

impl Certs {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).expect("a root");
        let issue = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            let certificate = params.signed_by(&key, &ca).expect("a certificate");
            Identity {
                certificate: certificate.der().clone(),
                key: key.serialize_der(),
            }
        };
        Self {
            server: issue("adapter"),
            client: issue("enforcer"),
            roots: Arc::new(roots),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&provider),
        );
        let (chain, key) = self.server.chain();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(chain, key)
            .expect("an identity");
        config.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(config).into()
    }

    fn security(&self, server_name: &str) -> Security {
        let (chain, key) = self.client.chain();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(chain, key)
            .expect("an identity");
        Security::Tls {
            config: Arc::new(config),
            server_name: ServerName::try_from(server_name.to_owned()).expect("a name"),
        }
    }
}

async fn serve(certs: &Certs, source: &Arc<FakeSource>) -> (String, Handle) {
    let (server, handle) = service(
        Arc::clone(source),
        Identify::carried(),
        Settings::default(),
        Arc::new(Metrics::default()),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let acceptor = certs.acceptor();
    let (accepted, incoming) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((tcp, from)) = listener.accept().await {
            if let Ok(tls) = acceptor.accept(tcp).await {
                let certificates = tls.get_ref().1.peer_certificates();
                let identity = format!("{} certificate", certificates.map_or(0, <[_]>::len));
                let known = Known::new(tls, &identity, from);
                let _ = accepted.send(Ok::<_, std::io::Error>(known)).await;
            }
        }
    });
    tokio::spawn(
        Server::builder()
            .add_service(server)
            .serve_with_incoming(ReceiverStream::new(incoming)),
    );
    (address, handle)
}

#[tokio::test]
async fn it_subscribes_with_its_certificate_to_the_name_it_expects() {
    let certs = Certs::new();
    let source = Arc::new(FakeSource::with(2));
    let (address, handle) = serve(&certs, &source).await;
    let mut config = config(&[&address]);
    config.security = certs.security("adapter");
    let mut client = Running::start(config);
    client.until(|seen| seen.names.len() == 2).await;
    let roster = handle.roster();
    assert_eq!(roster[0].identity, "1 certificate");
    assert!(roster[0].address.is_some());
}

#[tokio::test]
async fn streams_of_one_tls_connection_belong_together() {
    let certs = Certs::new();
    let source = Arc::new(FakeSource::with(1));
    let (address, handle) = serve(&certs, &source).await;
    let mut config = config(&[&address]);
    config.security = certs.security("adapter");
    let channel = dial::dial(&config, &address).await.expect("a connection");
    let mut old = Peer::open(&channel, classic("gw", "")).await;
    old.take().await;
    let mut new = Peer::open(&channel, classic("gw", "1-t")).await;
    new.take().await;
    assert!(old.end().await.is_none(), "superseded");
    assert_eq!(handle.roster().len(), 1);
}

#[tokio::test]
async fn it_does_not_talk_to_another_name() {
    let certs = Certs::new();
    let source = Arc::new(FakeSource::with(2));
    let (address, _handle) = serve(&certs, &source).await;
    let mut config = config(&[&address]);
    config.security = certs.security("somebody-else");
    let mut client = Running::start(config);
    let seen = client.until(|seen| !seen.links.is_empty()).await;
    let reason = disconnected(&seen.links[0]).expect("a failure");
    assert!(reason.starts_with("TLS handshake failed: "), "{reason}");
    assert!(seen.names.is_empty());
}

#[tokio::test]
async fn a_peer_that_does_not_shake_hands_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let mut config = config(&[&address]);
    config.security = Certs::new().security("adapter");
    config.connect_timeout = Duration::from_millis(50);
    let mut client = Running::start(config);
    let seen = client.until(|seen| !seen.links.is_empty()).await;
    assert_eq!(
        disconnected(&seen.links[0]),
        Some("no connection within 50ms")
    );
}
