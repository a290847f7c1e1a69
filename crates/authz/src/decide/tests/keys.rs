//! API keys and internal keys.

use super::*;

#[test]
fn a_good_key_passes() {
    row("in the header")
        .key(api_key(r#""jti":"k""#))
        .allowed(ApiKey);
    row("without padding")
        .key(OWN.sign(r#"{"alg":"RS256"}"#, r#"{"jti":"k"}"#))
        .allowed(ApiKey);
    row("in the query")
        .path(format!("/?apikey={}", api_key(r#""jti":"k""#)))
        .allowed(ApiKey);
    row("in the query, encoded")
        .path(format!(
            "/?apikey={}",
            api_key(r#""jti":"k""#).replace('=', "%3d")
        ))
        .allowed(ApiKey);
    row("neither issuer nor kid matter")
        .key(OWN.sign(r#"{"alg":"RS256","kid":"x"}"#, r#"{"iss":"x","jti":"k"}"#))
        .allowed(ApiKey);
    row("an internal key")
        .internal(internal_key(r#""jti":"k""#))
        .allowed(InternalKey);
    row("an internal key between blanks")
        .internal(format!("  {} ", internal_key(r#""jti":"k""#)))
        .allowed(InternalKey);
    row("other names")
        .names(CredentialNames::new(
            "authorization",
            "X-Key",
            "key",
            "X-Internal",
        ))
        .path(format!("/?key={}", api_key(r#""jti":"k""#)))
        .allowed(ApiKey);
}

#[test]
fn a_key_without_an_end_never_expires_and_one_with_an_end_does() {
    row("no exp")
        .now(u64::MAX)
        .key(api_key(r#""jti":"k""#))
        .allowed(ApiKey);
    row("no exp")
        .now(u64::MAX)
        .internal(internal_key(r#""jti":"k""#))
        .allowed(InternalKey);
    row("not yet")
        .key(api_key(&format!(r#""exp":{}"#, NOW - 4)))
        .allowed(ApiKey);
    row("over")
        .key(api_key(&format!(r#""exp":{}"#, NOW - 5)))
        .denied(Answer::InvalidCredentials, Reason::Expired, ApiKey);
    row("over")
        .internal(internal_key(&format!(r#""exp":{}"#, NOW - 5)))
        .denied(Answer::InvalidCredentials, Reason::Expired, InternalKey);
}

#[test]
fn a_bad_key_is_refused_by_its_kind() {
    let other = |token_type: &str| {
        ISSUER_A.sign_padded(
            r#"{"alg":"RS256"}"#,
            &format!(r#"{{"jti":"k","token_type":"{token_type}"}}"#),
        )
    };
    row("an API key of another signer")
        .key(other("apiKey"))
        .denied(Answer::ApiKeyFailed, Reason::Signature, ApiKey);
    row("an internal key of another signer")
        .internal(other("InternalKey"))
        .denied(Answer::InvalidCredentials, Reason::Signature, InternalKey);
    row("no API key")
        .key("not.a.key")
        .denied(Answer::ApiKeyFailed, Reason::Malformed, ApiKey);
    row("no internal key").internal("not.a.key").denied(
        Answer::InternalKeyFailed,
        Reason::Malformed,
        InternalKey,
    );
    row("an algorithm that is not taken")
        .key(OWN.sign(r#"{"alg":"HS256"}"#, "{}"))
        .denied(Answer::ApiKeyFailed, Reason::Algorithm, ApiKey);
    row("an internal key as an API key")
        .key(internal_key(r#""jti":"k""#))
        .denied(Answer::InvalidCredentials, Reason::WrongType, ApiKey);
    row("an API key as an internal key")
        .internal(api_key(r#""jti":"k""#))
        .denied(Answer::NoCredential, Reason::WrongType, InternalKey);
    row("bad signature before expiry")
        .key(ISSUER_A.sign(r#"{"alg":"RS256"}"#, r#"{"exp":1}"#))
        .denied(Answer::ApiKeyFailed, Reason::Signature, ApiKey);
}

#[test]
fn api_keys_have_their_own_key_where_there_is_one() {
    let pem = |key: &crate::testing::Signer| {
        VerificationKey::from_pem(key.public_pem().as_bytes()).unwrap()
    };
    let mut keys = KeySet::default();
    keys.set_internal_key(pem(&OWN));
    keys.set_api_key(pem(&ISSUER_B));
    let own = ISSUER_B.sign_padded(r#"{"alg":"RS256"}"#, r#"{"jti":"k"}"#);
    assert!(matches!(
        row("").key(own).decide_with(&keys),
        Decision::Allow(_)
    ));
    assert!(matches!(
        row("").key(api_key(r#""jti":"k""#)).decide_with(&keys),
        Decision::Deny(_)
    ));
    assert!(matches!(
        row("")
            .internal(internal_key(r#""jti":"k""#))
            .decide_with(&keys),
        Decision::Allow(_)
    ));
}
