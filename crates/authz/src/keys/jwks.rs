//! A JSON Web Key Set (RFC 7517).

use std::collections::HashMap;

use serde::Deserialize;

use super::{KeyError, VerificationKey};
use crate::{Algorithm, encoding::decode_lenient};

/// The keys of one issuer, by their `kid`.
#[derive(Debug, Clone, Default)]
pub struct Jwks {
    keys: HashMap<Box<str>, VerificationKey>,
    skipped: usize,
}

impl Jwks {
    /// Reads a JWK Set. A key that is not for signatures, has no `kid`, repeats one, or cannot be used is skipped: what an
    /// issuer adds for others must not take the rest away.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let document: Document =
            serde_json::from_slice(json).map_err(|error| KeyError::Jwks(error.to_string()))?;
        let mut jwks = Self::default();
        for value in document.keys {
            match serde_json::from_value::<Jwk>(value).ok().and_then(Jwk::key) {
                Some((kid, key)) if !jwks.keys.contains_key(&kid) => {
                    jwks.keys.insert(kid, key);
                }
                _ => jwks.skipped += 1,
            }
        }
        Ok(jwks)
    }

    /// The key called `kid`.
    pub fn get(&self, kid: &str) -> Option<&VerificationKey> {
        self.keys.get(kid)
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys of the document were skipped.
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn key(self) -> Option<(Box<str>, VerificationKey)> {
        if !self.is_for_signatures() {
            return None;
        }
        let only = match &self.alg {
            Some(name) => Some(Algorithm::parse(name)?),
            None => None,
        };
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => VerificationKey::rsa(&bytes(&self.n)?, &bytes(&self.e)?, only),
            ("EC", Some("P-256")) => {
                VerificationKey::curve(Algorithm::Es256, &self.point(32)?, only)
            }
            ("EC", Some("P-384")) => {
                VerificationKey::curve(Algorithm::Es384, &self.point(48)?, only)
            }
            ("OKP", Some("Ed25519")) => {
                VerificationKey::curve(Algorithm::EdDsa, &bytes(&self.x)?, only)
            }
            _ => return None,
        };
        Some((self.kid?.into(), key.ok()?))
    }

    /// RFC 7517 sections 4.2 and 4.3. What says neither may be used for anything; some who mean `verify` say `sign`.
    fn is_for_signatures(&self) -> bool {
        let usage = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let operations = self.key_ops.as_deref();
        let for_signatures = |operation: &String| matches!(&**operation, "verify" | "sign");
        usage && operations.is_none_or(|all| all.iter().any(for_signatures))
    }

    /// The uncompressed point (SEC 1 section 2.3.3) of coordinates that RFC 7518 section 6.2.1 wants in full length.
    fn point(&self, length: usize) -> Option<Vec<u8>> {
        let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
        (x.len() == length && y.len() == length).then(|| [&[4], &x[..], &y[..]].concat())
    }
}

fn bytes(text: &Option<String>) -> Option<Vec<u8>> {
    text.as_deref().map(decode_lenient)
}
