//! Certificates and TLS settings for tests.

use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

/// A root with what it certified as one name.
pub(crate) struct Certified {
    pub(crate) root: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certified {
    pub(crate) fn new(name: &str) -> Self {
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
        Self {
            root: root_certificate.der().clone(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A server that asks for no certificate.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key());
        Arc::new(config.unwrap())
    }

    /// A server that believes only clients of `root`.
    pub(crate) fn server_for(&self, root: &CertificateDer<'static>) -> Arc<ServerConfig> {
        let roots = Arc::new(store([root]));
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key());
        Arc::new(config.unwrap())
    }

    /// A client that believes `root`, and shows this certificate.
    pub(crate) fn client(&self, root: &CertificateDer<'static>) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store([root]))
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key());
        Arc::new(config.unwrap())
    }
}

/// A client that trusts these roots alone, and shows no certificate.
pub(crate) fn trusting<'a>(
    roots: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store(roots))
        .with_no_client_auth();
    Arc::new(config)
}

fn store<'a>(roots: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.into_iter().cloned());
    store
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
