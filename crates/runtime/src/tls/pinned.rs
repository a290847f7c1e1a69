//! Verification that knows a trusted certificate when it meets it.
//!
//! Choreo Connect's components share one self-signed certificate (`mg.pem`): it is what each presents and what each trusts.
//! The Web PKI's rules refuse such a certificate where it is marked as a CA (`CaUsedAsEndEntity`), which is what `openssl
//! req -x509` makes by default. So a peer that presents, byte for byte, a certificate of the trust store is accepted by
//! that alone, within its validity, under its names, and with the handshake's proof that it holds the key. Everything else
//! goes to webpki.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Trust, provider};

/// Verifies servers.
#[derive(Debug)]
pub(super) struct PinnedServer {
    trust: Trust,
    webpki: Arc<WebPkiServerVerifier>,
}

/// Verifies clients.
#[derive(Debug)]
pub(super) struct PinnedClient {
    trust: Trust,
    webpki: Arc<dyn ClientCertVerifier>,
}

impl PinnedServer {
    pub(super) fn new(trust: &Trust) -> Result<Self, VerifierBuilderError> {
        Ok(Self {
            trust: trust.clone(),
            webpki: WebPkiServerVerifier::builder_with_provider(trust.roots.clone(), provider())
                .build()?,
        })
    }
}

impl PinnedClient {
    pub(super) fn new(trust: &Trust) -> Result<Self, VerifierBuilderError> {
        // Without hints: Java and Go clients filter their certificates by them, and a pinned certificate may have none.
        Ok(Self {
            trust: trust.clone(),
            webpki: WebPkiClientVerifier::builder_with_provider(trust.roots.clone(), provider())
                .clear_root_hint_subjects()
                .build()?,
        })
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.trust.pinned.contains(end_entity) {
            return self.webpki.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
        }
        check_validity(end_entity, now)?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

impl ClientCertVerifier for PinnedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if !self.trust.pinned.contains(end_entity) {
            return self
                .webpki
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
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
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
