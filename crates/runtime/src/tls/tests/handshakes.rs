//! Who gets in and who does not, over real sockets, in both versions.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, IsCa, KeyPair};
use rustls::{ClientConfig, ProtocolVersion, ServerConfig, SupportedProtocolVersion, version};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt as _;

use super::pki::{NAMES, Pki};
use crate::tls::{
    ALPN_H2, ClientAuth, Identity, TlsListener, Trust, client_config, insecure_client_config,
    server_config,
};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// A listener that says `ok` on each connection.
pub(super) async fn serve(config: Arc<ServerConfig>) -> SocketAddr {
    let mut listener = TlsListener::bind("127.0.0.1", 0, config).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(async move {
        while let Some(stream) = listener.next().await {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(b"ok").await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

/// Connects and reads what the server says; in TLS 1.3 a client hears of its refusal only then.
pub(super) async fn connect(
    address: SocketAddr,
    name: &'static str,
    config: Arc<ClientConfig>,
) -> Result<ProtocolVersion, String> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    let connecting = TlsConnector::from(config).connect(name, stream);
    let mut stream = connecting.await.map_err(|error| error.to_string())?;
    let mut said = String::new();
    stream
        .read_to_string(&mut said)
        .await
        .map_err(|error| error.to_string())?;
    assert_eq!(said, "ok");
    Ok(stream.get_ref().1.protocol_version().unwrap())
}

/// A server with one identity, whom it and the clients trust, and how that ends in each version.
async fn outcome(
    server: &Identity,
    server_trust: &Trust,
    client: Option<&Identity>,
    client_trust: &Trust,
    name: &'static str,
) -> Vec<Result<(), String>> {
    let address =
        serve(server_config(server, &ClientAuth::Required(server_trust.clone()), ALPN_H2).unwrap())
            .await;
    let mut outcomes = Vec::new();
    for version in VERSIONS {
        let config = crate::tls::client::client_config_for(
            client_trust,
            client.map(|identity| identity as &dyn crate::tls::Shown),
            ALPN_H2,
            &[version],
        )
        .unwrap();
        let spoken = connect(address, name, config).await;
        outcomes.push(spoken.map(|spoken| assert_eq!(spoken, version.version)));
    }
    outcomes
}

#[track_caller]
fn all_refused(outcomes: &[Result<(), String>], with: &str) {
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let error = outcome.as_ref().expect_err("let in");
        assert!(error.contains(with), "{error}");
    }
}

#[track_caller]
fn all_let_in(outcomes: &[Result<(), String>]) {
    assert_eq!(outcomes, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn who_shows_a_certificate_of_the_ca_is_let_in() {
    let pki = Pki::new();
    let (server, client) = (pki.issue("adapter"), pki.issue("enforcer"));
    for name in ["adapter", "localhost", "127.0.0.1"] {
        all_let_in(&outcome(&server, &pki.trust(), Some(&client), &pki.trust(), name).await);
    }
}

#[tokio::test]
async fn who_shows_no_certificate_is_refused() {
    let pki = Pki::new();
    let server = pki.issue("adapter");
    all_refused(
        &outcome(&server, &pki.trust(), None, &pki.trust(), "adapter").await,
        "CertificateRequired",
    );
}

#[tokio::test]
async fn who_shows_a_certificate_of_another_ca_is_refused() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (server, client) = (pki.issue("adapter"), other.issue("enforcer"));
    all_refused(
        &outcome(
            &server,
            &pki.trust(),
            Some(&client),
            &pki.trust(),
            "adapter",
        )
        .await,
        "UnknownCA",
    );
}

/// As after a CA was made anew and one side still has the old one.
#[tokio::test]
async fn a_ca_of_the_same_name_is_another_ca() {
    let (pki, other) = (Pki::named("same", 2099), Pki::named("same", 2099));
    let (server, client) = (pki.issue("adapter"), other.issue("enforcer"));
    all_refused(
        &outcome(
            &server,
            &pki.trust(),
            Some(&client),
            &pki.trust(),
            "adapter",
        )
        .await,
        "DecryptError",
    );
    all_refused(
        &outcome(
            &server,
            &other.trust(),
            Some(&client),
            &other.trust(),
            "adapter",
        )
        .await,
        "BadSignature",
    );
}

#[tokio::test]
async fn who_shows_an_expired_certificate_is_refused() {
    let pki = Pki::new();
    let server = pki.issue("adapter");
    let key = KeyPair::generate().unwrap();
    let expired = pki.issue_with("enforcer", NAMES, 2020, &key, &key.serialize_pem());
    all_refused(
        &outcome(
            &server,
            &pki.trust(),
            Some(&expired),
            &pki.trust(),
            "adapter",
        )
        .await,
        "CertificateExpired",
    );
    all_refused(
        &outcome(
            &expired,
            &pki.trust(),
            Some(&server),
            &pki.trust(),
            "adapter",
        )
        .await,
        "expired",
    );
}

#[tokio::test]
async fn a_server_of_another_ca_or_name_is_not_believed() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (server, client) = (pki.issue("adapter"), pki.issue("enforcer"));
    all_refused(
        &outcome(
            &server,
            &pki.trust(),
            Some(&client),
            &other.trust(),
            "adapter",
        )
        .await,
        "UnknownIssuer",
    );
    all_refused(
        &outcome(
            &server,
            &pki.trust(),
            Some(&client),
            &pki.trust(),
            "elsewhere",
        )
        .await,
        "not valid for name",
    );
}

#[tokio::test]
async fn any_server_is_believed_behind_the_switch() {
    let pki = Pki::new();
    let server = server_config(&pki.issue("standin"), &ClientAuth::None, &[]).unwrap();
    let address = serve(server).await;
    connect(
        address,
        "elsewhere",
        insecure_client_config(None, &[]).unwrap(),
    )
    .await
    .unwrap();
    let suspicious = client_config(&Pki::new().trust(), None, &[]).unwrap();
    connect(address, "standin", suspicious).await.unwrap_err();
}

/// Choreo Connect's way: one self-signed certificate that all components show and trust, marked as a CA or not.
#[tokio::test]
async fn a_self_signed_certificate_trusts_itself_in_both_directions() {
    let pki = Pki::new();
    for is_ca in [
        IsCa::NoCa,
        IsCa::ExplicitNoCa,
        IsCa::Ca(BasicConstraints::Unconstrained),
    ] {
        let identity = pki.self_signed("mg", is_ca, 2099);
        let trust = Trust::load(&identity.cert).unwrap();
        all_let_in(&outcome(&identity, &trust, Some(&identity), &trust, "adapter").await);
        all_refused(
            &outcome(&identity, &trust, Some(&identity), &trust, "elsewhere").await,
            "not valid for name",
        );
        all_refused(
            &outcome(&identity, &trust, None, &trust, "adapter").await,
            "CertificateRequired",
        );
        all_refused(
            &outcome(&identity, &trust, Some(&pki.issue("x")), &trust, "adapter").await,
            "UnknownCA",
        );
    }
}

#[tokio::test]
async fn a_self_signed_certificate_that_has_expired_trusts_itself_no_more() {
    let pki = Pki::new();
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let expired = pki.self_signed("mg", is_ca, 2020);
        let trust = Trust::load(&expired.cert).unwrap();
        let sound = pki.issue("sound");
        all_refused(
            &outcome(&expired, &pki.trust(), Some(&sound), &trust, "adapter").await,
            "xpired",
        );
        all_refused(
            &outcome(&sound, &trust, Some(&expired), &pki.trust(), "adapter").await,
            "CertificateExpired",
        );
    }
}

/// A certificate is public: to know it must not be enough.
#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    let pki = Pki::new();
    let pinned = pki.self_signed("mg", IsCa::NoCa, 2099);
    let trust = Trust::load(&pinned.cert).unwrap();
    let server =
        serve(server_config(&pinned, &ClientAuth::Required(trust.clone()), &[]).unwrap()).await;

    let stolen = pinned.load().unwrap().cert;
    let other_key = pki.issue("other").load().unwrap().key;
    let thief = Arc::new(rustls::sign::CertifiedKey::new(stolen, other_key));
    for version in VERSIONS {
        let config = crate::tls::client::client_config_for(&trust, None, &[], &[version]).unwrap();
        let mut config = Arc::unwrap_or_clone(config);
        config.client_auth_cert_resolver =
            Arc::new(rustls::sign::SingleCertAndKey::from(thief.clone()));
        let error = connect(server, "adapter", Arc::new(config))
            .await
            .unwrap_err();
        assert!(
            error.contains("DecryptError") || error.contains("BadCertificate"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_expired_ca_is_loaded_among_sound_ones() {
    let (pki, expired) = (Pki::new(), Pki::valid_until(2020));
    let bundle = [pki.path("ca.pem"), expired.path("ca.pem")]
        .map(|path| std::fs::read_to_string(path).unwrap())
        .concat();
    let trust = Trust::load(pki.write("bundle.pem", bundle)).unwrap();
    let (server, client) = (pki.issue("adapter"), pki.issue("enforcer"));
    all_let_in(&outcome(&server, &trust, Some(&client), &trust, "adapter").await);
    Trust::load(expired.path("ca.pem")).unwrap();
}
