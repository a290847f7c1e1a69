//! One authority, one server and one client certificate.

use std::{fs, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rescind_runtime::tls::{self, Identity, Trust};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

pub(super) struct Certificates {
    directory: TempDir,
    authority: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    pub(super) fn new() -> Self {
        tls::install_crypto_provider();
        let directory = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            directory,
            authority: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A client that shows a certificate and believes this authority.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        self.client_of(self)
    }

    /// A client that believes this authority and shows a certificate of another one.
    pub(super) fn client_of(&self, other: &Self) -> Arc<ClientConfig> {
        let (certificate, key) = other.signed("front");
        let path = |name: &str| self.directory.path().join(name);
        fs::write(path("front.pem"), certificate.pem()).unwrap();
        fs::write(path("front.key"), key.serialize_pem()).unwrap();
        let identity = Identity::new(path("front.pem"), path("front.key"));
        let trust = Trust::load(path("ca.pem")).unwrap();
        tls::client_config(&trust, Some(&identity), &[]).unwrap()
    }

    /// A client that believes this authority and has nothing to show.
    pub(super) fn anonymous(&self) -> Arc<ClientConfig> {
        let trust = Trust::load(self.directory.path().join("ca.pem")).unwrap();
        tls::client_config(&trust, None, &[]).unwrap()
    }

    /// A server called `adapter` that asks for a certificate.
    pub(super) fn server(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[u8],
    ) -> Arc<ServerConfig> {
        let (certificate, key) = self.signed("adapter");
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_protocol_versions(versions)
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }

    fn signed(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}
