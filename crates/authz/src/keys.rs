//! The keys that credentials are verified with. Parsed once; a decision only looks them up.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use thiserror::Error;

mod certificate;
mod jwks;
mod verification_key;

pub use jwks::Jwks;
pub(crate) use verification_key::Rejected;
pub use verification_key::VerificationKey;

/// Everything that verification knows: issuers with their own keys, and the keys of API Manager's own credentials.
///
/// An empty set verifies nothing: every credential is refused.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// Another number for each content that a key set of this process had.
    revision: u64,
    issuers: HashMap<Box<str>, IssuerKeys>,
    api_key: Option<VerificationKey>,
    internal_key: Option<VerificationKey>,
}

/// The keys of one issuer. A key of one issuer never verifies a token of another.
#[derive(Debug, Clone, Default)]
pub struct IssuerKeys {
    jwks: Option<Jwks>,
    /// The certificate without a `kid`.
    certificate: Option<VerificationKey>,
    /// Certificates by their `kid`.
    certificates: HashMap<Box<str>, VerificationKey>,
    /// One of these must be in `aud`; empty: it is not looked at.
    audience: Box<[Box<str>]>,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text holds no PEM block of a kind that is known.
    #[error("no PEM block `CERTIFICATE` or `PUBLIC KEY` that can be read")]
    Pem,
    /// The PEM block is not what its label says.
    #[error("PEM block is no X.509 certificate or public key")]
    Certificate,
    /// Neither RSA, nor P-256, P-384 or Ed25519, or the declared `alg` does not fit.
    #[error("key type or algorithm is not supported")]
    Algorithm,
    /// Too small to be safe, or too large to be quick.
    #[error("RSA key has {0} bits, outside 2048-8192")]
    RsaBits(usize),
    /// Under an exponent of 1 everybody can sign, and the library verifies with no even or large one.
    #[error("RSA public exponent is even, less than 3, or longer than 33 bits")]
    RsaExponent,
    /// The cryptographic library does not take it.
    #[error("key is not valid")]
    Rejected,
    /// The document is no JWK Set.
    #[error("not a JWK Set: {0}")]
    Jwks(String),
}

/// No key at all.
impl Default for KeySet {
    fn default() -> Self {
        Self {
            revision: next_revision(),
            issuers: HashMap::new(),
            api_key: None,
            internal_key: None,
        }
    }
}

fn next_revision() -> u64 {
    static REVISION: AtomicU64 = AtomicU64::new(0);
    REVISION.fetch_add(1, Ordering::Relaxed)
}

impl KeySet {
    /// Adds an issuer, or replaces what is known of it.
    pub fn insert_issuer(&mut self, issuer: impl Into<Box<str>>, keys: IssuerKeys) {
        self.revision = next_revision();
        self.issuers.insert(issuer.into(), keys);
    }

    /// Sets the key that API keys are signed with.
    pub fn set_api_key(&mut self, key: VerificationKey) {
        self.revision = next_revision();
        self.api_key = Some(key);
    }

    /// Sets the key that internal keys are signed with.
    pub fn set_internal_key(&mut self, key: VerificationKey) {
        self.revision = next_revision();
        self.internal_key = Some(key);
    }

    /// What was verified under one revision may not hold under another.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// The keys of an issuer, if it is known.
    pub fn issuer(&self, issuer: &str) -> Option<&IssuerKeys> {
        self.issuers.get(issuer)
    }

    /// The key of API keys; where there is none of its own, that of internal keys, as in the original.
    pub(crate) fn api_key(&self) -> Option<&VerificationKey> {
        self.api_key.as_ref().or(self.internal_key.as_ref())
    }

    pub(crate) fn internal_key(&self) -> Option<&VerificationKey> {
        self.internal_key.as_ref()
    }
}

impl IssuerKeys {
    /// An issuer with a JWK Set. An empty one stands for a set that is not loaded yet.
    pub fn from_jwks(jwks: Jwks) -> Self {
        Self {
            jwks: Some(jwks),
            ..Self::default()
        }
    }

    /// Adds the key for tokens without a `kid`, and where there is no JWK Set for all whose `kid` names no certificate.
    pub fn with_certificate(mut self, key: VerificationKey) -> Self {
        self.certificate = Some(key);
        self
    }

    /// Adds the key that alone verifies tokens with this `kid`. It takes the place of one of that name, in the JWK Set too.
    pub fn with_certificate_of(mut self, kid: impl Into<Box<str>>, key: VerificationKey) -> Self {
        self.certificates.insert(kid.into(), key);
        self
    }

    /// Demands one of these in a token's `aud`. None demanded: it is not looked at.
    pub fn with_audience(mut self, audience: impl IntoIterator<Item = Box<str>>) -> Self {
        self.audience = audience.into_iter().collect();
        self
    }

    /// Whether a token for `audience` may be used here.
    pub(crate) fn accepts(&self, audience: &[Box<str>]) -> bool {
        self.audience.is_empty() || audience.iter().any(|name| self.audience.contains(name))
    }

    /// Whether a token with this `kid` would find a key.
    pub fn knows(&self, kid: Option<&str>) -> bool {
        self.find(kid).is_some()
    }

    /// The one key for a token: nothing is tried. A `kid` is looked for among the certificates, then where there is a JWK
    /// Set in it and nowhere else.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&VerificationKey> {
        let named = kid.and_then(|kid| self.certificates.get(kid));
        named.or_else(|| match (kid, &self.jwks) {
            (Some(kid), Some(jwks)) => jwks.get(kid),
            _ => self.certificate.as_ref(),
        })
    }
}

#[cfg(test)]
mod tests;
