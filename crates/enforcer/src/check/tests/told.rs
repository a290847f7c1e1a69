//! What the metadata of a request that passes says of its credential, for Choreo Connect's interceptors.

use rescind_authz::VerificationKey;

use super::*;

/// Checks that believe one signer for everything.
fn believing(policy: Policy) -> Fixture {
    let fixture = with_policy(policy);
    let pem = fixture.signer.certificate();
    let key = || VerificationKey::from_pem(pem.as_bytes()).unwrap();
    let mut keys = KeySet::default();
    keys.insert_issuer(ISSUER, IssuerKeys::default().with_certificate(key()));
    keys.set_internal_key(key());
    fixture.readiness.complete();
    fixture.age.current();
    let (policy, set) = (fixture.checks.engine.policy().clone(), RevokedSet::new());
    let engine = Engine::new(
        policy,
        Keys::fixed(keys),
        Arc::new(set),
        fixture.checks.engine.freshness().clone(),
        fixture.metrics.clone(),
    );
    Fixture {
        checks: Checks::new(engine, &[]),
        ..fixture
    }
}

fn told(response: &CheckResponse) -> [Option<&str>; 3] {
    ["tokenType", "keyType", "token"].map(|key| metadata(response, key))
}

#[test]
fn the_kind_and_the_key_type_are_told_as_the_original_does_and_the_token_never() {
    let fixture = believing(Policy::new(Default::default(), Verification::Full, false));
    let signed = |claims: &str| fixture.signer.token(&format!(r#""jti":"a"{claims}"#));
    let bearer = |claims: &str| ("authorization", format!("Bearer {}", signed(claims)));
    let key = |claims: &str| ("apikey", signed(claims));
    let internal = |claims: &str| {
        let claims = format!(r#","token_type":"InternalKey"{claims}"#);
        ("internal-key", signed(&claims))
    };
    let (sandbox, odd) = (r#","keytype":"SANDBOX""#, r#","keytype":7"#);
    for (header, token_type, key_type) in [
        (bearer(sandbox), "JWT", "SANDBOX"),
        (bearer(odd), "JWT", "7"),
        // The original takes it from the subscription, and validates none where that is switched off.
        (bearer(""), "JWT", ""),
        (key(sandbox), "API Key", "SANDBOX"),
        (key(""), "API Key", "PRODUCTION"),
        (internal(sandbox), "Internal Key", "SANDBOX"),
        (internal(""), "Internal Key", "PRODUCTION"),
    ] {
        let (name, value) = header;
        let response = fixture.answer(&check("/", &[(name, &value)]));
        assert_eq!(seen(&response), (200, ""), "{token_type}");
        assert_eq!(told(&response), [Some(token_type), Some(key_type), None]);
    }
    // A known token is told of as it was when it came first.
    let policy = Policy::new(Default::default(), Verification::Full, false);
    let known = Arc::new(rescind_authz::VerifiedTokens::new(8));
    let fixture = believing(policy.with_known(known));
    let token = fixture.signer.token(r#""jti":"a","keytype":"SANDBOX""#);
    for _ in 0..2 {
        let response = fixture.answer(&super::bearer(&token));
        assert_eq!(told(&response), [Some("JWT"), Some("SANDBOX"), None]);
    }
}

#[test]
fn nothing_is_told_of_what_is_not_there_or_does_not_pass() {
    let policy = Policy::new(Default::default(), Verification::Full, false);
    let fixture = believing(policy.with_missing_allowed(true));
    let response = fixture.answer(&check("/", &[]));
    assert_eq!(seen(&response), (200, ""));
    assert_eq!(told(&response), [None; 3]);
    let response = fixture.answer(&bearer("a.b.c"));
    assert_eq!(seen(&response).0, 401);
    assert_eq!(told(&response), [None; 3]);
}
