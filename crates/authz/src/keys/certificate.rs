//! A public key from a PEM file, as an operator of API Manager exports it.

use x509_parser::{
    oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_SIG_ED25519},
    pem::Pem,
    prelude::FromDer,
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

use super::{KeyError, VerificationKey};
use crate::Algorithm;

impl VerificationKey {
    /// Takes the key of the first `CERTIFICATE` or `PUBLIC KEY` block of a PEM text.
    ///
    /// A certificate is a key here and nothing else: neither its dates nor its names are looked at. The one that API
    /// Manager ships has expired.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        for block in Pem::iter_from_buffer(pem) {
            let block = block.map_err(|_| KeyError::Pem)?;
            match block.label.as_str() {
                "CERTIFICATE" => {
                    let certificate = block.parse_x509().map_err(|_| KeyError::Certificate)?;
                    return from_spki(certificate.public_key());
                }
                "PUBLIC KEY" => {
                    let (_, spki) = SubjectPublicKeyInfo::from_der(&block.contents)
                        .map_err(|_| KeyError::Certificate)?;
                    return from_spki(&spki);
                }
                _ => {}
            }
        }
        Err(KeyError::Pem)
    }
}

fn from_spki(spki: &SubjectPublicKeyInfo<'_>) -> Result<VerificationKey, KeyError> {
    let algorithm = &spki.algorithm;
    match spki.parsed().map_err(|_| KeyError::Certificate)? {
        PublicKey::RSA(key) => VerificationKey::rsa(key.modulus, key.exponent, None),
        PublicKey::EC(point) => {
            let curve = algorithm
                .parameters
                .as_ref()
                .and_then(|parameters| parameters.as_oid().ok())
                .ok_or(KeyError::Algorithm)?;
            let algorithm = if curve == OID_EC_P256 {
                Algorithm::Es256
            } else if curve == OID_NIST_EC_P384 {
                Algorithm::Es384
            } else {
                return Err(KeyError::Algorithm);
            };
            VerificationKey::curve(algorithm, point.data(), None)
        }
        PublicKey::Unknown(bytes) if algorithm.algorithm == OID_SIG_ED25519 => {
            VerificationKey::curve(Algorithm::EdDsa, bytes, None)
        }
        _ => Err(KeyError::Algorithm),
    }
}
