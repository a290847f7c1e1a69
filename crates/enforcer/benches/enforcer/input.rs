//! Tokens as API Manager makes them, 1.3 kB with RS256, and an engine that knows their key.

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use prometheus_client::registry::Registry;
use rescind_authz::{
    CredentialNames, IssuerKeys, Jwks, KeySet, Policy, Verification, VerifiedTokens,
};
use rescind_enforcer::{
    age::Age,
    clock::SystemClock,
    engine::Engine,
    keys::Keys,
    metrics::Metrics,
    readiness::Readiness,
    staleness::{Freshness, StaleSettings},
};
use rescind_proto::envoy::service::auth::v3::{
    AttributeContext, CheckRequest,
    attribute_context::{HttpRequest, Request},
};
use rescind_revocation::{Entry, Expiry, RevokedSet, TokenId, UnixSeconds};
use rescind_runtime::Health;

const ISSUER: &str = "https://localhost:9443/oauth2/token";

pub(crate) struct Signer(RsaKeyPair);

impl Signer {
    pub(crate) fn new() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// A token with all that API Manager puts into one.
    pub(crate) fn token(&self, n: usize) -> String {
        let header = r#"{"x5t":"MzYxMmFkOGYwMWI0ZWNmNDcxNGYwYmM4ZTA3MWI2NDAzZGQzNGM0ZGRlNjJkODFkZDRiOTFkMWFhMzU2ZGVlNg","kid":"MzYxMmFkOGYwMWI0ZWNmNDcxNGYwYmM4ZTA3MWI2NDAzZGQzNGM0ZGRlNjJkODFkZDRiOTFkMWFhMzU2ZGVlNg_RS256","alg":"RS256"}"#;
        let payload = format!(
            r#"{{"sub":"vajira-dev","aut":"APPLICATION_USER","aud":"HDeTH4QnDwc9klPtQ9672zFUfXka","nbf":1619852296,"azp":"HDeTH4QnDwc9klPtQ9672zFUfXka","scope":"read:pets","iss":"{ISSUER}","realm":{{"signing_tenant":"carbon.super","tenant":"carbon.super"}},"keytype":"PRODUCTION","subscribedAPIs":[{{"subscriberTenantDomain":"carbon.super","name":"SwaggerPetstore","context":"/v2/1.0.5","publisher":"admin","version":"1.0.5","subscriptionTier":"Unlimited"}}],"exp":9999999999,"iat":1619852296,"jti":"{:08x}-75c6-4ab5-a749-b9497aa3521a"}}"#,
            n
        );
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let input = format!("{}.{}", encode(header), encode(&payload));
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = SystemRandom::new();
        self.0
            .sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
            .unwrap();
        format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwks(&self) -> String {
        let key = self.0.public_key();
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        format!(
            r#"{{"keys":[{{"kty":"RSA","kid":"MzYxMmFkOGYwMWI0ZWNmNDcxNGYwYmM4ZTA3MWI2NDAzZGQzNGM0ZGRlNjJkODFkZDRiOTFkMWFhMzU2ZGVlNg_RS256","n":"{}","e":"{}"}}]}}"#,
            encode(key.modulus().big_endian_without_leading_zero()),
            encode(key.exponent().big_endian_without_leading_zero())
        )
    }

    /// An engine that believes this signer, with 100 000 revoked tokens.
    pub(crate) fn engine(&self, known: Option<usize>) -> Engine {
        let set = RevokedSet::new();
        set.apply(&entries(100_000), "100000-0a0b0c0d");
        let mut keys = KeySet::default();
        let jwks = Jwks::parse(self.jwks().as_bytes()).unwrap();
        keys.insert_issuer(ISSUER, IssuerKeys::from_jwks(jwks));
        let readiness = Readiness::new(&Health::new());
        readiness.complete();
        let age = Age::new(Arc::new(SystemClock));
        age.current();
        let policy = Policy::new(CredentialNames::default(), Verification::Full, false);
        let policy = match known {
            Some(capacity) => policy.with_known(Arc::new(VerifiedTokens::new(capacity))),
            None => policy,
        };
        Engine::new(
            policy,
            Keys::fixed(keys),
            Arc::new(set),
            Freshness::new(readiness, age, StaleSettings::default()),
            Metrics::register(&mut Registry::default()),
        )
    }
}

/// The `n`-th of as many tokens as one likes, with an end within two days.
pub(crate) fn entry(n: usize) -> Entry {
    let n = n as u64;
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let half = |n: u64| u128::from(mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    Entry::Token {
        id: TokenId::from_u128(half(2 * n + 1) << 64 | half(2 * n + 2)),
        expiry: Expiry::Known(UnixSeconds(1_800_000_000 + n * 7919 % 172_800)),
    }
}

pub(crate) fn entries(count: u64) -> Vec<Entry> {
    let entry = |n| Entry::Token {
        id: TokenId::of(&format!("revoked-{n}")),
        expiry: Expiry::Never,
    };
    (0..count).map(entry).collect()
}

/// A check as Envoy sends it for a browser's request.
pub(crate) fn check(token: &str) -> CheckRequest {
    let headers = [
        (":method", "GET"),
        (":path", "/v2/1.0.5/pet/findByStatus?status=available"),
        (":authority", "localhost:9095"),
        (":scheme", "https"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.9"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        ),
        ("x-request-id", "4b0bd9f0-92a6-4d8f-8be5-9ef6ef8b6b5e"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "10.0.0.1"),
        ("authorization", &format!("Bearer {token}")),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let http = HttpRequest {
        id: "13".to_owned(),
        method: "GET".to_owned(),
        path: "/v2/1.0.5/pet/findByStatus?status=available".to_owned(),
        host: "localhost:9095".to_owned(),
        scheme: "https".to_owned(),
        headers: headers.into(),
        ..HttpRequest::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}
