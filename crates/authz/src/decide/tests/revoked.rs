//! What is revoked is refused, before and whatever else.

use super::*;
use crate::testing::{EXAMPLE_API_KEY, EXAMPLE_TOKEN, pad_signature};

fn token_revoked(row: Row) {
    row.denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
}

#[test]
fn a_revoked_token_is_refused_by_its_jti() {
    token_revoked(row("plain").bearer(with_jti(JTI)).revoked(JTI));
    token_revoked(
        row("among others")
            .bearer(with_jti(JTI))
            .revoked("x")
            .revoked(JTI)
            .revoked("y"),
    );
    token_revoked(
        row("a jti that is no UUID")
            .bearer(with_jti("any text"))
            .revoked("any text"),
    );
    row("another token passes")
        .bearer(with_jti("another"))
        .revoked(JTI)
        .allowed(Bearer);
    row("a jti in capitals is another")
        .bearer(with_jti(JTI))
        .revoked(&JTI.to_uppercase())
        .allowed(Bearer);
}

#[test]
fn revocation_is_decided_before_everything_else() {
    let forged = ISSUER_B.sign(
        r#"{"alg":"RS256","kid":"a"}"#,
        &format!(r#"{{"iss":"{ISSUER}","exp":{},"jti":"{JTI}"}}"#, NOW + 60),
    );
    token_revoked(row("a bad signature").bearer(forged).revoked(JTI));
    token_revoked(
        row("the document's token: expired, of an unknown key")
            .bearer(EXAMPLE_TOKEN)
            .revoked(JTI),
    );
    let unknown = ISSUER_A.sign(
        r#"{"alg":"HS256"}"#,
        &format!(r#"{{"iss":"nobody","jti":"{JTI}"}}"#),
    );
    token_revoked(row("an unknown issuer").bearer(unknown).revoked(JTI));
}

#[test]
fn a_token_without_jti_is_refused_by_its_signature_in_any_spelling() {
    let token = token(r#""sub":"a""#);
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let padded = pad_signature(&signature_of(&token));
    token_revoked(row("as it was sent").bearer(&token).revoked(&signature));
    token_revoked(
        row("sent padded, stored bare")
            .bearer(pad_signature(&token))
            .revoked(&signature),
    );
    token_revoked(
        row("sent bare, stored padded")
            .bearer(&token)
            .revoked(padded.trim_start_matches('.')),
    );
    token_revoked(
        row("with a stray character")
            .bearer(format!("{token},"))
            .revoked(&signature),
    );
    token_revoked(
        row("in the other alphabet")
            .bearer(other_alphabet(&token))
            .revoked(&signature),
    );
    let spare_bits = with_other_spare_bits(&token);
    assert_ne!(spare_bits, token);
    token_revoked(
        row("with other spare bits")
            .bearer(spare_bits)
            .revoked(&signature),
    );
}

fn signature_of(token: &str) -> String {
    format!(".{}", token.rsplit('.').next().unwrap())
}

fn other_alphabet(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    format!("{input}.{}", signature.replace('-', "+").replace('_', "/"))
}

/// 256 bytes leave 4 spare bits in the last character.
fn with_other_spare_bits(token: &str) -> String {
    let mut token = token.to_owned();
    let last = token.pop().unwrap();
    token.push(char::from(last as u8 + 1));
    token
}

#[test]
fn an_application_is_refused_for_what_was_issued_up_to_the_second_of_its_revocation() {
    let issued = |iat: u64| token(&format!(r#""jti":"{JTI}","azp":"app","iat":{iat}"#));
    let refused = |row: Row| row.denied(Answer::InvalidJwt, Reason::AppRevoked, Bearer);
    let at = NOW * 1000;
    refused(row("before").bearer(issued(NOW - 1)).revoked_app("app", at));
    refused(
        row("in the same second")
            .bearer(issued(NOW))
            .revoked_app("app", at),
    );
    refused(
        row("in the same second, revoked at its end")
            .bearer(issued(NOW))
            .revoked_app("app", at + 999),
    );
    row("in the next second")
        .bearer(issued(NOW + 1))
        .revoked_app("app", at + 999)
        .allowed(Bearer);
    row("another application")
        .bearer(issued(NOW - 1))
        .revoked_app("other", at)
        .allowed(Bearer);
    row("the name as a token's is another")
        .bearer(issued(NOW - 1))
        .revoked("app")
        .allowed(Bearer);
    row("the name as a subject's is another")
        .bearer(issued(NOW - 1))
        .revoked_subject("app", at)
        .allowed(Bearer);
    refused(
        row("no iat")
            .bearer(token(r#""azp":"app""#))
            .revoked_app("app", 1),
    );
    refused(
        row("an iat that is null")
            .bearer(token(r#""azp":"app","iat":null"#))
            .revoked_app("app", 1),
    );
    row("no azp")
        .bearer(token(r#""iat":1"#))
        .revoked_app("app", at)
        .allowed(Bearer);
    row("an empty azp")
        .bearer(token(r#""iat":1,"azp":"""#))
        .revoked_app("", at)
        .allowed(Bearer);
    refused(
        row("the latest moment counts")
            .bearer(issued(NOW - 1))
            .revoked_app("app", at)
            .revoked_app("app", 1),
    );
}

#[test]
fn a_subject_is_refused_by_its_entity_id() {
    let issued = |iat: u64| {
        token(&format!(
            r#""jti":"{JTI}","entity_id":"user","azp":"app","sub":"name","iat":{iat}"#
        ))
    };
    let refused = |row: Row| row.denied(Answer::InvalidJwt, Reason::SubjectRevoked, Bearer);
    let at = NOW * 1000;
    refused(
        row("before")
            .bearer(issued(NOW - 1))
            .revoked_subject("user", at),
    );
    refused(
        row("in the same second")
            .bearer(issued(NOW))
            .revoked_subject("user", at),
    );
    row("in the next second")
        .bearer(issued(NOW + 1))
        .revoked_subject("user", at)
        .allowed(Bearer);
    row("neither azp")
        .bearer(issued(NOW - 1))
        .revoked_subject("app", at)
        .allowed(Bearer);
    row("nor sub")
        .bearer(issued(NOW - 1))
        .revoked_subject("name", at)
        .allowed(Bearer);
    row("nor as an application")
        .bearer(issued(NOW - 1))
        .revoked_app("user", at)
        .allowed(Bearer);
    refused(
        row("no iat")
            .bearer(token(r#""entity_id":"user""#))
            .revoked_subject("user", 1),
    );
    row("a stock token carries no entity_id")
        .bearer(with_jti(JTI))
        .revoked_subject("user", at)
        .allowed(Bearer);
}

#[test]
fn a_revoked_key_has_another_body_than_a_revoked_token() {
    let refused =
        |kind| move |row: Row| row.denied(Answer::InvalidCredentials, Reason::TokenRevoked, kind);
    let (key, internal) = (refused(ApiKey), refused(InternalKey));
    key(row("in the header")
        .key(api_key(r#""jti":"k""#))
        .revoked("k"));
    key(row("in the query")
        .path(format!("/?apikey={}", api_key(r#""jti":"k""#)))
        .revoked("k"));
    key(row("the document's example")
        .key(EXAMPLE_API_KEY)
        .revoked("ec61d24f-8786-4eb9-bfb7-e7a20d0295f6"));
    key(row("the example without padding")
        .key(EXAMPLE_API_KEY.replace('=', ""))
        .revoked("ec61d24f-8786-4eb9-bfb7-e7a20d0295f6"));
    internal(
        row("an internal key")
            .internal(internal_key(r#""jti":"k""#))
            .revoked("k"),
    );
    let nameless = api_key(r#""x":1"#);
    let signature = nameless.rsplit('.').next().unwrap().to_owned();
    key(row("a key without jti, by its signature")
        .key(&nameless)
        .revoked(&signature));
    key(row("the same, sent without padding")
        .key(nameless.replace('=', ""))
        .revoked(&signature));
}

#[test]
fn an_opaque_token_that_is_revoked_is_refused_even_beside_a_good_key() {
    let opaque = "e4cb79d6-c22e-386a-a1eb-0494208e9976";
    row("alone").bearer(opaque).revoked(opaque).denied(
        Answer::NoCredential,
        Reason::TokenRevoked,
        Bearer,
    );
    row("beside a good key")
        .bearer(opaque)
        .key(api_key(r#""jti":"k""#))
        .revoked(opaque)
        .denied(Answer::NoCredential, Reason::TokenRevoked, Bearer);
    row("another opaque token does not matter")
        .bearer("opaque")
        .key(api_key(r#""jti":"k""#))
        .revoked(opaque)
        .allowed(ApiKey);
}

#[test]
fn an_empty_identifier_in_the_set_refuses_nobody() {
    row("with jti")
        .bearer(with_jti(JTI))
        .revoked("")
        .allowed(Bearer);
    row("without jti")
        .bearer(token(r#""jti":"","azp":"","entity_id":"","iat":1"#))
        .revoked("")
        .revoked_app("", NOW * 1000)
        .revoked_subject("", NOW * 1000)
        .allowed(Bearer);
}
