//! Who we are: a certificate chain and its private key.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::validity::{self, Validity};
use super::{TlsError, files, provider};

/// The files of a certificate chain (leaf first) and of its private key, both PEM. The keys in a configuration file are
/// Choreo Connect's: `certPath` and `keyPath`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The certificate, and after it any intermediates.
    #[serde(rename = "certPath")]
    pub cert: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1, without a passphrase.
    #[serde(rename = "keyPath")]
    pub key: PathBuf,
}

/// A certificate with its key, as it is in force now; a clone is the same one. [`Certificates`](super::Certificates) puts
/// another in its place when the files change, and every configuration made of it shows that from then on.
#[derive(Debug, Clone)]
pub struct OwnCertificate(Arc<ArcSwap<CertifiedKey>>);

/// What a TLS configuration can be made with: files that are read now, or a certificate that follows its files.
pub trait Shown {
    /// The certificate to show.
    fn certificate(&self) -> Result<OwnCertificate, TlsError>;
}

impl Identity {
    /// Names the two files.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            cert: cert.into(),
            key: key.into(),
        }
    }

    /// Reads both files and checks that they belong together.
    pub(super) fn load(&self) -> Result<CertifiedKey, TlsError> {
        let chain = files::certificates("certificate", &self.cert)?;
        let key = files::private_key(&self.key)?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                cert: self.cert.clone(),
                key: self.key.clone(),
            },
            rustls::Error::InvalidCertificate(_) => files::unusable(
                "certificate",
                &self.cert,
                "it cannot be used for TLS (is it X.509 version 3?)".to_owned(),
            ),
            _ => files::unusable(
                "private key",
                &self.key,
                "it is damaged or its kind is not supported".to_owned(),
            ),
        })
    }
}

impl OwnCertificate {
    /// Puts another one in its place, for handshakes to come.
    pub(super) fn replace(&self, with: CertifiedKey) {
        self.0.store(Arc::new(with));
    }

    /// The certificate itself, as it is in force now, without what stands above it.
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.0.load().cert.first().cloned()
    }

    /// When it is valid: all of what is shown.
    pub(super) fn validity(&self) -> Option<Validity> {
        validity::of_chain(&self.0.load().cert)
    }
}

impl Shown for Identity {
    fn certificate(&self) -> Result<OwnCertificate, TlsError> {
        let loaded = self.load()?;
        Ok(OwnCertificate(Arc::new(ArcSwap::from_pointee(loaded))))
    }
}

impl Shown for OwnCertificate {
    fn certificate(&self) -> Result<OwnCertificate, TlsError> {
        Ok(self.clone())
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
