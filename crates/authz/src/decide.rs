//! One request, one decision: from one version of the revoked set, with revocation before everything else.

use std::sync::Arc;

use rescind_revocation::{Identifier, RevokedSet, TokenId, UnixMillis, UnixSeconds, View};

use crate::{
    Answer, CredentialKind, CredentialNames, Denial, Headers, KeySet, Reason, Request,
    credential::{self, Credential, TooMany, query},
    token::{Malformed, Token},
    verify::{Failure, Verifier},
};

/// How far clocks may differ: a token is good while `exp` and this lie after now. Choreo Connect's value.
const SKEW_SECONDS: u64 = 5;

/// How requests are decided.
#[derive(Debug, Clone)]
pub struct Policy {
    names: CredentialNames,
    verification: Verification,
    remove_headers: Arc<[Box<str>]>,
}

/// Whether credentials are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// Issuer, signature and time.
    #[default]
    Full,
    /// Time alone, for a gateway that has verified issuer and signature before it asks.
    TimeOnly,
}

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It passes.
    Allow(Permit),
    /// It is refused.
    Deny(Denial),
}

/// The evidence that a request may pass, and how it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// Which kind of credential let it pass.
    pub credential: CredentialKind,
    /// The credential's `jti`.
    pub identifier: Option<Identifier>,
    /// Headers that must not reach the upstream, in lower case.
    pub remove_headers: Arc<[Box<str>]>,
    /// The request target without the API key, where it held one.
    pub path: Option<String>,
    /// The version of the set that was asked.
    pub version: Arc<str>,
}

impl Policy {
    /// A policy. With `outbound_bearer` the bearer token goes on to the upstream; keys never do.
    pub fn new(names: CredentialNames, verification: Verification, outbound_bearer: bool) -> Self {
        let keys = [names.internal_key(), names.api_key_header()];
        let bearer = (!outbound_bearer).then_some(names.bearer());
        let remove_headers = keys
            .into_iter()
            .chain(bearer)
            .filter(|name| !name.is_empty())
            .map(Box::from)
            .collect();
        Self {
            names,
            verification,
            remove_headers,
        }
    }

    /// Decides on one request.
    ///
    /// Any revoked credential refuses it. That is stricter than the original, which lets a request pass whose other
    /// credential is good; who holds a revoked token must not profit from what stands beside it. Then the first usable
    /// credential that verifies lets it pass; if none does, the first failure is the answer.
    pub fn decide<H: Headers + ?Sized>(
        &self,
        request: &Request<'_, H>,
        keys: &KeySet,
        set: &RevokedSet,
        now: UnixSeconds,
    ) -> Decision {
        let credentials = match credential::find(request, &self.names) {
            Ok(credentials) => credentials,
            Err(TooMany) => return too_many(set),
        };
        let parsed: Vec<_> = credentials.iter().map(Parsed::new).collect();
        let (version, revoked) = ask(set, &parsed);
        let verifier = Verifier {
            keys,
            signatures: self.verification == Verification::Full,
            skew: SKEW_SECONDS,
            now,
        };
        match revoked.map_or_else(|| first_good(&parsed, &verifier), Err) {
            Ok(good) => Decision::Allow(Permit {
                credential: good.kind,
                identifier: good.token.as_ref().ok().and_then(Token::identifier),
                remove_headers: Arc::clone(&self.remove_headers),
                path: query::without(request.path, self.names.api_key_query()),
                version,
            }),
            Err((credential, Failure { answer, reason })) => Decision::Deny(Denial {
                answer,
                reason,
                credential,
                version,
            }),
        }
    }
}

/// A refusal, and the kind of credential that it is about.
type Refusal = (Option<CredentialKind>, Failure);

/// A credential taken apart, with the questions that the set has to answer.
struct Parsed<'a> {
    kind: CredentialKind,
    usable: bool,
    token: Result<Token<'a>, Malformed>,
    ids: Vec<TokenId>,
    app: Option<TokenId>,
    subject: Option<TokenId>,
}

