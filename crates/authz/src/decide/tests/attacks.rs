//! The known attacks on JWTs, each by its name.

use aws_lc_rs::hmac;

use super::*;
use crate::{
    encoding::{decode_lenient, encode},
    testing::{Signer, input},
};

mod claims;

const HEADER: &str = r#"{"alg":"RS256","kid":"a"}"#;

fn payload() -> String {
    claims(&format!(r#""exp":{}"#, NOW + 3600))
}

/// A payload of issuer A.
fn claims(claims: &str) -> String {
    format!(r#"{{"iss":"{ISSUER}",{claims}}}"#)
}

fn good() -> String {
    ISSUER_A.sign(HEADER, &payload())
}

/// What an attack comes to.
type Outcome = Result<(), (Answer, Reason)>;

const UNDECODABLE: Outcome = Err((Answer::UndecodableJwt, Reason::Malformed));
const FORGED: Outcome = Err((Answer::InvalidCredentials, Reason::Signature));
const NO_ALGORITHM: Outcome = Err((Answer::InvalidCredentials, Reason::Algorithm));
const NO_KEY: Outcome = Err((Answer::Unclassified, Reason::UnknownKey));
const NO_ISSUER: Outcome = Err((Answer::InvalidCredentials, Reason::UnknownIssuer));
const EXPIRED: Outcome = Err((Answer::InvalidCredentials, Reason::Expired));
const TOO_EARLY: Outcome = Err((Answer::InvalidCredentials, Reason::NotYetValid));

#[track_caller]
fn table<'a>(rows: impl IntoIterator<Item = (&'a str, String, Outcome)>) {
    for (name, token, expected) in rows {
        let decision = row("attack").bearer(token).decide();
        let outcome = match &decision {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => Err((denial.answer, denial.reason)),
        };
        assert_eq!(outcome, expected, "{name}");
    }
}

#[test]
fn no_signature() {
    let unsigned = |alg: &str, signature: &str| {
        let header = format!(r#"{{"alg":{alg},"kid":"a"}}"#);
        format!("{}.{signature}", input(&header, &payload()))
    };
    let signed = |alg: &str| ISSUER_A.sign(&format!(r#"{{"alg":{alg},"kid":"a"}}"#), &payload());
    let missing = Err((Answer::NoCredential, Reason::NoCredential));
    table([
        ("none, and nothing", unsigned(r#""none""#, ""), missing),
        ("none, and a byte", unsigned(r#""none""#, "AA"), UNDECODABLE),
        ("none, and a signature", signed(r#""none""#), UNDECODABLE),
        ("none, escaped", signed(r#""n\u006fne""#), UNDECODABLE),
        ("None", signed(r#""None""#), NO_ALGORITHM),
        ("NONE", signed(r#""NONE""#), NO_ALGORITHM),
        ("nOnE", signed(r#""nOnE""#), NO_ALGORITHM),
        ("none and a blank", signed(r#""none ""#), NO_ALGORITHM),
        ("none and a NUL", signed(r#""none\u0000""#), NO_ALGORITHM),
        ("an empty algorithm", signed(r#""""#), NO_ALGORITHM),
        ("null", signed("null"), UNDECODABLE),
        ("false", signed("false"), UNDECODABLE),
        ("a list", signed(r#"["none","RS256"]"#), UNDECODABLE),
        ("RS256, and nothing", unsigned(r#""RS256""#, ""), missing),
        (
            "RS256, and padding",
            unsigned(r#""RS256""#, "=="),
            UNDECODABLE,
        ),
        (
            "RS256, and a digit",
            unsigned(r#""RS256""#, "A"),
            UNDECODABLE,
        ),
        ("RS256, and a byte", unsigned(r#""RS256""#, "AA"), FORGED),
        ("RS256, and dots", unsigned(r#""RS256""#, ".."), missing),
    ]);
}

#[test]
fn the_public_key_as_a_shared_secret() {
    let pem = ISSUER_A.public_pem();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let jwk = ISSUER_A.jwk("a", "");
    for (what, secret) in [
        ("PEM", pem.as_bytes().to_vec()),
        ("PEM without its last line end", pem.trim_end().into()),
        ("PEM with CRLF", pem.replace('\n', "\r\n").into()),
        ("base64", body.clone().into()),
        ("DER", decode_lenient(&body)),
        ("JWK", jwk.clone().into()),
        ("JWK Set", jwks(&[jwk]).into()),
        ("modulus", ISSUER_A.modulus().to_vec()),
        ("modulus in base64url", encode(ISSUER_A.modulus()).into()),
        ("nothing", Vec::new()),
    ] {
        for (alg, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
            // The class of key that the verifier expects, over the wrong function.
            ("RS256", hmac::HMAC_SHA256),
        ] {
            let header = format!(r#"{{"alg":"{alg}","kid":"a","typ":"JWT"}}"#);
            let input = input(&header, &payload());
            let key = hmac::Key::new(algorithm, &secret);
            let tag = encode(hmac::sign(&key, input.as_bytes()).as_ref());
            let expected = if alg == "RS256" { FORGED } else { NO_ALGORITHM };
            table([(what, format!("{input}.{tag}"), expected)]);
        }
    }
}

#[test]
fn a_key_that_the_token_brings_or_points_to() {
    let own = ISSUER_B.jwk("a", "");
    let certificate = encode(ISSUER_B.expired_certificate().as_bytes());
    let with = |more: &str| {
        let header = format!(r#"{{"alg":"RS256","kid":"a",{more}}}"#);
        ISSUER_B.sign(&header, &payload())
    };
    table([
        ("jwk", with(&format!(r#""jwk":{own}"#)), FORGED),
        ("jku", with(r#""jku":"https://evil/jwks""#), FORGED),
        ("jku of a file", with(r#""jku":"file:///tmp/jwks""#), FORGED),
        ("x5u", with(r#""x5u":"https://evil/cert.pem""#), FORGED),
        ("x5c", with(&format!(r#""x5c":["{certificate}"]"#)), FORGED),
        ("x5t", with(r#""x5t":"AAAA","x5t#S256":"AAAA""#), FORGED),
        ("epk", with(&format!(r#""epk":{own}"#)), FORGED),
    ]);
}

#[test]
fn a_kid_that_is_a_path_or_a_command() {
    let with = |kid: &str| ISSUER_A.sign(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#), &payload());
    table([
        ("path", with(r#""../../../../dev/null""#), NO_KEY),
        ("absolute path", with(r#""/dev/null""#), NO_KEY),
        ("path that ends", with(r#""a\u0000.pem""#), NO_KEY),
        ("URL", with(r#""file:///etc/passwd""#), NO_KEY),
        ("SQL", with(r#""a' OR '1'='1""#), NO_KEY),
        (
            "SQL that makes a key",
            with(r#""x' UNION SELECT 'AA""#),
            NO_KEY,
        ),
        ("command", with(r#""a|cat /etc/passwd""#), NO_KEY),
        ("another case", with(r#""A""#), NO_KEY),
        ("a blank", with(r#"" a""#), NO_KEY),
        ("empty", with(r#""""#), NO_KEY),
        ("null", with("null"), NO_KEY),
        ("a number", with("0"), UNDECODABLE),
        ("a list", with(r#"["a"]"#), UNDECODABLE),
        ("a key", with(&ISSUER_A.jwk("a", "")), UNDECODABLE),
        ("escaped, and good", with(r#""\u0061""#), Ok(())),
    ]);
}

#[test]
fn demands_that_change_what_is_signed() {
    let signed = |more: &str, body: &str| {
        let header = format!(r#"{{"alg":"RS256","kid":"a",{more}}}"#);
        ISSUER_A.sign_parts(&encode(header.as_bytes()), body)
    };
    let encoded = || encode(payload().as_bytes());
    // RFC 7797: the payload as it is. A dot in it would make another token of it.
    let bare = payload().replace('.', "");
    table([
        (
            "b64",
            signed(r#""b64":false,"crit":["b64"]"#, &encoded()),
            FORGED,
        ),
        (
            "b64, bare",
            signed(r#""b64":false,"crit":["b64"]"#, &bare),
            UNDECODABLE,
        ),
        (
            "b64, bare and not critical",
            signed(r#""b64":false"#, &bare),
            UNDECODABLE,
        ),
        (
            "crit of what is known",
            signed(r#""crit":["exp"],"exp":1"#, &encoded()),
            FORGED,
        ),
        (
            "crit of nothing",
            signed(r#""crit":[]"#, &encoded()),
            FORGED,
        ),
        (
            "crit that is none",
            signed(r#""crit":"b64""#, &encoded()),
            FORGED,
        ),
        ("zip", signed(r#""zip":"DEF""#, "q1ZKrShQsjI"), UNDECODABLE),
    ]);
}

#[test]
fn another_kind_of_token() {
    let good = good();
    let nested = ISSUER_A.sign_parts(
        &encode(r#"{"alg":"RS256","kid":"a","cty":"JWT"}"#.as_bytes()),
        &encode(good.as_bytes()),
    );
    let within = ISSUER_A.sign(HEADER, &claims(&format!(r#""jwt":"{good}""#)));
    let parts: Vec<_> = good.split('.').collect();
    let json = format!(
        r#"{{"payload":"{}","signatures":[{{"protected":"{}","signature":"{}"}}]}}"#,
        parts[1], parts[0], parts[2]
    );
    let missing = Err((Answer::NoCredential, Reason::NoCredential));
    let jwe = format!(
        r#"{}.AA.AA.AA.AA"#,
        encode(br#"{"alg":"dir","enc":"A128GCM"}"#)
    );
    table([
        ("a token as the payload", nested, UNDECODABLE),
        (
            "a good token as a claim of one without an end",
            within,
            EXPIRED,
        ),
        ("encrypted", jwe, missing),
        ("JSON", json, missing),
        (
            "detached",
            format!("{}..{}", parts[0], parts[2]),
            UNDECODABLE,
        ),
        (
            "the payload of another",
            {
                let other = ISSUER_A.sign(HEADER, &claims(&format!(r#""exp":{}"#, NOW + 9999)));
                let other: Vec<_> = other.split('.').collect();
                format!("{}.{}.{}", parts[0], other[1], parts[2])
            },
            FORGED,
        ),
    ]);
}

#[test]
fn a_kid_never_reaches_into_another_issuers_certificates() {
    let pem = |key: &Signer| VerificationKey::from_pem(key.public_pem().as_bytes()).unwrap();
    let mut keys = KeySet::default();
    let of = |kid: &str, key| IssuerKeys::default().with_certificate_of(kid, pem(key));
    keys.insert_issuer("one", of("first", &ISSUER_A));
    keys.insert_issuer("two", of("second", &ISSUER_B).with_certificate(pem(&OWN)));
    let outcome = |signer: &Signer, iss: &str, kid: &str| {
        let header = format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#);
        let payload = format!(r#"{{"iss":"{iss}","exp":{}}}"#, NOW + 60);
        let token = signer.sign(&header, &payload);
        match row("").bearer(token).decide_with(&keys) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => Err((denial.answer, denial.reason)),
        }
    };
    assert_eq!(outcome(&ISSUER_A, "one", "first"), Ok(()));
    assert_eq!(outcome(&ISSUER_B, "two", "second"), Ok(()));
    assert_eq!(outcome(&OWN, "two", "any other"), Ok(()));
    assert_eq!(outcome(&ISSUER_B, "one", "second"), NO_KEY);
    assert_eq!(outcome(&ISSUER_A, "two", "first"), FORGED);
    assert_eq!(outcome(&ISSUER_B, "one", "first"), FORGED);
    assert_eq!(outcome(&OWN, "two", "second"), FORGED);
    assert_eq!(outcome(&OWN, "one", "any other"), NO_KEY);
}
