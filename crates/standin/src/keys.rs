//! The two signing keys, the certificates that name them, and the JWKS that publishes one of them.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKey;
use aws_lc_rs::signature::{
    KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use serde::Serialize;
use thiserror::Error;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::config::{KeyFiles, StandinConfig};
use crate::jwt::Padding;

/// An RSA key with the certificate that verifiers know it by.
#[derive(Debug)]
pub struct SigningKey {
    pair: RsaKeyPair,
    certificate: CertificateDer<'static>,
}

/// The two keys of a control plane.
#[derive(Debug)]
pub struct Keys {
    /// Signs access tokens.
    pub token: SigningKey,
    /// Signs API keys.
    pub api_key: SigningKey,
}

impl Keys {
    /// Reads both.
    pub fn load(config: &StandinConfig) -> Result<Self, KeyError> {
        Ok(Self {
            token: SigningKey::load(&config.token_key)?,
            api_key: SigningKey::load(&config.api_key_key)?,
        })
    }
}

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file does not hold what it should.
    #[error("{path}: {expected} cannot be read")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// Why it does not.
        #[source]
        source: pem::Error,
    },
    /// The key is no RSA key, or too short.
    #[error("{path}: no RSA key of at least 2048 bits: {reason}")]
    Rejected {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: aws_lc_rs::error::KeyRejected,
    },
    /// Verifiers with this certificate would refuse everything.
    #[error("{certificate}: not the certificate of {key}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl SigningKey {
    /// Reads both files and sees that they belong together.
    pub fn load(files: &KeyFiles) -> Result<Self, KeyError> {
        let (key_path, cert_path) = (&files.key_path, &files.cert_path);
        let key = PrivatePkcs8KeyDer::from_pem_file(key_path)
            .map_err(pem_error(key_path, "a PKCS#8 PEM key"))?;
        let certificate = CertificateDer::from_pem_file(cert_path)
            .map_err(pem_error(cert_path, "a PEM certificate"))?;
        let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|reason| {
            KeyError::Rejected {
                path: key_path.clone(),
                reason,
            }
        })?;
        if !names(&certificate, pair.public_key()) {
            return Err(KeyError::Mismatch {
                certificate: cert_path.clone(),
                key: key_path.clone(),
            });
        }
        Ok(Self { pair, certificate })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .expect("a key that was accepted signs, into a buffer of its own length");
        signature
    }

    /// Whether this key made `signature`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }

    /// How access tokens name the certificate: hexadecimal SHA-256, in base64 without padding.
    pub fn token_thumbprint(&self) -> String {
        Padding::None.encode(self.hex(&SHA256))
    }

    /// How API keys name it: hexadecimal SHA-1, in base64 with padding.
    pub fn api_key_thumbprint(&self) -> String {
        Padding::Padded.encode(self.hex(&SHA1_FOR_LEGACY_USE_ONLY))
    }

    /// The `kid` of access tokens, which the JWKS lists.
    pub fn token_key_id(&self) -> String {
        format!("{}_RS256", self.token_thumbprint())
    }

    /// The set with this one key.
    pub fn key_set(&self) -> KeySet {
        let public = self.pair.public_key();
        KeySet {
            keys: [Key {
                kty: "RSA",
                e: Padding::None.encode(public.exponent().big_endian_without_leading_zero()),
                usage: "sig",
                kid: self.token_key_id(),
                x5t: self.token_thumbprint(),
                alg: "RS256",
                n: Padding::None.encode(public.modulus().big_endian_without_leading_zero()),
            }],
        }
    }

    fn hex(&self, algorithm: &'static Algorithm) -> String {
        let hash = digest(algorithm, &self.certificate);
        hash.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug, Serialize)]
pub struct KeySet {
    keys: [Key; 1],
}

#[derive(Debug, Serialize)]
struct Key {
    kty: &'static str,
    e: String,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    x5t: String,
    alg: &'static str,
    n: String,
}

/// Whether the certificate is for this key: its SubjectPublicKeyInfo stands in it byte for byte.
fn names(certificate: &CertificateDer<'_>, key: &PublicKey) -> bool {
    let Ok(info) = key.as_der() else {
        return false;
    };
    let info = info.as_ref();
    certificate.windows(info.len()).any(|part| part == info)
}

fn pem_error(path: &Path, expected: &'static str) -> impl FnOnce(pem::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Pem {
        path,
        expected,
        source,
    }
}
