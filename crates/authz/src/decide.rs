//! One request, one decision: from one version of the revoked set, with revocation before everything else.

use std::sync::Arc;

use rescind_revocation::{Identifier, RevokedSet, UnixSeconds};

use crate::{
    Answer, CredentialKind, CredentialNames, Denial, Endpoints, Headers, KeySet, KeyType, Lacking,
    Reason, Request, VerifiedTokens,
    credential::{self, TooMany, query},
    parsed::Parsed,
    verify::{Failure, Verifier},
};

/// How far clocks may differ: a token is good while `exp` and this lie after now. Choreo Connect's value.
const SKEW_SECONDS: u64 = 5;

/// How requests are decided.
#[derive(Debug, Clone)]
pub struct Policy {
    names: CredentialNames,
    verification: Verification,
    outbound_bearer: bool,
    skew: u64,
    required: Lacking,
    missing_allowed: bool,
    known: Option<Arc<VerifiedTokens>>,
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
    /// Nothing: revocation alone is decided, and the claims that it needs are demanded where they must be there. For a
    /// gateway that asks somebody else too.
    RevocationOnly,
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
    /// Which kind of credential let it pass; `None` where it has none and needs none.
    pub credential: Option<CredentialKind>,
    /// The credential's `jti`.
    pub identifier: Option<Identifier>,
    /// Whether the credential is for production or for a sandbox, as it says itself: its `keytype`.
    pub key_type: Option<Arc<str>>,
    /// Claims that a bearer token lacks, so that it cannot be revoked by everything.
    pub lacking: Lacking,
    /// Whether the signature had been verified before.
    pub known: bool,
    /// Which endpoint it is for.
    pub endpoint: KeyType,
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
        Self {
            remove_headers: names.to_remove(outbound_bearer).map(Box::from).collect(),
            names,
            verification,
            outbound_bearer,
            skew: SKEW_SECONDS,
            required: Lacking::NOTHING,
            missing_allowed: false,
            known: None,
        }
    }

    /// How far clocks may differ, in seconds, if not Choreo Connect's 5.
    #[must_use]
    pub fn with_skew(mut self, seconds: u64) -> Self {
        self.skew = seconds;
        self
    }

    /// Refuses bearer tokens that lack any of these claims.
    #[must_use]
    pub fn with_required(mut self, claims: Lacking) -> Self {
        self.required = claims;
        self
    }

    /// With `true`, lets a request pass that has nothing in any credential's place, for a gateway that knows which ones
    /// need one. What is there must still be good.
    #[must_use]
    pub fn with_missing_allowed(mut self, allowed: bool) -> Self {
        self.missing_allowed = allowed;
        self
    }

    /// Remembers verified signatures in `known`.
    #[must_use]
    pub fn with_known(mut self, known: Arc<VerifiedTokens>) -> Self {
        self.known = Some(known);
        self
    }

    /// Where credentials are looked for, where a route does not say.
    pub fn names(&self) -> &CredentialNames {
        &self.names
    }

    /// Decides on one request.
    ///
    /// Any revoked credential refuses it, and any that is too long to be looked at. That is stricter than the original,
    /// which lets a request pass whose other credential is good; who holds a revoked token must not profit from what stands
    /// beside it, and who is asked next must not get what nobody has looked at. Then the first usable
    /// credential that verifies lets it pass; if none does, the first failure is the answer. What the gateway has verified
    /// comes before what stands in the request.
    pub fn decide<H: Headers + ?Sized>(
        &self,
        request: &Request<'_, H>,
        keys: &KeySet,
        set: &RevokedSet,
        now: UnixSeconds,
    ) -> Decision {
        let names = request.names.unwrap_or(&self.names);
        let credentials = match credential::find(request, names) {
            Ok(credentials) => credentials,
            Err(TooMany) => return too_many(set),
        };
        let verifier = Verifier {
            keys,
            signatures: self.verification == Verification::Full,
            skew: self.skew,
            required: self.required,
            known: self.known.as_deref(),
            endpoints: request.endpoints,
            now,
        };
        let verified = request.verified.iter().map(Parsed::verified);
        let found = credentials
            .iter()
            .map(|credential| Parsed::found(credential, &verifier));
        let parsed: Vec<_> = verified.chain(found).collect();
        let (version, revoked) = ask(set, &parsed);
        let refused = revoked.or_else(|| unseen(&parsed));
        let good = match refused {
            Some(refusal) => Err(refusal),
            None if self.verification == Verification::RevocationOnly => self.unverified(&parsed),
            None if parsed.is_empty() && self.missing_allowed => verifier
                .has_endpoint(of_nobody(request.endpoints))
                .map(|()| None)
                .map_err(|failure| (None, failure)),
            None => first_good(&parsed, &verifier).map(Some),
        };
        match good {
            Ok(good) => Decision::Allow(self.permit(request, good, version)),
            Err((credential, Failure { answer, reason })) => Decision::Deny(Denial {
                answer,
                reason,
                credential,
                version,
            }),
        }
    }

    /// How a request goes on that `good` lets pass.
    fn permit<H: Headers + ?Sized>(
        &self,
        request: &Request<'_, H>,
        good: Option<(&Parsed<'_>, bool)>,
        version: Arc<str>,
    ) -> Permit {
        let names = request.names.unwrap_or(&self.names);
        Permit {
            credential: good.map(|(good, _)| good.kind),
            identifier: good.and_then(|(good, _)| good.facts.identifier.clone()),
            lacking: good.map_or(Lacking::NOTHING, |(good, _)| good.lacking()),
            known: good.is_some_and(|(_, known)| known),
            key_type: good.and_then(|(good, _)| good.facts.key_type.clone()),
            endpoint: good.map_or_else(
                || of_nobody(request.endpoints),
                |(good, _)| good.facts.endpoint(),
            ),
            remove_headers: self.remove_headers(request.names),
            path: query::without_all(request.path, names.api_key_queries()),
            version,
        }
    }

    /// The first credential that can be read, if there is any, whether it is good or not.
    fn unverified<'p, 'a>(
        &self,
        parsed: &'p [Parsed<'a>],
    ) -> Result<Option<(&'p Parsed<'a>, bool)>, Refusal> {
        let mut read = parsed
            .iter()
            .filter(|credential| credential.usable && credential.is_readable());
        let lacks = |credential: &&Parsed<'_>| credential.lacking().any_of(self.required);
        match read.clone().find(lacks) {
            Some(credential) => Err((
                Some(credential.kind),
                Failure {
                    answer: Answer::InvalidCredentials,
                    reason: Reason::MissingClaim,
                },
            )),
            None => Ok(read.next().map(|first| (first, false))),
        }
    }

    /// The policy's own, and what a route has instead of them.
    fn remove_headers(&self, route: Option<&CredentialNames>) -> Arc<[Box<str>]> {
        match route {
            Some(names) => names
                .to_remove(self.outbound_bearer)
                .map(Box::from)
                .collect(),
            None => Arc::clone(&self.remove_headers),
        }
    }
}

/// Whom a request without a credential is for.
fn of_nobody(endpoints: Option<Endpoints>) -> KeyType {
    endpoints.map_or(KeyType::default(), Endpoints::of_nobody)
}

/// A refusal, and the kind of credential that it is about.
type Refusal = (Option<CredentialKind>, Failure);

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

/// The first credential that nobody could look at: what nobody has asked for in the set goes nowhere.
fn unseen(parsed: &[Parsed<'_>]) -> Option<Refusal> {
    let unseen = parsed.iter().find(|credential| !credential.is_seen())?;
    let failure = Failure {
        answer: unseen.revoked_answer(),
        reason: Reason::Malformed,
    };
    Some((Some(unseen.kind), failure))
}

/// The first credential that lets the request pass, and whether it was known.
fn first_good<'p, 'a>(
    parsed: &'p [Parsed<'a>],
    verifier: &Verifier<'_>,
) -> Result<(&'p Parsed<'a>, bool), Refusal> {
    let mut first_failure = None;
    for credential in parsed.iter().filter(|credential| credential.usable) {
        match credential.verify(verifier) {
            Ok(known) => return Ok((credential, known)),
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
