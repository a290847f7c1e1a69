//! Verification that knows a trusted certificate when it meets it.
//!
//! Choreo Connect's components share one self-signed certificate (`mg.pem`): it is what each presents and what each trusts.
//! The Web PKI's rules refuse such a certificate where it is marked as a CA (`CaUsedAsEndEntity`), which is what `openssl
//! req -x509` makes by default. So a peer that presents, byte for byte, a certificate of the trust store is accepted by
//! that alone, within its validity, under its names, and with the handshake's proof that it holds the key. Everything else
//! goes to webpki.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tracing::warn;

use super::words::{self, Words};
use super::{Trust, provider};

/// Verifies servers, by the trust that is in force at each handshake.
#[derive(Debug)]
pub(super) struct PinnedServer {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Verifies clients, by the trust that is in force at each handshake.
#[derive(Debug)]
pub(super) struct PinnedClient {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedServer {
    pub(super) fn new(trust: &Trust) -> Self {
        Self {
            trust: trust.clone(),
            algorithms: provider().signature_verification_algorithms,
        }
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let anchors = self.trust.current();
        if !anchors.pinned.contains(end_entity) {
            let servers = &anchors.servers;
            return servers.verify_server_cert(end_entity, intermediates, server_name, &[], now);
        }
        check_validity(end_entity, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl PinnedClient {
    pub(super) fn new(trust: &Trust) -> Self {
        Self {
            trust: trust.clone(),
            algorithms: provider().signature_verification_algorithms,
        }
    }
}

/// Says in plain words what is wrong with a server's certificate. The error stays as it is where its kind decides which
/// alert the server gets.
fn tell(error: Error, server_name: &ServerName<'_>) -> Error {
    let Error::InvalidCertificate(cause) = &error else {
        return error;
    };
    let reason = words::of(cause);
    let server = server_name.to_str();
    warn!(%server, reason, "The certificate of a server is not believed");
    match cause {
        CertificateError::Other(_) => {
            let words = Words(format!("the server's certificate {reason}"));
            Error::Other(OtherError(std::sync::Arc::new(words)))
        }
        _ => error,
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, server_name, now)
            .map_err(|error| tell(error, server_name))
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

impl ClientCertVerifier for PinnedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let anchors = self.trust.current();
        if !anchors.pinned.contains(end_entity) {
            return anchors
                .clients
                .verify_client_cert(end_entity, intermediates, now);
        }
        check_validity(end_entity, now)?;
        Ok(ClientCertVerified::assertion())
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

/// RFC 5280, section 4.1.2.5: both ends of the validity period are within it.
fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}
