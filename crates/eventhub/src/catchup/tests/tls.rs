//! Whom the client trusts, over real TLS.

use std::{io, net::SocketAddr};

use axum::serve::Listener;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;
use crate::test_tls::{Certified, trusting};

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
    let localhost = Certified::new("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = TlsListener(listener, localhost.server().into());
    let router = control_plane.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, localhost.root)
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
    let other = Certified::new("localhost").root;
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
