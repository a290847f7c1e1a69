//! Who we are: a certificate chain and its private key.

use std::path::PathBuf;

use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

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
