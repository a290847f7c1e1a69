//! Whether a credential is genuine and in its time, and what the caller is told if it is not.
//!
//! The order is the original's, since the first failure decides the body: type, issuer, key, signature, expiry. What the
//! original does not look at comes after: audience, and the claims that revocation asks for.

use std::sync::Arc;

use rescind_revocation::UnixSeconds;

use crate::{
    Algorithm, Answer, CredentialKind, Endpoints, IssuerKeys, KeySet, KeyType, Lacking, Reason,
    VerificationKey, VerifiedTokens,
    facts::Facts,
    keys::Rejected,
    token::{Jws, MAX_BYTES, Token},
    verified::Fingerprint,
};

/// The `token_type` of keys of the Publisher's test console.
const INTERNAL_KEY: &str = "InternalKey";

/// What credentials are measured by.
pub(crate) struct Verifier<'a> {
    pub(crate) keys: &'a KeySet,
    /// Whether issuer and signature are looked at.
    pub(crate) signatures: bool,
    pub(crate) skew: u64,
    /// Claims without which a bearer token is refused.
    pub(crate) required: Lacking,
    /// What was verified before.
    pub(crate) known: Option<&'a VerifiedTokens>,
    /// The endpoints that there are, where a credential must be for one of them.
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) now: UnixSeconds,
}

/// Why a credential does not let a request pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) answer: Answer,
    pub(crate) reason: Reason,
}

impl Verifier<'_> {
    /// What a credential with this text is known by, where such are remembered.
    pub(crate) fn fingerprint(&self, kind: CredentialKind, text: &str) -> Option<Fingerprint> {
        let is_asked = self.signatures && self.known.is_some() && text.len() <= MAX_BYTES;
        is_asked.then(|| Fingerprint::of(kind, self.keys.revision(), text))
    }

    /// What is known of the credential with this fingerprint: type, issuer and signature were good under these keys.
    pub(crate) fn recall(&self, fingerprint: &Fingerprint) -> Option<Arc<Facts>> {
        self.known?.get(fingerprint, self.now)
    }

    /// Verifies a credential that is not known, and remembers it.
    pub(crate) fn verify(
        &self,
        kind: CredentialKind,
        token: &Token<'_>,
        facts: &Arc<Facts>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<(), Failure> {
        self.has_type(kind, token)?;
        if self.signatures {
            self.signature(kind, token)?;
        }
        self.facts(kind, facts)?;
        if let (Some(known), Some(fingerprint)) = (self.known, fingerprint) {
            let exp = facts.exp.0.map(|exp| exp.0);
            let until = exp.map_or(u64::MAX, |exp| exp.saturating_add(self.skew));
            known.insert(fingerprint, Arc::clone(facts), until, self.now);
        }
        Ok(())
    }

    /// Whether what was verified before is in its time, and enough for the rules of revocation.
    pub(crate) fn facts(&self, kind: CredentialKind, facts: &Facts) -> Result<(), Failure> {
        // The original fails on a JWT without `exp`. Here it is refused: it would never expire, and come back to life
        // when its revocation is dropped.
        if kind == CredentialKind::Bearer && facts.exp.0.is_none() {
            return Err(failure(Answer::InvalidCredentials, Reason::Expired));
        }
        self.in_time(facts)?;
        if kind == CredentialKind::Bearer && facts.lacking.any_of(self.required) {
            return Err(failure(Answer::InvalidCredentials, Reason::MissingClaim));
        }
        self.has_endpoint(facts.endpoint())
    }

    /// Whether there is an endpoint for a key of this type.
    pub(crate) fn has_endpoint(&self, key_type: KeyType) -> Result<(), Failure> {
        match self.endpoints {
            Some(endpoints) if !endpoints.has(key_type) => {
                Err(failure(Answer::no_endpoint(key_type), Reason::KeyType))
            }
            _ => Ok(()),
        }
    }

    fn has_type(&self, kind: CredentialKind, token: &Token<'_>) -> Result<(), Failure> {
        match (kind, is_internal(token)) {
            (CredentialKind::InternalKey, false) => {
                Err(failure(Answer::NoCredential, Reason::WrongType))
            }
            (CredentialKind::ApiKey, true) => {
                Err(failure(Answer::InvalidCredentials, Reason::WrongType))
            }
            _ => Ok(()),
        }
    }

    fn signature(&self, kind: CredentialKind, token: &Token<'_>) -> Result<(), Failure> {
        let (key, answer) = match kind {
            CredentialKind::Bearer => return self.issuer_signature(token),
            CredentialKind::InternalKey => (self.keys.internal_key(), Answer::InvalidCredentials),
            CredentialKind::ApiKey => (self.keys.api_key(), Answer::ApiKeyFailed),
        };
        // Keys of API Manager itself: neither issuer nor `kid` is looked at.
        let checked = key.map_or(Err(Reason::UnknownKey), |key| check(key, &token.jws()));
        checked.map_err(|reason| failure(answer, reason))
    }

    fn issuer_signature(&self, token: &Token<'_>) -> Result<(), Failure> {
        let issuer = token
            .claims
            .iss
            .as_deref()
            .and_then(|issuer| self.keys.issuer(issuer))
            .ok_or(failure(Answer::InvalidCredentials, Reason::UnknownIssuer))?;
        signed_by(issuer, &token.jws())?;
        match issuer.accepts(&token.claims.aud.0) {
            true => Ok(()),
            false => Err(failure(Answer::InvalidCredentials, Reason::Audience)),
        }
    }

    /// `exp` and `nbf`, both with the skew. The original does not read `nbf`; a token that is not valid yet is refused
    /// here as one that is not valid any more.
    fn in_time(&self, facts: &Facts) -> Result<(), Failure> {
        let UnixSeconds(now) = self.now;
        let expired = |exp: UnixSeconds| exp.0.saturating_add(self.skew) <= now;
        let early = |nbf: UnixSeconds| nbf.0 > now.saturating_add(self.skew);
        if facts.exp.0.is_some_and(expired) {
            return Err(failure(Answer::InvalidCredentials, Reason::Expired));
        }
        if facts.nbf.0.is_some_and(early) {
            return Err(failure(Answer::InvalidCredentials, Reason::NotYetValid));
        }
        Ok(())
    }
}

