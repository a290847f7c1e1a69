//! That all that is made of the certificates follows them; how, is tested where that is done.
//!
//! The authorities have one name: a certificate of the other is one with a bad signature.

use std::net::SocketAddr;

use rescind_runtime::tls::{Identity, TlsListener, insecure_client_config};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_stream::StreamExt as _;

use super::*;
use crate::{
    config::{Keystore, Truststore},
    testing,
};

type ServerStream = tokio_rustls::server::TlsStream<TcpStream>;
type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;

/// An enforcer with a trust store of its own, and its reloader.
struct Fixture {
    files: testing::Certificates,
    config: Enforcer,
    certificates: (Arc<ServerConfig>, Arc<ServerConfig>, Arc<ClientConfig>),
    reloader: Reloader,
}

fn fixture() -> Fixture {
    let files = testing::Certificates::new();
    let (cert_path, key_path) = files.identity("enforcer");
    let location = files.folder().join("trust.pem");
    std::fs::copy(files.ca(), &location).unwrap();
    let config = Enforcer {
        keystore: Keystore {
            cert_path,
            key_path,
        },
        truststore: Truststore { location },
        ..Enforcer::default()
    };
    let loaded = Certificates::load(&config, &Next::default()).unwrap();
    let certificates = (
        loaded.checks.clone(),
        loaded.admin.clone(),
        loaded.adapter.clone(),
    );
    Fixture {
        files,
        config,
        certificates,
        reloader: loaded.follow(&mut Registry::default(), &Health::new()),
    }
}

impl Fixture {
    /// Another certificate for the enforcer, and another authority for whom it believes.
    fn rotate(&mut self) -> testing::Certificates {
        self.files.identity("enforcer");
        let next = testing::Certificates::new();
        std::fs::copy(next.ca(), &self.config.truststore.location).unwrap();
        self.reloader.look();
        next
    }

    fn own(&self) -> Vec<u8> {
        let pem = std::fs::read(&self.config.keystore.cert_path).unwrap();
        x509_parser::pem::parse_x509_pem(&pem).unwrap().1.contents
    }
}

fn identity(files: &testing::Certificates, name: &str) -> Identity {
    let (cert, key) = files.identity(name);
    Identity::new(cert, key)
}

/// Both ends of a connection, or why there is none.
async fn meet(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
) -> Result<(ServerStream, ClientStream), String> {
    let mut listener = TlsListener::bind("127.0.0.1", 0, server).await.unwrap();
    let address: SocketAddr = listener.local_addr();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = tokio_rustls::TlsConnector::from(client).connect(name, tcp);
    let mut stream = connecting.await.map_err(|error| error.to_string())?;
    let mut byte = [0];
    let refused = tokio::io::AsyncReadExt::read(&mut stream, &mut byte);
    tokio::select! {
        accepted = listener.next() => Ok((accepted.unwrap().unwrap(), stream)),
        refused = refused => Err(format!("{refused:?}")),
    }
}

fn shown(certificates: Option<&[rustls_pki_types::CertificateDer<'_>]>) -> Vec<u8> {
    certificates.unwrap()[0].to_vec()
}

#[tokio::test]
async fn checks_are_answered_with_the_new_certificate_to_whom_the_new_authority_names() {
    let mut fixture = fixture();
    let (checks, ..) = fixture.certificates.clone();
    let server = Trust::load(fixture.files.ca()).unwrap();
    let router = identity(&fixture.files, "router");
    let before = client_config(&server, Some(&router), ALPN_H2).unwrap();
    let (_, stream) = meet(checks.clone(), before.clone()).await.unwrap();
    assert_eq!(shown(stream.get_ref().1.peer_certificates()), fixture.own());

    let next = fixture.rotate();
    let refused = meet(checks.clone(), before).await.unwrap_err();
    assert!(refused.contains("DecryptError"), "{refused}");
    let router = identity(&next, "router");
    let after = client_config(&server, Some(&router), ALPN_H2).unwrap();
    let (_, stream) = meet(checks, after).await.unwrap();
    assert_eq!(shown(stream.get_ref().1.peer_certificates()), fixture.own());
}

#[tokio::test]
async fn the_admin_server_shows_the_new_one_too() {
    let mut fixture = fixture();
    let (_, admin, _) = fixture.certificates.clone();
    for _ in 0..2 {
        let client = insecure_client_config(None, ALPN_HTTP).unwrap();
        let (_, stream) = meet(admin.clone(), client).await.unwrap();
        assert_eq!(shown(stream.get_ref().1.peer_certificates()), fixture.own());
        fixture.rotate();
    }
}

#[tokio::test]
async fn adapters_see_the_new_one_and_are_believed_by_the_new_authority() {
    let mut fixture = fixture();
    let (.., link) = fixture.certificates.clone();
    let enforcers = || ClientAuth::Required(Trust::load(fixture.files.ca()).unwrap());
    let adapter = identity(&fixture.files, "adapter");
    let before = server_config(&adapter, &enforcers(), ALPN_H2).unwrap();
    let (stream, _) = meet(before.clone(), link.clone()).await.unwrap();
    assert_eq!(shown(stream.get_ref().1.peer_certificates()), fixture.own());

    let enforcers = enforcers();
    let next = fixture.rotate();
    let refused = meet(before, link.clone()).await.unwrap_err();
    assert!(refused.contains("BadSignature"), "{refused}");
    let adapter = identity(&next, "adapter");
    let after = server_config(&adapter, &enforcers, ALPN_H2).unwrap();
    let (stream, _) = meet(after, link).await.unwrap();
    assert_eq!(shown(stream.get_ref().1.peer_certificates()), fixture.own());
}

#[tokio::test]
async fn each_token_service_has_the_trust_that_it_names() {
    let mut fixture = fixture();
    let other = testing::Certificates::new();
    let service = |ca_file: &str| TokenService {
        ca_file: ca_file.to_owned(),
        ..TokenService::default()
    };
    let own = service(other.ca().to_str().unwrap());
    fixture.config.security.token_service = vec![service(""), own];
    let loaded = Certificates::load(&fixture.config, &Next::default()).unwrap();
    let served_by = |files| server_config(&identity(files, "idp"), &ClientAuth::None, &[]).unwrap();
    let (ours, others) = (served_by(&fixture.files), served_by(&other));
    let asks = |at: usize| client_config(&loaded.key_sets[at], None, &[]).unwrap();
    meet(ours.clone(), asks(0)).await.unwrap();
    meet(others.clone(), asks(0)).await.unwrap_err();
    meet(others, asks(1)).await.unwrap();
    meet(ours, asks(1)).await.unwrap_err();

    fixture.config.security.token_service[1].ca_file = "/nowhere".to_owned();
    let error = Certificates::load(&fixture.config, &Next::default()).unwrap_err();
    assert_eq!(
        format!("{:#}", anyhow::Error::from(error)),
        "enforcer.security.tokenService[1].caFile: cannot read the trusted certificates /nowhere: No such file or \
         directory (os error 2)"
    );
}
