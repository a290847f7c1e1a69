//! The decision as a table: a request, a set, keys and a time in, the exact answer out.

use std::sync::LazyLock;

use rescind_revocation::{Entry, Expiry, TokenId, UnixMillis};

use super::*;
use crate::{
    ClaimValue, IssuerKeys, Jwks, VerificationKey, VerifiedClaims,
    testing::{ISSUER_A, ISSUER_B, OWN, jwks},
};
use CredentialKind::{ApiKey, Bearer, InternalKey};

mod attacks;
mod endpoints;
mod flaws;
mod forged;
mod gateway;
mod keys;
mod known;
mod named;
mod names;
mod passing;
mod revocation_only;
mod revoked;
mod routes;
mod several;
mod tokens;
mod twins;
mod unreadable;

pub(super) const NOW: u64 = 1_700_000_000;
pub(super) const ISSUER: &str = "https://localhost:9443/oauth2/token";
pub(super) const OTHER_ISSUER: &str = "https://other.example/token";
pub(super) const JTI: &str = "4e330dbd-75c6-4ab5-a749-b9497aa3521a";

/// Issuer A with a JWKS, issuer B with another under the same `kid`, a third with a certificate, and API Manager's own.
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let set = |key: &crate::testing::Signer, kid| {
        IssuerKeys::from_jwks(Jwks::parse(jwks(&[key.jwk(kid, "")]).as_bytes()).unwrap())
    };
    let pem = |key: &crate::testing::Signer| {
        VerificationKey::from_pem(key.public_pem().as_bytes()).unwrap()
    };
    let mut keys = KeySet::default();
    keys.insert_issuer(ISSUER, set(&ISSUER_A, "a"));
    keys.insert_issuer(OTHER_ISSUER, set(&ISSUER_B, "b"));
    keys.insert_issuer(
        "certificate",
        IssuerKeys::default().with_certificate(pem(&ISSUER_A)),
    );
    keys.insert_issuer(
        "for-pets",
        set(&ISSUER_A, "a").with_audience(["pets".into(), "dogs".into()]),
    );
    keys.insert_issuer("not-loaded", IssuerKeys::from_jwks(Jwks::default()));
    keys.set_internal_key(pem(&OWN));
    keys
});

