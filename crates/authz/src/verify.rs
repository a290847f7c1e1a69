//! Whether a credential is genuine and in its time, and what the caller is told if it is not.
//!
//! The order is the original's, since the first failure decides the body: type, issuer, key, signature, expiry.

use rescind_revocation::UnixSeconds;

use crate::{
    Algorithm, Answer, CredentialKind, KeySet, Reason, VerificationKey, keys::Rejected,
    token::Token,
};

/// The `token_type` of keys of the Publisher's test console.
const INTERNAL_KEY: &str = "InternalKey";

/// What credentials are measured by.
pub(crate) struct Verifier<'a> {
    pub(crate) keys: &'a KeySet,
    /// Whether issuer and signature are looked at.
    pub(crate) signatures: bool,
    pub(crate) skew: u64,
    pub(crate) now: UnixSeconds,
}

/// Why a credential does not let a request pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) answer: Answer,
    pub(crate) reason: Reason,
}

impl Verifier<'_> {
    pub(crate) fn verify(&self, kind: CredentialKind, token: &Token<'_>) -> Result<(), Failure> {
        match kind {
            CredentialKind::InternalKey => self.internal_key(token),
            CredentialKind::Bearer => self.bearer(token),
            CredentialKind::ApiKey => self.api_key(token),
        }
    }

    fn internal_key(&self, token: &Token<'_>) -> Result<(), Failure> {
        if !is_internal(token) {
            return Err(failure(Answer::NoCredential, Reason::WrongType));
        }
        let checked = self.own_signature(self.keys.internal_key(), token);
        checked.map_err(|reason| failure(Answer::InvalidCredentials, reason))?;
        self.in_time(token)
    }

    fn api_key(&self, token: &Token<'_>) -> Result<(), Failure> {
        if is_internal(token) {
            return Err(failure(Answer::InvalidCredentials, Reason::WrongType));
        }
        let checked = self.own_signature(self.keys.api_key(), token);
        checked.map_err(|reason| failure(Answer::ApiKeyFailed, reason))?;
        self.in_time(token)
    }

    fn bearer(&self, token: &Token<'_>) -> Result<(), Failure> {
        if self.signatures {
            self.issuer_signature(token)?;
        }
        // The original fails on a JWT without `exp`. Here it is refused: it would never expire, and come back to life
        // when its revocation is dropped.
        if token.claims.exp.0.is_none() {
            return Err(failure(Answer::InvalidCredentials, Reason::Expired));
        }
        self.in_time(token)
    }

    fn issuer_signature(&self, token: &Token<'_>) -> Result<(), Failure> {
        let kid = token.header.kid.as_deref();
        let issuer = token
            .claims
            .iss
            .as_deref()
            .and_then(|issuer| self.keys.issuer(issuer))
            .ok_or(failure(Answer::InvalidCredentials, Reason::UnknownIssuer))?;
        let key = issuer
            .find(kid)
            .ok_or(failure(Answer::Unclassified, Reason::UnknownKey))?;
        check(key, token).map_err(|reason| {
            let no_rsa_key =
                token.header.algorithm().is_some_and(Algorithm::is_rsa) && !key.is_rsa();
            let answer = match reason {
                Reason::Algorithm if no_rsa_key || kid.is_none() => Answer::Unclassified,
                _ => Answer::InvalidCredentials,
            };
            failure(answer, reason)
        })
    }

    /// Keys of API Manager itself: neither issuer nor `kid` is looked at.
    fn own_signature(
        &self,
        key: Option<&VerificationKey>,
        token: &Token<'_>,
    ) -> Result<(), Reason> {
        match (self.signatures, key) {
            (false, _) => Ok(()),
            (true, Some(key)) => check(key, token),
            (true, None) => Err(Reason::UnknownKey),
        }
    }

    /// `exp` and `nbf`, both with the skew. The original does not read `nbf`; a token that is not valid yet is refused
    /// here as one that is not valid any more.
    fn in_time(&self, token: &Token<'_>) -> Result<(), Failure> {
        let UnixSeconds(now) = self.now;
        let expired = |exp: UnixSeconds| exp.0.saturating_add(self.skew) <= now;
        let early = |nbf: UnixSeconds| nbf.0 > now.saturating_add(self.skew);
        if token.claims.exp.0.is_some_and(expired) {
            return Err(failure(Answer::InvalidCredentials, Reason::Expired));
        }
        if token.claims.nbf.0.is_some_and(early) {
            return Err(failure(Answer::InvalidCredentials, Reason::NotYetValid));
        }
        Ok(())
    }
}

fn is_internal(token: &Token<'_>) -> bool {
    token.claims.token_type.0.as_deref() == Some(INTERNAL_KEY)
}

fn check(key: &VerificationKey, token: &Token<'_>) -> Result<(), Reason> {
    let algorithm = token.header.algorithm().ok_or(Reason::Algorithm)?;
    // RFC 7515 section 4.1.11: a demand that is not understood makes the signature invalid.
    if token.header.is_critical() {
        return Err(Reason::Signature);
    }
    key.verify(algorithm, token.signing_input.as_bytes(), &token.signature)
        .map_err(|rejected| match rejected {
            Rejected::Algorithm => Reason::Algorithm,
            Rejected::Signature => Reason::Signature,
        })
}

fn failure(answer: Answer, reason: Reason) -> Failure {
    Failure { answer, reason }
}
