//! Whom the client trusts, over real TLS.

use std::{io, net::SocketAddr};

use axum::serve::Listener;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

/// A client's TLS settings that trust these roots alone.
pub(super) fn trusting(roots: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    Arc::new(config)
}

/// A root, and the settings of a server that it certified as `name`.
fn identity(name: &str) -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_certificate = root.self_signed(&root_key).unwrap();
    let issuer = Issuer::new(root, root_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (root_certificate.der().clone(), Arc::new(config))
}

struct TlsListener(TcpListener, TlsAcceptor);

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (socket, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(socket).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Serves a control plane as `localhost` on the address 127.0.0.1; its port and its root.
async fn serve(control_plane: &ControlPlane) -> (u16, CertificateDer<'static>) {
    let (root, config) = identity("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = TlsListener(listener, config.into());
    let router = control_plane.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, root)
}

async fn fetch(config: CatchupConfig) -> Result<Whole, CatchupError> {
    whole(&Catchup::new(config).unwrap()).await
}

#[track_caller]
fn certificate_error(result: Result<Whole, CatchupError>) {
    match result {
        Err(CatchupError::Transport(text)) if text.contains("invalid peer certificate") => {}
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_of_a_root_that_is_not_trusted_is_refused() {
    let (port, root) = serve(&ControlPlane::new(|| "[]")).await;
    let url = format!("https://localhost:{port}");
    fetch(CatchupConfig::new(&url, "a", "b", trusting(&[root])))
        .await
        .unwrap();
    let (other, _) = identity("localhost");
    certificate_error(fetch(CatchupConfig::new(&url, "a", "b", trusting(&[other]))).await);
}

#[tokio::test]
async fn a_certificate_with_another_name_needs_the_server_name() {
    let control_plane = ControlPlane::new(|| "[]");
    let (port, root) = serve(&control_plane).await;
    let config = CatchupConfig::new(
        format!("https://127.0.0.1:{port}"),
        "a",
        "b",
        trusting(&[root]),
    );

    certificate_error(fetch(config.clone()).await);

    let named = |name: &str| CatchupConfig {
        server_name: Some(name.into()),
        ..config.clone()
    };
    fetch(named("localhost")).await.unwrap();
    assert_eq!(
        control_plane.header(header::HOST),
        format!("127.0.0.1:{port}")
    );

    certificate_error(fetch(named("apim.invalid")).await);
}
