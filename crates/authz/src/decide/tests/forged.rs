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
fn what_a_token_brings_about_its_own_key_is_not_looked_at() {
    for more in [
        format!(r#""jwk":{}"#, ISSUER_B.jwk("a", "")),
        r#""jku":"https://evil/jwks""#.to_owned(),
        r#""x5u":"https://evil/cert""#.to_owned(),
        r#""x5c":["AQAB"]"#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"a",{more}}}"#);
        row("its own key")
            .bearer(ISSUER_B.sign(&header, &payload()))
            .denied(Answer::InvalidCredentials, Reason::Signature, Bearer);
    }
}

#[test]
fn a_demand_that_is_not_understood_makes_the_signature_invalid() {
    for crit in [r#"["b64"]"#, r#"["exp"]"#, "[]", "true"] {
        let header = format!(r#"{{"alg":"RS256","kid":"a","b64":true,"crit":{crit}}}"#);
        row("crit")
            .bearer(ISSUER_A.sign(&header, &payload()))
            .denied(Answer::InvalidCredentials, Reason::Signature, Bearer);
    }
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
