//! Tokens that somebody without a key has made.

use aws_lc_rs::hmac;

use super::*;
use crate::{encoding::encode, testing::input};

fn payload() -> String {
    format!(
        r#"{{"iss":"{ISSUER}","exp":{},"jti":"forged"}}"#,
        NOW + 3600
    )
}

fn never_passes(name: &'static str, token: String) {
    for kind in ["authorization", "apikey", "internal-key"] {
        let value = match kind {
            "authorization" => format!("Bearer {token}"),
            _ => token.clone(),
        };
        let decision = row(name).header(kind, value).decide();
        assert!(
            matches!(decision, Decision::Deny(_)),
            "{name} {kind} {decision:?}"
        );
    }
}

#[test]
fn an_unsigned_token_never_passes() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = format!(r#"{{"alg":"{alg}","kid":"a"}}"#);
        never_passes("no signature", format!("{}.", input(&header, &payload())));
        never_passes(
            "a signature of nothing",
            format!("{}.AA", input(&header, &payload())),
        );
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let pem = ISSUER_A.public_pem();
    for secret in [pem.as_bytes(), pem.trim().as_bytes(), b"".as_slice()] {
        let input = input(r#"{"alg":"HS256","kid":"a"}"#, &payload());
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signature = encode(hmac::sign(&key, input.as_bytes()).as_ref());
        let token = format!("{input}.{signature}");
        row("HS256")
            .bearer(&token)
            .denied(Answer::InvalidCredentials, Reason::Algorithm, Bearer);
        never_passes("HS256", token);
    }
}

#[test]
fn a_key_of_one_issuer_never_verifies_a_token_of_another() {
    let refused = |row: Row, answer, reason| row.denied(answer, reason, Bearer);
    refused(
        row("B's signature and B's kid under A's name")
            .bearer(ISSUER_B.sign(r#"{"alg":"RS256","kid":"b"}"#, &payload())),
        Answer::Unclassified,
        Reason::UnknownKey,
    );
    refused(
        row("B's signature under A's kid")
            .bearer(ISSUER_B.sign(r#"{"alg":"RS256","kid":"a"}"#, &payload())),
        Answer::InvalidCredentials,
        Reason::Signature,
    );
    refused(
        row("API Manager's own signature")
            .bearer(OWN.sign(r#"{"alg":"RS256","kid":"a"}"#, &payload())),
        Answer::InvalidCredentials,
        Reason::Signature,
    );
}

#[test]
fn a_changed_token_never_passes() {
    let good = ISSUER_A.sign(r#"{"alg":"RS256","kid":"a"}"#, &payload());
    let signature = good.rsplit('.').next().unwrap();
    let raised = format!(
        r#"{{"iss":"{ISSUER}","exp":{},"jti":"forged"}}"#,
        NOW + 9999
    );
    never_passes(
        "another payload",
        format!(
            "{}.{signature}",
            input(r#"{"alg":"RS256","kid":"a"}"#, &raised)
        ),
    );
    never_passes(
        "another algorithm",
        format!(
            "{}.{signature}",
            input(r#"{"alg":"RS512","kid":"a"}"#, &payload())
        ),
    );
    never_passes(
        "another padding scheme",
        format!(
            "{}.{signature}",
            input(r#"{"alg":"PS256","kid":"a"}"#, &payload())
        ),
    );
    never_passes("a shorter signature", good[..good.len() - 4].to_owned());
    never_passes("a longer signature", format!("{good}AAAA"));
    never_passes("a padded payload", good.replacen('.', "=.", 1));
}

#[test]
fn a_signature_of_zeros_never_passes() {
    let (_, jwk) = crate::testing::es256("ec", "{}", "{}");
    let mut keys = KeySet::default();
    let jwks = Jwks::parse(jwks(&[jwk]).as_bytes()).unwrap();
    keys.insert_issuer(ISSUER, IssuerKeys::from_jwks(jwks));
    for length in [1, 2, 63, 64, 65, 96, 132] {
        let signature = encode(&vec![0; length]);
        let input = input(r#"{"alg":"ES256","kid":"ec"}"#, &payload());
        let decision = row("zeros")
            .bearer(format!("{input}.{signature}"))
            .decide_with(&keys);
        let Decision::Deny(denial) = decision else {
            panic!("{length} zeros passed");
        };
        assert_eq!(denial.reason, Reason::Signature, "{length}");
    }
}

#[test]
fn a_header_that_says_two_things_says_nothing() {
    for header in [
        r#"{"alg":"RS256","alg":"none","kid":"a"}"#,
        r#"{"alg":"none","alg":"RS256","kid":"a"}"#,
        r#"{"alg":"RS256","kid":"a","kid":"z"}"#,
        r#"{"alg":["RS256"],"kid":"a"}"#,
        r#"{"alg":null,"kid":"a"}"#,
        r#"{"ALG":"RS256","kid":"a"}"#,
        r#"{"alg":"RS256","kid":{"a":"a"}}"#,
        r#"{"alg":"RS256","kid":"a"}{"alg":"RS256"}"#,
        r#"[{"alg":"RS256","kid":"a"}]"#,
        "{\"alg\":\"RS256\",\"kid\":\"a\"",
        "\u{feff}{\"alg\":\"RS256\",\"kid\":\"a\"}",
        "",
    ] {
        row("a header that is none")
            .bearer(ISSUER_A.sign(header, &payload()))
            .denied(Answer::UndecodableJwt, Reason::Malformed, Bearer);
    }
}

#[test]
fn an_algorithm_is_spelt_in_one_way_and_is_none_of_the_others() {
    for alg in [
        "rs256",
        "RS256 ",
        "RS1",
        "HS256",
        "HS384",
        "HS512",
        "ES256K",
        "ES512",
        "EdDSA",
        "ES256",
        "RSA-OAEP",
        "dir",
        "RS256\\u0000",
    ] {
        let header = format!(r#"{{"alg":"{alg}","kid":"a"}}"#);
        let token = ISSUER_A.sign(&header, &payload());
        let Decision::Deny(denial) = row("another algorithm").bearer(token).decide() else {
            panic!("{alg} passed");
        };
        assert_eq!(denial.reason, Reason::Algorithm, "{alg}");
    }
}

#[test]
fn an_encrypted_token_or_one_in_json_is_no_credential() {
    let good = ISSUER_A.sign(r#"{"alg":"RS256","kid":"a"}"#, &payload());
    let parts: Vec<_> = good.split('.').collect();
    let json = format!(
        r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#,
        parts[0], parts[1], parts[2]
    );
    for token in [format!("{good}.AAAA.BBBB"), json, parts.join("%2E")] {
        row("another serialisation").bearer(token).denied(
            Answer::NoCredential,
            Reason::NoCredential,
            None,
        );
    }
}

proptest::proptest! {
    /// Whatever stands in the places of credentials, nothing panics, and nothing passes that nobody has signed.
    #[test]
    fn garbage_never_passes(
        header in "[ -~]{0,40}",
        payload in "[ -~]{0,60}",
        signature in proptest::collection::vec(0u8.., 0..300),
        glue in "[.,= \t%+?&-]{0,4}",
        place in 0..4,
    ) {
        let token = format!("{}.{}.{}{glue}", encode(header.as_bytes()), encode(payload.as_bytes()), encode(&signature));
        let row = match place {
            0 => row("bearer").bearer(token),
            1 => row("key").key(token),
            2 => row("internal").internal(token),
            _ => row("query").path(format!("/?a&apikey={token}&b")),
        };
        proptest::prop_assert!(matches!(row.decide(), Decision::Deny(_)));
    }
}
