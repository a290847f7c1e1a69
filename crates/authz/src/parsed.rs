//! A credential, read: what the set is asked for it, what it is told when it is revoked, and whether it is good.

use std::sync::Arc;

use rescind_revocation::{Identifier, TokenId, UnixMillis, View};

use crate::{
    Answer, CredentialKind, Lacking, Reason, VerifiedClaims,
    credential::Credential,
    facts::Facts,
    token::{Malformed, Token},
    verified::Fingerprint,
    verify::{Failure, Verifier},
};

/// A credential taken apart, with the questions that the set has to answer.
pub(crate) struct Parsed<'a> {
    pub(crate) kind: CredentialKind,
    pub(crate) usable: bool,
    reading: Reading<'a>,
    pub(crate) facts: Arc<Facts>,
}

/// What a credential is, once it is read.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each credential, and it never moves"
)]
enum Reading<'a> {
    /// A token, and what it may be remembered by.
    Token(Token<'a>, Option<Fingerprint>),
    /// A token that was verified before: nobody has to read it again.
    Known,
    /// Claims that the gateway has verified.
    Verified,
    /// No token.
    Malformed,
    /// Too long to be read, and too long to be a name: somebody else may find a token in it, with a `jti` that is revoked.
    Unseen,
}

impl<'a> Parsed<'a> {
    pub(crate) fn found(credential: &'a Credential<'_>, verifier: &Verifier<'_>) -> Self {
        let text = &*credential.text;
        let fingerprint = match credential.usable {
            true => verifier.fingerprint(credential.kind, text),
            false => None,
        };
        let known = fingerprint.and_then(|fingerprint| verifier.recall(&fingerprint));
        let (reading, facts) = match known {
            Some(facts) => (Reading::Known, facts),
            None => read(text, fingerprint),
        };
        Self {
            kind: credential.kind,
            usable: credential.usable,
            reading,
            facts,
        }
    }

    /// What the gateway says it has verified is a bearer token, in whatever place that stood.
    pub(crate) fn verified(verified: &'a VerifiedClaims) -> Self {
        let facts = Facts::of_claims(&verified.claims);
        let (reading, facts) = match verified.is_usable() {
            true => (Reading::Verified, facts),
            // What it does say can be revoked all the same.
            false => (Reading::Malformed, facts),
        };
        Self {
            kind: CredentialKind::Bearer,
            usable: true,
            reading,
            facts: Arc::new(facts),
        }
    }

    pub(crate) fn is_readable(&self) -> bool {
        !matches!(self.reading, Reading::Malformed | Reading::Unseen)
    }

    /// Whether the set could be asked for it.
    pub(crate) fn is_seen(&self) -> bool {
        !matches!(self.reading, Reading::Unseen)
    }

    /// Keys of API Manager have no `azp` and no `entity_id`: what they lack says nothing.
    pub(crate) fn lacking(&self) -> Lacking {
        match self.kind {
            CredentialKind::Bearer => self.facts.lacking,
            CredentialKind::ApiKey | CredentialKind::InternalKey => Lacking::NOTHING,
        }
    }

    pub(crate) fn revoked(&self, view: &View) -> Option<Reason> {
        if self.facts.ids.iter().any(|id| view.has_token(*id)) {
            return Some(Reason::TokenRevoked);
        }
        if self.is_not_newer(self.facts.app.and_then(|id| view.app_revoked_at(id))) {
            return Some(Reason::AppRevoked);
        }
        self.is_not_newer(
            self.facts
                .subject
                .and_then(|id| view.subject_revoked_at(id)),
        )
        .then_some(Reason::SubjectRevoked)
    }

    /// A token that was issued in the second of the revocation is revoked too: nobody can tell which came first. So is one
    /// that does not say when it was issued.
    fn is_not_newer(&self, revoked_at: Option<UnixMillis>) -> bool {
        let issued_at = self.facts.iat.0;
        revoked_at.is_some_and(|revoked_at| {
            issued_at.is_none_or(|issued_at| issued_at <= revoked_at.second())
        })
    }

    /// What a revoked credential of this kind is told: by the original's text, or where the original would not have
    /// looked at it, as if it were not there.
    pub(crate) fn revoked_answer(&self) -> Answer {
        match (&self.reading, self.kind) {
            (Reading::Malformed | Reading::Unseen, _) if self.usable => self.undecodable(),
            (Reading::Malformed | Reading::Unseen, _) => Answer::NoCredential,
            (_, CredentialKind::Bearer) => Answer::InvalidJwt,
            (_, CredentialKind::ApiKey | CredentialKind::InternalKey) => Answer::InvalidCredentials,
        }
    }

    fn undecodable(&self) -> Answer {
        match self.kind {
            CredentialKind::Bearer => Answer::UndecodableJwt,
            CredentialKind::ApiKey => Answer::ApiKeyFailed,
            CredentialKind::InternalKey => Answer::InternalKeyFailed,
        }
    }

    /// Whether it is good. Returns whether its signature was known to be.
    pub(crate) fn verify(&self, verifier: &Verifier<'_>) -> Result<bool, Failure> {
        let Self { kind, facts, .. } = self;
        match &self.reading {
            Reading::Token(token, fingerprint) => verifier
                .verify(*kind, token, facts, *fingerprint)
                .map(|()| false),
            Reading::Known => verifier.facts(*kind, facts).map(|()| true),
            Reading::Verified => verifier.facts(*kind, facts).map(|()| false),
            Reading::Malformed | Reading::Unseen => Err(Failure {
                answer: self.undecodable(),
                reason: Reason::Malformed,
            }),
        }
    }
}

/// Reads the text of a credential.
fn read(text: &str, fingerprint: Option<Fingerprint>) -> (Reading<'_>, Arc<Facts>) {
    match Token::parse(text) {
        Ok(token) => {
            let facts = Facts::of_token(&token);
            (Reading::Token(token, fingerprint), Arc::new(facts))
        }
        // An opaque token is its own name.
        Err(Malformed) if text.len() <= Identifier::MAX_BYTES => {
            let facts = Facts::of_unreadable(vec![TokenId::of(text)]);
            (Reading::Malformed, Arc::new(facts))
        }
        Err(Malformed) => (Reading::Unseen, Arc::default()),
    }
}
