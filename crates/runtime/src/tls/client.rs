//! The client's side of TLS.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::pinned::PinnedServer;
use super::{Shown, TlsError, Trust, alpn_protocols, provider};

/// A client that believes servers by `trust`, shows `identity` when asked, and offers `alpn` (empty: none).
///
/// The name to verify is given with each connection, not here. Sessions are not resumed: a resumed one goes on the
/// certificates of the one before, whatever has changed since.
pub fn client_config(
    trust: &Trust,
    identity: Option<&dyn Shown>,
    alpn: &[&str],
) -> Result<Arc<ClientConfig>, TlsError> {
    client_config_for(trust, identity, alpn, rustls::DEFAULT_VERSIONS)
}

/// A client that believes *any* server: only behind a switch that an operator has set, and with a WARN line at its place.
pub fn insecure_client_config(
    identity: Option<&dyn Shown>,
    alpn: &[&str],
) -> Result<Arc<ClientConfig>, TlsError> {
    let algorithms = provider().signature_verification_algorithms;
    build(
        Arc::new(Anyone { algorithms }),
        identity,
        alpn,
        rustls::DEFAULT_VERSIONS,
    )
}

pub(super) fn client_config_for(
    trust: &Trust,
    identity: Option<&dyn Shown>,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Arc<ClientConfig>, TlsError> {
    build(Arc::new(PinnedServer::new(trust)), identity, alpn, versions)
}

fn build(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<&dyn Shown>,
    alpn: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_cert_resolver(Arc::new(identity.certificate()?)),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = alpn_protocols(alpn);
    Ok(Arc::new(config))
}

/// Believes any certificate, but only of one who has its key.
#[derive(Debug)]
struct Anyone {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