impl<'a> Parsed<'a> {
    fn new(credential: &'a Credential<'_>) -> Self {
        let token = Token::parse(&credential.text);
        let claims = token.as_ref().ok().map(|token| &token.claims);
        let id = |name: Option<&Box<str>>| name.map(|name| TokenId::of(name));
        Self {
            kind: credential.kind,
            usable: credential.usable,
            app: id(claims.and_then(|claims| claims.azp.0.as_ref())),
            subject: id(claims.and_then(|claims| claims.entity_id.0.as_ref())),
            ids: match &token {
                Ok(token) => token.ids(),
                // An opaque token is its own name.
                Err(Malformed) if credential.text.len() <= Identifier::MAX_BYTES => {
                    vec![TokenId::of(&credential.text)]
                }
                Err(Malformed) => Vec::new(),
            },
            token,
        }
    }

    fn revoked(&self, view: &View) -> Option<Reason> {
        if self.ids.iter().any(|id| view.has_token(*id)) {
            return Some(Reason::TokenRevoked);
        }
        if self.is_not_newer(self.app.and_then(|id| view.app_revoked_at(id))) {
            return Some(Reason::AppRevoked);
        }
        self.is_not_newer(self.subject.and_then(|id| view.subject_revoked_at(id)))
            .then_some(Reason::SubjectRevoked)
    }

    /// A token that was issued in the second of the revocation is revoked too: nobody can tell which came first. So is one
    /// that does not say when it was issued.
    fn is_not_newer(&self, revoked_at: Option<UnixMillis>) -> bool {
        let issued_at = self
            .token
            .as_ref()
            .ok()
            .and_then(|token| token.claims.iat.0);
        revoked_at.is_some_and(|revoked_at| {
            issued_at.is_none_or(|issued_at| issued_at <= revoked_at.second())
        })
    }

    /// What a revoked credential of this kind is told: by the original's text, or where the original would not have
    /// looked at it, as if it were not there.
    fn revoked_answer(&self) -> Answer {
        match (&self.token, self.kind) {
            (Err(Malformed), _) if self.usable => self.undecodable(),
            (Err(Malformed), _) => Answer::NoCredential,
            (Ok(_), CredentialKind::Bearer) => Answer::InvalidJwt,
            (Ok(_), CredentialKind::ApiKey | CredentialKind::InternalKey) => {
                Answer::InvalidCredentials
            }
        }
    }

    fn undecodable(&self) -> Answer {
        match self.kind {
            CredentialKind::Bearer => Answer::UndecodableJwt,
            CredentialKind::ApiKey => Answer::ApiKeyFailed,
            CredentialKind::InternalKey => Answer::InternalKeyFailed,
        }
    }

    fn verify(&self, verifier: &Verifier<'_>) -> Result<(), Failure> {
        match &self.token {
            Ok(token) => verifier.verify(self.kind, token),
            Err(Malformed) => Err(Failure {
                answer: self.undecodable(),
                reason: Reason::Malformed,
            }),
        }
    }
}

/// Asks everything in one version of the set: the answer belongs to the version that goes with it.
fn ask(set: &RevokedSet, parsed: &[Parsed<'_>]) -> (Arc<str>, Option<Refusal>) {
    set.read(|view| {
        let revoked = parsed.iter().find_map(|credential| {
            let reason = credential.revoked(view)?;
            let answer = credential.revoked_answer();
            Some((Some(credential.kind), Failure { answer, reason }))
        });
        (Arc::clone(view.version()), revoked)
    })
}

fn first_good<'p, 'a>(
    parsed: &'p [Parsed<'a>],
    verifier: &Verifier<'_>,
) -> Result<&'p Parsed<'a>, Refusal> {
    let mut first_failure = None;
    for credential in parsed.iter().filter(|credential| credential.usable) {
        match credential.verify(verifier) {
            Ok(()) => return Ok(credential),
            Err(failure) => {
                first_failure.get_or_insert((Some(credential.kind), failure));
            }
        }
    }
    Err(first_failure.unwrap_or((
        None,
        Failure {
            answer: Answer::NoCredential,
            reason: Reason::NoCredential,
        },
    )))
}

fn too_many(set: &RevokedSet) -> Decision {
    Decision::Deny(Denial {
        answer: Answer::NoCredential,
        reason: Reason::TooManyCredentials,
        credential: None,
        version: set.read(|view| Arc::clone(view.version())),
    })
}

#[cfg(test)]
mod tests;
