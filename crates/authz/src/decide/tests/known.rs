//! Signatures that were verified before.

use super::*;

fn knowing(row: &Row) -> Policy {
    row.policy().with_known(Arc::new(VerifiedTokens::new(64)))
}

fn known(decision: &Decision) -> Option<bool> {
    match decision {
        Decision::Allow(permit) => Some(permit.known),
        Decision::Deny(_) => None,
    }
}

#[test]
fn a_signature_is_verified_once() {
    let row = row("").bearer(with_jti(JTI));
    let policy = knowing(&row);
    for expected in [false, true, true] {
        assert_eq!(known(&row.decide_by(&policy, &KEYS)), Some(expected));
    }
}

#[test]
fn a_revocation_beats_what_is_known() {
    let token = token(&format!(
        r#""jti":"{JTI}","iat":{NOW},"azp":"app","entity_id":"user""#
    ));
    let before = row("").bearer(&token);
    let policy = knowing(&before);
    before.decide_by(&policy, &KEYS);
    assert_eq!(known(&before.decide_by(&policy, &KEYS)), Some(true));
    for revoked in [
        row("").bearer(&token).revoked(JTI),
        row("").bearer(&token).revoked_app("app", NOW * 1000),
        row("").bearer(&token).revoked_subject("user", NOW * 1000),
    ] {
        let decision = revoked.decide_by(&policy, &KEYS);
        // To the byte what somebody is told who comes for the first time.
        assert_eq!(decision, revoked.decide_by(&revoked.policy(), &KEYS));
        assert_eq!(known(&decision), None);
    }
}

#[test]
fn a_revocation_by_signature_beats_what_is_known() {
    let token = token(r#""iat":1"#);
    let (_, signature) = token.rsplit_once('.').unwrap();
    let before = row("").bearer(&token);
    let policy = knowing(&before);
    before.decide_by(&policy, &KEYS);
    assert_eq!(known(&before.decide_by(&policy, &KEYS)), Some(true));
    let revoked = row("").bearer(&token).revoked(signature);
    assert_eq!(known(&revoked.decide_by(&policy, &KEYS)), None);
}

#[test]
fn a_known_token_is_permitted_as_it_was_when_it_was_not() {
    let row = row("").bearer(with_jti(JTI));
    let policy = knowing(&row);
    let first = row.decide_by(&policy, &KEYS);
    let Decision::Allow(second) = row.decide_by(&policy, &KEYS) else {
        panic!("refused");
    };
    assert!(second.known);
    let as_first = Permit {
        known: false,
        ..second
    };
    assert_eq!(first, Decision::Allow(as_first));
}

#[test]
fn what_has_a_huge_name_is_not_remembered() {
    let row = row("").bearer(with_jti(&"x".repeat(129)));
    let policy = knowing(&row);
    for _ in 0..3 {
        assert_eq!(known(&row.decide_by(&policy, &KEYS)), Some(false));
    }
}

#[test]
fn time_goes_on_for_what_is_known() {
    let at = |now| row("").bearer(with_jti(JTI)).now(now);
    let policy = knowing(&at(NOW));
    at(NOW).decide_by(&policy, &KEYS);
    assert_eq!(known(&at(NOW + 3604).decide_by(&policy, &KEYS)), Some(true));
    for late in [NOW + 3605, NOW + 1_000_000] {
        assert_eq!(known(&at(late).decide_by(&policy, &KEYS)), None);
    }
}

#[test]
fn keys_that_change_forget_everything() {
    let row = row("").bearer(with_jti(JTI));
    let policy = knowing(&row);
    let mut keys = KEYS.clone();
    row.decide_by(&policy, &keys);
    // A clone that nobody has changed is the same keys.
    assert_eq!(known(&row.decide_by(&policy, &KEYS)), Some(true));
    keys.insert_issuer(ISSUER, IssuerKeys::from_jwks(Jwks::default()));
    assert_eq!(known(&row.decide_by(&policy, &keys)), None);
    assert_eq!(known(&row.decide_by(&policy, &KeySet::default())), None);
}

#[test]
fn a_forged_token_with_a_known_jti_is_another_token() {
    let good = row("").bearer(with_jti(JTI));
    let policy = knowing(&good);
    good.decide_by(&policy, &KEYS);
    let claims = format!(r#"{{"iss":"{ISSUER}","exp":{},"jti":"{JTI}"}}"#, NOW + 3600);
    let forged = ISSUER_B.sign(r#"{"alg":"RS256","kid":"a"}"#, &claims);
    for _ in 0..2 {
        let decision = row("").bearer(&forged).decide_by(&policy, &KEYS);
        assert_eq!(known(&decision), None);
        assert_eq!(known(&good.decide_by(&policy, &KEYS)), Some(true));
    }
}

#[test]
fn a_known_token_is_not_a_known_key() {
    // Signed by API Manager's own key, which signs keys and no tokens.
    let key = api_key(r#""jti":"k""#);
    let good = row("").key(&*key);
    let policy = knowing(&good);
    good.decide_by(&policy, &KEYS);
    let as_token = row("").bearer(&key).decide_by(&policy, &KEYS);
    assert_eq!(known(&as_token), None);
}

#[test]
fn where_time_alone_is_looked_at_nothing_is_remembered() {
    let unverified = row("").time_only().bearer(ISSUER_B.sign(
        r#"{"alg":"RS256","kid":"a"}"#,
        &format!(r#"{{"iss":"{ISSUER}","exp":{}}}"#, NOW + 60),
    ));
    let known_tokens = Arc::new(VerifiedTokens::new(8));
    let lax = unverified.policy().with_known(Arc::clone(&known_tokens));
    assert_eq!(known(&unverified.decide_by(&lax, &KEYS)), Some(false));
    let strict =
        Policy::new(CredentialNames::default(), Verification::Full, false).with_known(known_tokens);
    assert_eq!(known(&unverified.decide_by(&strict, &KEYS)), None);
}
