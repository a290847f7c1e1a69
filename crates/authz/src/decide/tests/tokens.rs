//! Bearer tokens: shape, issuer, key, signature, time.

use super::*;
use crate::testing::{EXAMPLE_TOKEN, eddsa, es256};

/// A token of issuer A whose payload is that text.
fn signed(payload: &str) -> String {
    ISSUER_A.sign(r#"{"alg":"RS256","kid":"a"}"#, payload)
}

fn timed(claims: &str) -> String {
    signed(&format!(r#"{{"iss":"{ISSUER}","jti":"{JTI}",{claims}}}"#))
}

#[test]
fn a_good_token_passes() {
    row("plain").bearer(with_jti(JTI)).allowed(Bearer);
    row("without jti")
        .bearer(token(r#""sub":"a""#))
        .allowed(Bearer);
    row("without iat")
        .bearer(timed(&format!(r#""exp":{}"#, NOW + 1)))
        .allowed(Bearer);
    row("scheme in capitals")
        .header("Authorization", format!("BEARER {}", with_jti(JTI)))
        .allowed(Bearer);
    row("several blanks")
        .header("authorization", format!("Bearer \t {}", with_jti(JTI)))
        .allowed(Bearer);
    row("a padded signature")
        .bearer(crate::testing::pad_signature(&with_jti(JTI)))
        .allowed(Bearer);
    for algorithm in ["RS384", "RS512", "PS256"] {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"a"}}"#);
        let payload = format!(r#"{{"iss":"{ISSUER}","exp":{}}}"#, NOW + 60);
        row("another RSA algorithm")
            .bearer(ISSUER_A.sign(&header, &payload))
            .allowed(Bearer);
    }
    row("an issuer with a certificate takes any kid")
        .bearer(ISSUER_A.sign(
            r#"{"alg":"RS256","kid":"whatever"}"#,
            &format!(r#"{{"iss":"certificate","exp":{}}}"#, NOW + 60),
        ))
        .allowed(Bearer);
    row("an issuer with a certificate needs no kid")
        .bearer(ISSUER_A.sign(
            r#"{"alg":"RS256"}"#,
            &format!(r#"{{"iss":"certificate","exp":{}}}"#, NOW + 60),
        ))
        .allowed(Bearer);
}

#[test]
fn tokens_on_curves_pass() {
    let payload = format!(r#"{{"iss":"curves","exp":{}}}"#, NOW + 60);
    let (ec, ec_key) = es256("ec", r#"{"alg":"ES256","kid":"ec"}"#, &payload);
    let (ed, ed_key) = eddsa("ed", r#"{"alg":"EdDSA","kid":"ed"}"#, &payload);
    let (unfitting, unfitting_key) = es256("no", r#"{"alg":"RS256","kid":"no"}"#, &payload);
    let keys = jwks(&[ec_key, ed_key, unfitting_key]);
    let mut set = KeySet::default();
    set.insert_issuer(
        "curves",
        IssuerKeys::from_jwks(Jwks::parse(keys.as_bytes()).unwrap()),
    );
    for token in [ec, ed] {
        let decision = row("").bearer(token).decide_with(&set);
        assert!(matches!(decision, Decision::Allow(_)), "{decision:?}");
    }
    // The original knows RSA alone, and has no class for what else is found.
    let Decision::Deny(denial) = row("").bearer(unfitting).decide_with(&set) else {
        panic!("an algorithm that does not fit its key passed");
    };
    assert_eq!(
        (denial.answer, denial.reason),
        (Answer::Unclassified, Reason::Algorithm)
    );
}

#[test]
fn without_a_usable_credential_the_request_is_refused_as_such() {
    let missing = |row: Row| row.denied(Answer::NoCredential, Reason::NoCredential, None);
    missing(row("nothing at all"));
    missing(row("an empty header").header("authorization", ""));
    missing(row("a scheme alone").header("authorization", "Bearer"));
    missing(row("another scheme").header("authorization", "Basic dXNlcjpwYXNz"));
    missing(row("no scheme").header("authorization", with_jti(JTI)));
    missing(
        row("a scheme that only begins so")
            .header("authorization", format!("Bearers {}", with_jti(JTI))),
    );
    missing(row("an opaque token").bearer("e4cb79d6-c22e-386a-a1eb-0494208e9976"));
    missing(row("two parts").bearer("eyJ.eyJ"));
    missing(row("four parts").bearer("a.b.c.d"));
    missing(row("no signature").bearer("eyJ.eyJ."));
    missing(row("three words").header("authorization", format!("Bearer {} x", with_jti(JTI))));
    missing(
        row("two headers")
            .bearer(with_jti(JTI))
            .bearer(with_jti("another")),
    );
    missing(row("two tokens joined by the proxy").header(
        "authorization",
        format!("Bearer {},Bearer {}", with_jti(JTI), with_jti("another")),
    ));
    missing(row("garbage").header("authorization", "\u{0}\u{7f}é.%%%"));
    missing(
        row("another header is configured")
            .names(CredentialNames::new(
                "X-Token",
                "apikey",
                "apikey",
                "Internal-Key",
            ))
            .bearer(with_jti(JTI)),
    );
    missing(row("an empty key").key("").internal(" "));
    missing(row("a parameter in capitals").path(format!("/?APIKEY={}", api_key(r#""jti":"k""#))));
}

#[test]
fn more_credentials_than_are_looked_at_are_refused() {
    row("too many")
        .path(format!("/?{}", "apikey=a.b.c&".repeat(17)))
        .bearer(with_jti(JTI))
        .denied(Answer::NoCredential, Reason::TooManyCredentials, None);
}

#[test]
fn what_cannot_be_decoded_is_refused_as_such() {
    let refused = |row: Row| row.denied(Answer::UndecodableJwt, Reason::Malformed, Bearer);
    refused(row("three words that are none").bearer("not.a.token"));
    refused(row("no header").bearer("..c2ln"));
    refused(row("algorithm none").bearer(signed("{}").replacen(
        &encode_header(r#"{"alg":"RS256","kid":"a"}"#),
        &encode_header(r#"{"alg":"none"}"#),
        1,
    )));
    refused(row("no algorithm").bearer(ISSUER_A.sign("{}", "{}")));
    refused(row("a number as jti").bearer(token(r#""jti":7"#)));
    refused(row("two jti").bearer(token(r#""jti":"a","jti":"b""#)));
    refused(row("a text as exp").bearer(signed(&format!(r#"{{"iss":"{ISSUER}","exp":"1"}}"#))));
    refused(row("an array").bearer(signed("[]")));
    refused(row("100 kB").bearer(token(&format!(r#""jti":"{}""#, "x".repeat(100_000)))));
    refused(row("100 kB of dots at the end").bearer(format!("a.b.c{}", ".".repeat(100_000))));
}

fn encode_header(header: &str) -> String {
    crate::encoding::encode(header.as_bytes())
}

#[test]
fn an_issuer_that_is_not_known_is_refused() {
    let refused = |row: Row| row.denied(Answer::InvalidCredentials, Reason::UnknownIssuer, Bearer);
    refused(row("another issuer").bearer(signed(&format!(
        r#"{{"iss":"https://evil","exp":{}}}"#,
        NOW + 60
    ))));
    refused(row("a slash more").bearer(signed(&format!(
        r#"{{"iss":"{ISSUER}/","exp":{}}}"#,
        NOW + 60
    ))));
    refused(row("no issuer").bearer(signed(&format!(r#"{{"exp":{}}}"#, NOW + 60))));
    refused(row("an empty issuer").bearer(signed(&format!(r#"{{"iss":"","exp":{}}}"#, NOW + 60))));
    refused(
        row("the document's token, its issuer unknown")
            .bearer(EXAMPLE_TOKEN.replace("Imlzc", "Imlzd")),
    );
}

#[test]
fn a_token_without_a_key_is_refused_without_a_class() {
    let refused = |row: Row| row.denied(Answer::Unclassified, Reason::UnknownKey, Bearer);
    let payload = format!(r#"{{"iss":"{ISSUER}","exp":{}}}"#, NOW + 60);
    refused(
        row("a kid that nobody has")
            .bearer(ISSUER_A.sign(r#"{"alg":"RS256","kid":"z"}"#, &payload)),
    );
    refused(row("no kid").bearer(ISSUER_A.sign(r#"{"alg":"RS256"}"#, &payload)));
    refused(row("keys that are not loaded").bearer(ISSUER_A.sign(
        r#"{"alg":"RS256","kid":"a"}"#,
        &format!(r#"{{"iss":"not-loaded","exp":{}}}"#, NOW + 60),
    )));
    refused(row("the document's token").bearer(EXAMPLE_TOKEN));
    row("no kid, and an algorithm that is not taken")
        .bearer(ISSUER_A.sign(
            r#"{"alg":"HS256"}"#,
            &format!(r#"{{"iss":"certificate","exp":{}}}"#, NOW + 60),
        ))
        .denied(Answer::Unclassified, Reason::Algorithm, Bearer);
}

#[test]
fn a_signature_is_over_the_text_as_it_was_sent() {
    row("a stray character in the payload, which the lenient reading skips")
        .bearer(with_jti(JTI).replacen(".ey", ".{ey", 1))
        .denied(Answer::InvalidCredentials, Reason::Signature, Bearer);
}

#[test]
fn time_is_kept_with_five_seconds_of_grace() {
    let expired = |row: Row| row.denied(Answer::InvalidCredentials, Reason::Expired, Bearer);
    row("4 s over")
        .bearer(timed(&format!(r#""exp":{}"#, NOW - 4)))
        .allowed(Bearer);
    expired(row("5 s over").bearer(timed(&format!(r#""exp":{}"#, NOW - 5))));
    expired(row("long over").bearer(timed(r#""exp":1"#)));
    expired(row("before the epoch").bearer(timed(r#""exp":-5"#)));
    expired(row("no end").bearer(timed(r#""sub":"a""#)));
    expired(row("an end that is null").bearer(timed(r#""exp":null"#)));
    row("an end beyond all clocks")
        .bearer(timed(r#""exp":1e300"#))
        .now(u64::MAX - 5)
        .allowed(Bearer);
    let exp = NOW + 3600;
    row("valid in 5 s")
        .bearer(timed(&format!(r#""exp":{exp},"nbf":{}"#, NOW + 5)))
        .allowed(Bearer);
    row("valid in 6 s")
        .bearer(timed(&format!(r#""exp":{exp},"nbf":{}"#, NOW + 6)))
        .denied(Answer::InvalidCredentials, Reason::NotYetValid, Bearer);
}

#[test]
fn where_the_gateway_verifies_time_alone_is_looked_at() {
    let forged = |exp: u64| {
        ISSUER_B.sign(
            r#"{"alg":"HS256","kid":"z"}"#,
            &format!(r#"{{"iss":"unknown","jti":"{JTI}","exp":{exp}}}"#),
        )
    };
    row("any signature")
        .time_only()
        .bearer(forged(NOW + 60))
        .allowed(Bearer);
    row("expired").time_only().bearer(forged(NOW - 60)).denied(
        Answer::InvalidCredentials,
        Reason::Expired,
        Bearer,
    );
    row("revoked")
        .time_only()
        .bearer(forged(NOW + 60))
        .revoked(JTI)
        .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
    row("a key without a key")
        .time_only()
        .key(api_key(r#""jti":"k""#))
        .allowed(ApiKey);
}

#[test]
fn an_empty_key_set_lets_nothing_pass() {
    let keys = KeySet::default();
    for row in [
        row("").bearer(with_jti(JTI)),
        row("").key(api_key(r#""jti":"k""#)),
        row("").internal(internal_key(r#""jti":"k""#)),
    ] {
        assert!(matches!(row.decide_with(&keys), Decision::Deny(_)));
    }
}

#[test]
fn the_skew_can_be_set() {
    row("none, at the end")
        .skew(0)
        .bearer(timed(&format!(r#""exp":{NOW}"#)))
        .denied(Answer::InvalidCredentials, Reason::Expired, Bearer);
    row("none, before it")
        .skew(0)
        .bearer(timed(&format!(r#""exp":{}"#, NOW + 1)))
        .allowed(Bearer);
    row("60 s")
        .skew(60)
        .bearer(timed(&format!(r#""exp":{}"#, NOW - 59)))
        .allowed(Bearer);
    row("60 s, not yet")
        .skew(60)
        .bearer(timed(&format!(r#""exp":{},"nbf":{}"#, NOW + 999, NOW + 61)))
        .denied(Answer::InvalidCredentials, Reason::NotYetValid, Bearer);
}

#[test]
fn an_issuer_may_demand_an_audience() {
    let exp = NOW + 60;
    let meant = |aud: &str| signed(&format!(r#"{{"iss":"for-pets","exp":{exp}{aud}}}"#));
    for aud in [
        r#","aud":"pets""#,
        r#","aud":["cats","dogs"]"#,
        r#","aud":[7,null,"dogs"]"#,
    ] {
        row("one of them").bearer(meant(aud)).allowed(Bearer);
    }
    for aud in [
        "",
        r#","aud":"cats""#,
        r#","aud":"""#,
        r#","aud":[]"#,
        r#","aud":["Pets"]"#,
        r#","aud":{"pets":1}"#,
        r#","aud":null"#,
        r#","aud":"pets dogs""#,
    ] {
        row("none of them").bearer(meant(aud)).denied(
            Answer::InvalidCredentials,
            Reason::Audience,
            Bearer,
        );
    }
    row("nobody demands one")
        .bearer(timed(&format!(r#""exp":{exp},"aud":"cats""#)))
        .allowed(Bearer);
}

#[test]
fn what_a_token_lacks_is_told_and_refused_where_that_is_set() {
    let exp = NOW + 60;
    let with = |claims: &str| signed(&format!(r#"{{"iss":"{ISSUER}","exp":{exp}{claims}}}"#));
    for (claims, lacking) in [
        (r#","jti":"a","iat":1,"azp":"b","entity_id":"c""#, &[][..]),
        (r#","jti":"a","iat":1,"azp":"b""#, &["entity_id"]),
        (
            r#","jti":"","iat":null,"azp":"""#,
            &["jti", "iat", "azp", "entity_id"],
        ),
        ("", &["jti", "iat", "azp", "entity_id"]),
    ] {
        let permit = row("told").bearer(with(claims)).allowed(Bearer);
        assert_eq!(permit.lacking.names().collect::<Vec<_>>(), lacking);
    }
    let required = Lacking::IAT.and(Lacking::AZP);
    row("has them")
        .required(required)
        .bearer(with(r#","iat":1,"azp":"b""#))
        .allowed(Bearer);
    for claims in [r#","azp":"b""#, r#","iat":1"#, ""] {
        row("lacks one")
            .required(required)
            .bearer(with(claims))
            .denied(Answer::InvalidCredentials, Reason::MissingClaim, Bearer);
    }
    row("an expired one is told that first")
        .required(required)
        .bearer(timed(r#""exp":1"#))
        .denied(Answer::InvalidCredentials, Reason::Expired, Bearer);
    let permit = row("keys never have them")
        .required(required)
        .key(api_key(r#""jti":"k""#))
        .allowed(ApiKey);
    assert_eq!(permit.lacking, Lacking::NOTHING);
}