fn is_internal(token: &Token<'_>) -> bool {
    token.claims.token_type.0.as_deref() == Some(INTERNAL_KEY)
}

/// Whether the one key of this issuer that the header names has signed this.
pub(crate) fn signed_by(issuer: &IssuerKeys, jws: &Jws<'_>) -> Result<(), Failure> {
    let kid = jws.header.kid.as_deref();
    let key = issuer
        .find(kid)
        .ok_or(failure(Answer::Unclassified, Reason::UnknownKey))?;
    check(key, jws).map_err(|reason| {
        let no_rsa_key = jws.header.algorithm().is_some_and(Algorithm::is_rsa) && !key.is_rsa();
        let answer = match reason {
            Reason::Algorithm if no_rsa_key || kid.is_none() => Answer::Unclassified,
            _ => Answer::InvalidCredentials,
        };
        failure(answer, reason)
    })
}

fn check(key: &VerificationKey, jws: &Jws<'_>) -> Result<(), Reason> {
    let algorithm = jws.header.algorithm().ok_or(Reason::Algorithm)?;
    // RFC 7515 section 4.1.11: a demand that is not understood makes the signature invalid.
    if jws.header.is_critical() {
        return Err(Reason::Signature);
    }
    key.verify(algorithm, jws.input, &jws.signature())
        .map_err(|rejected| match rejected {
            Rejected::Algorithm => Reason::Algorithm,
            Rejected::Signature => Reason::Signature,
        })
}

fn failure(answer: Answer, reason: Reason) -> Failure {
    Failure { answer, reason }
}