/// A signed token of issuer A with `kid` a, from the claims that a test gives.
pub(super) fn token(claims: &str) -> String {
    ISSUER_A.sign(
        r#"{"alg":"RS256","kid":"a"}"#,
        &format!(r#"{{"iss":"{ISSUER}","exp":{},{claims}}}"#, NOW + 3600),
    )
}

/// A good token with that `jti`.
pub(super) fn with_jti(jti: &str) -> String {
    token(&format!(r#""jti":"{jti}","iat":{NOW},"azp":"app""#))
}

/// An API key as API Manager makes them.
pub(super) fn api_key(claims: &str) -> String {
    OWN.sign_padded(
        r#"{"alg":"RS256","kid":"gateway_certificate_alias","typ":"JWT"}"#,
        &format!(r#"{{"sub":"admin","token_type":"apiKey",{claims}}}"#),
    )
}

pub(super) fn internal_key(claims: &str) -> String {
    OWN.sign_padded(
        r#"{"alg":"RS256","kid":"gateway_certificate_alias"}"#,
        &format!(r#"{{"sub":"admin","token_type":"InternalKey",{claims}}}"#),
    )
}

/// Headers as bytes: not all of them are texts.
struct Sent<'h>(&'h [(String, Vec<u8>)]);

impl Headers for Sent<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }
}

/// One row: a request and what surrounds it.
pub(super) struct Row {
    name: &'static str,
    headers: Vec<(String, Vec<u8>)>,
    path: String,
    names: CredentialNames,
    verification: Verification,
    outbound_bearer: bool,
    skew: Option<u64>,
    required: Lacking,
    missing_allowed: bool,
    route: Option<CredentialNames>,
    verified: Vec<VerifiedClaims>,
    endpoints: Option<Endpoints>,
    revoked: Vec<Entry>,
    now: u64,
}

pub(super) fn row(name: &'static str) -> Row {
    Row {
        name,
        headers: Vec::new(),
        path: "/pets/1/find".into(),
        names: CredentialNames::default(),
        verification: Verification::Full,
        outbound_bearer: false,
        skew: None,
        required: Lacking::NOTHING,
        missing_allowed: false,
        route: None,
        verified: Vec::new(),
        endpoints: None,
        revoked: Vec::new(),
        now: NOW,
    }
}

impl Row {
    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into().into_bytes()));
        self
    }

    pub(super) fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    pub(super) fn key(self, key: impl Into<String>) -> Self {
        self.header("apikey", key)
    }

    pub(super) fn internal(self, key: impl Into<String>) -> Self {
        self.header("internal-key", key)
    }

    pub(super) fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(super) fn names(mut self, names: CredentialNames) -> Self {
        self.names = names;
        self
    }

    pub(super) fn time_only(mut self) -> Self {
        self.verification = Verification::TimeOnly;
        self
    }

    pub(super) fn revocation_only(mut self) -> Self {
        self.verification = Verification::RevocationOnly;
        self
    }

    pub(super) fn outbound(mut self) -> Self {
        self.outbound_bearer = true;
        self
    }

    pub(super) fn skew(mut self, seconds: u64) -> Self {
        self.skew = Some(seconds);
        self
    }

    pub(super) fn required(mut self, claims: Lacking) -> Self {
        self.required = claims;
        self
    }

    pub(super) fn missing_allowed(mut self) -> Self {
        self.missing_allowed = true;
        self
    }

    /// The route has names of its own.
    pub(super) fn route(mut self, names: CredentialNames) -> Self {
        self.route = Some(names);
        self
    }

    /// The gateway has verified a token with these claims.
    pub(super) fn verified(mut self, claims: &[(&str, ClaimValue<'_>)]) -> Self {
        let mut verified = VerifiedClaims::default();
        for (name, value) in claims {
            verified.set(name, *value);
        }
        self.verified.push(verified);
        self
    }

    /// The API has these endpoints: for production, for the sandbox.
    pub(super) fn endpoints(mut self, production: bool, sandbox: bool) -> Self {
        self.endpoints = Some(Endpoints {
            production,
            sandbox,
        });
        self
    }

    pub(super) fn now(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    pub(super) fn revoked(mut self, identifier: &str) -> Self {
        self.revoked.push(Entry::Token {
            id: TokenId::of(identifier),
            expiry: Expiry::Never,
        });
        self
    }

    pub(super) fn revoked_app(mut self, key: &str, millis: u64) -> Self {
        self.revoked.push(Entry::App {
            id: TokenId::of(key),
            revoked_at: UnixMillis(millis),
        });
        self
    }

    pub(super) fn revoked_subject(mut self, entity: &str, millis: u64) -> Self {
        self.revoked.push(Entry::Subject {
            id: TokenId::of(entity),
            revoked_at: UnixMillis(millis),
        });
        self
    }

    pub(super) fn decide(&self) -> Decision {
        self.decide_with(&KEYS)
    }

    /// Decides, and again with signatures known from earlier rows and from this one, and with other methods: none of that
    /// may change anything. Which methods pass on a stale set is decided elsewhere.
    pub(super) fn decide_with(&self, keys: &KeySet) -> Decision {
        static KNOWN: LazyLock<Arc<VerifiedTokens>> =
            LazyLock::new(|| Arc::new(VerifiedTokens::new(64)));
        let policy = self.policy();
        let decision = self.decide_by(&policy, keys);
        let knowing = policy.with_known(Arc::clone(&KNOWN));
        for method in ["GET", "POST", "OPTIONS", "connect", ""] {
            let mut again = self.decide_as(method, &knowing, keys);
            if let Decision::Allow(permit) = &mut again {
                permit.known = false;
            }
            assert_eq!(again, decision, "{}", self.name);
        }
        decision
    }

    pub(super) fn policy(&self) -> Policy {
        let policy = Policy::new(self.names.clone(), self.verification, self.outbound_bearer)
            .with_required(self.required)
            .with_missing_allowed(self.missing_allowed);
        match self.skew {
            Some(skew) => policy.with_skew(skew),
            None => policy,
        }
    }

    pub(super) fn decide_by(&self, policy: &Policy, keys: &KeySet) -> Decision {
        self.decide_as("GET", policy, keys)
    }

    fn decide_as(&self, method: &str, policy: &Policy, keys: &KeySet) -> Decision {
        let set = RevokedSet::new();
        set.apply(&self.revoked, "7-0a0b0c0d");
        let headers = Sent(&self.headers);
        let request = Request {
            names: self.route.as_ref(),
            verified: &self.verified,
            endpoints: self.endpoints,
            ..Request::new(method, &self.path, &headers)
        };
        policy.decide(&request, keys, &set, UnixSeconds(self.now))
    }

    #[track_caller]
    pub(super) fn denied(
        self,
        answer: Answer,
        reason: Reason,
        credential: impl Into<Option<CredentialKind>>,
    ) {
        let expected = Decision::Deny(Denial {
            answer,
            reason,
            credential: credential.into(),
            version: "7-0a0b0c0d".into(),
        });
        assert_eq!(self.decide(), expected, "{}", self.name);
    }

    #[track_caller]
    pub(super) fn allowed(self, credential: impl Into<Option<CredentialKind>>) -> Permit {
        let credential = credential.into();
        match self.decide() {
            Decision::Allow(permit) if permit.credential == credential => {
                assert_eq!(&*permit.version, "7-0a0b0c0d", "{}", self.name);
                permit
            }
            other => panic!("{}: {other:?}", self.name),
        }
    }
}
