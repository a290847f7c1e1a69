use proptest::prelude::*;

use super::*;
use crate::encoding::encode;
use crate::testing::{EXAMPLE_API_KEY, EXAMPLE_TOKEN, input, pad_signature};

fn jwt(header: &str, payload: &str) -> String {
    format!("{}.c2lnbmF0dXJl", input(header, payload))
}

fn jti(token: &str) -> Option<String> {
    let claims = Token::parse(token).unwrap().claims;
    claims.jti.map(|jti| jti.to_string())
}

#[test]
fn the_documents_token_and_key_have_the_identifiers_that_their_payloads_say() {
    assert_eq!(
        jti(EXAMPLE_TOKEN).as_deref(),
        Some("4e330dbd-75c6-4ab5-a749-b9497aa3521a")
    );
    assert_eq!(
        jti(EXAMPLE_API_KEY).as_deref(),
        Some("ec61d24f-8786-4eb9-bfb7-e7a20d0295f6")
    );
}

#[test]
fn the_documents_token_has_its_claims() {
    let token = Token::parse(EXAMPLE_TOKEN).unwrap();
    assert_eq!(token.header.algorithm(), Some(Algorithm::Rs256));
    assert_eq!(
        token.header.kid.as_deref(),
        Some(
            "MzYxMmFkOGYwMWI0ZWNmNDcxNGYwYmM4ZTA3MWI2NDAzZGQzNGM0ZGRlNjJkODFkZDRiOTFkMWFhMzU2ZGVlNg_RS256"
        )
    );
    let claims = token.claims;
    assert_eq!(
        claims.iss.as_deref(),
        Some("https://localhost:9443/oauth2/token")
    );
    assert_eq!(
        claims.azp.0.as_deref(),
        Some("HDePH4YnDwc9klPtQ9672zFUfXka")
    );
    assert_eq!(claims.exp.0, Some(UnixSeconds(1_619_855_896)));
    assert_eq!(claims.nbf.0, Some(UnixSeconds(1_619_852_296)));
    assert_eq!(claims.iat.0, Some(UnixSeconds(1_619_852_296)));
    assert!(claims.entity_id.0.is_none());
}

#[test]
fn what_has_no_single_reading_is_malformed() {
    let rs256 = r#"{"alg":"RS256"}"#;
    let tokens = [
        String::new(),
        "..".into(),
        "a.b".into(),
        "a.b.c.d".into(),
        jwt(rs256, "{}") + ".more",
        jwt(rs256, "[]"),
        jwt(r#"["RS256"]"#, "{}"),
        jwt(rs256, r#""text""#),
        jwt(rs256, r#"{"jti":"#),
        jwt(rs256, "{} {}"),
        jwt(rs256, ""),
        jwt("", "{}"),
        jwt("{}", "{}"),
        jwt(r#"{"alg":null}"#, "{}"),
        jwt(r#"{"alg":1}"#, "{}"),
        jwt(r#"{"alg":"none"}"#, "{}"),
        jwt(r#"{"alg":"RS256","alg":"RS256"}"#, "{}"),
        jwt(r#"{"alg":"RS256","kid":7}"#, "{}"),
        jwt(rs256, r#"{"jti":1}"#),
        jwt(rs256, r#"{"jti":["a"]}"#),
        jwt(rs256, r#"{"jti":{"a":1}}"#),
        jwt(rs256, r#"{"jti":"a","jti":"b"}"#),
        jwt(rs256, r#"{"jti":"a","j\u0074i":"b"}"#),
        jwt(rs256, r#"{"exp":1,"exp":2}"#),
        jwt(rs256, r#"{"azp":"a","azp":"b"}"#),
        jwt(rs256, r#"{"iss":1}"#),
        jwt(rs256, r#"{"exp":"1"}"#),
        jwt(rs256, r#"{"iat":true}"#),
        jwt(rs256, r#"{"nbf":{}}"#),
        format!("{}.", input(rs256, "{}")),
        format!("{}.==", input(rs256, "{}")),
    ];
    for token in tokens {
        assert_eq!(Token::parse(&token).err(), Some(Malformed), "{token}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_malformed() {
    let payload = encode(b"{\"jti\":\"\xff\"}");
    let header = encode(br#"{"alg":"RS256"}"#);
    assert!(Token::parse(&format!("{header}.{payload}.c2ln")).is_err());
}

#[test]
fn a_token_that_is_too_long_is_malformed() {
    let filler = "x".repeat(100_000);
    let token = jwt(
        r#"{"alg":"RS256"}"#,
        &format!(r#"{{"jti":"a","filler":"{filler}"}}"#),
    );
    assert_eq!(Token::parse(&token).err(), Some(Malformed));
    assert!(Token::parse(&token.replace(&encode(filler.as_bytes()), "")).is_err());
    assert!(Token::parse(&"a.".repeat(100_000)).is_err());
}

#[test]
fn deep_nesting_beside_the_claims_is_skipped_without_harm() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let token = jwt(
        r#"{"alg":"RS256"}"#,
        &format!(r#"{{"deep":{deep},"jti":"a"}}"#),
    );
    assert_eq!(jti(&token).as_deref(), Some("a"));
    let token = jwt(
        r#"{"alg":"RS256"}"#,
        &format!(r#"{{"azp":{deep},"jti":"a","aud":{{"deep":{deep}}}}}"#),
    );
    let parsed = Token::parse(&token).unwrap();
    assert!(parsed.claims.azp.0.is_none() && parsed.claims.aud.0.is_empty());
    assert_eq!(jti(&token).as_deref(), Some("a"));
}

#[test]
fn dates_are_whole_seconds_from_the_epoch() {
    for (text, seconds) in [
        ("null", None),
        ("0", Some(0)),
        ("1619855896", Some(1_619_855_896)),
        ("1619855896.9", Some(1_619_855_896)),
        ("1.6e9", Some(1_600_000_000)),
        ("-1", Some(0)),
        ("-1.5", Some(0)),
        ("1e300", Some(u64::MAX)),
        ("18446744073709551615", Some(u64::MAX)),
        ("9223372036854775807", Some(i64::MAX as u64)),
    ] {
        let token = jwt(r#"{"alg":"RS256"}"#, &format!(r#"{{"exp":{text}}}"#));
        let exp = Token::parse(&token).unwrap().claims.exp.0;
        assert_eq!(exp, seconds.map(UnixSeconds), "{text}");
    }
}

#[test]
fn names_outside_the_standard_may_be_texts_or_numbers() {
    for (json, name) in [
        (r#""abc""#, Some("abc")),
        ("17", Some("17")),
        (r#""""#, None),
        ("null", None),
        ("true", None),
        (r#"["abc"]"#, None),
        (r#"{"a":1}"#, None),
    ] {
        let token = jwt(r#"{"alg":"RS256"}"#, &format!(r#"{{"azp":{json}}}"#));
        let azp = Token::parse(&token).unwrap().claims.azp.0;
        assert_eq!(azp.as_deref(), name, "{json}");
    }
}

#[test]
fn a_token_is_named_by_its_jti_by_its_signature_and_by_its_text_each_form_once() {
    let ids = |token: &str| Token::parse(token).unwrap().ids();
    let names = |names: &[&str]| -> Vec<_> { names.iter().copied().map(TokenId::of).collect() };
    // {"alg":"RS256"} has 20 digits, {"jti":"a"} has 15, and the signature 12 or 14.
    let input = input(r#"{"alg":"RS256"}"#, r#"{"jti":"a"}"#);
    let token = format!("{input}.c2lnbmF0dXJl");
    let padded = format!("{input}=.c2lnbmF0dXJl");
    assert_eq!(ids(&token), names(&["a", "c2lnbmF0dXJl", &token, &padded]));
    let (bare, padded) = (
        format!("{input}.c2lnbmF0dXJlIQ"),
        format!("{input}=.c2lnbmF0dXJlIQ=="),
    );
    let mixed = format!("{input}.c2lnbmF0dXJlIQ==");
    assert_eq!(
        ids(&bare),
        names(&[
            "a",
            "c2lnbmF0dXJlIQ",
            "c2lnbmF0dXJlIQ==",
            &bare,
            &mixed,
            &padded
        ])
    );
}

#[test]
fn a_text_too_long_for_an_identifier_names_nothing() {
    let stuffed = format!("c2lnbm{}F0dXJl", "~".repeat(Identifier::MAX_BYTES));
    let token = format!(
        "{}.{stuffed}",
        input(r#"{"alg":"RS256"}"#, r#"{"jti":"a"}"#)
    );
    let ids = Token::parse(&token).unwrap().ids();
    assert!(!ids.contains(&TokenId::of(&stuffed)) && !ids.contains(&TokenId::of(&token)));
    assert!(ids.contains(&TokenId::of("c2lnbmF0dXJl")) && ids.contains(&TokenId::of("a")));
}

#[test]
fn without_a_jti_every_spelling_of_a_signature_names_the_same_token() {
    let signature = "c2lnbmF0dXJlIQ";
    for payload in ["{}", r#"{"jti":""}"#, r#"{"jti":null}"#] {
        for spelling in [
            "c2lnbmF0dXJlIQ",
            "c2lnbmF0dXJlIQ==",
            "c2lnbmF0dXJlIR",
            "c2lnbmF0dXJlIQ,",
            "c2lnbm\tF0dXJlIQ",
            "c2lnbmF0dXJlIQé",
        ] {
            let token = format!("{}.{spelling}", input(r#"{"alg":"RS256"}"#, payload));
            let ids = Token::parse(&token).unwrap().ids();
            for stored in [signature, "c2lnbmF0dXJlIQ==", spelling] {
                assert!(ids.contains(&TokenId::of(stored)), "{spelling} {stored}");
            }
        }
    }
    let token = format!("{}.-_-_", input(r#"{"alg":"RS256"}"#, "{}"));
    let other = format!("{}.+/+/", input(r#"{"alg":"RS256"}"#, "{}"));
    let other = Token::parse(&other).unwrap().ids();
    assert!(
        Token::parse(&token)
            .unwrap()
            .ids()
            .iter()
            .all(|id| other.contains(id))
    );
}

#[test]
fn padded_and_unpadded_segments_read_alike() {
    let token = jwt(r#"{"alg":"RS256"}"#, r#"{"jti":"a"}"#);
    let padded = pad_signature(&token);
    let parsed = Token::parse(&padded).unwrap();
    assert_eq!(parsed.claims.jti.as_deref(), Some("a"));
    assert_eq!(
        parsed.jws().signature(),
        Token::parse(&token).unwrap().jws().signature()
    );
    let (header, rest) = EXAMPLE_API_KEY.split_once('.').unwrap();
    let unpadded = format!("{header}.{}", rest.replace('=', ""));
    assert_eq!(jti(&unpadded), jti(EXAMPLE_API_KEY));
}

#[test]
fn debug_shows_nothing_of_the_token() {
    let token = Token::parse(EXAMPLE_TOKEN).unwrap();
    assert_eq!(
        format!("{token:?}"),
        "Token { identifier: Some(Identifier(**********521a)), .. }"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = Token::parse(&text);
    }

    #[test]
    fn any_header_and_payload_are_read_or_refused(
        header in r#"(\{|\}|"alg"|"kid"|"crit"|:|,|"RS256"|1|null|\[|\]){0,12}"#,
        payload in r#"(\{|\}|"jti"|"exp"|"azp"|:|,|"a"|1|-1|1e400|null|\[|\]){0,16}"#,
    ) {
        let token = jwt(&header, &payload);
        let parsed = Token::parse(&token);
        if let Ok(parsed) = parsed {
            prop_assert!(!parsed.ids().is_empty());
        }
    }

    #[test]
    fn any_text_is_a_jti(jti in "\\PC{1,64}") {
        let payload = serde_json::json!({ "jti": jti }).to_string();
        let token = jwt(r#"{"alg":"RS256"}"#, &payload);
        let parsed = Token::parse(&token).unwrap();
        prop_assert_eq!(parsed.ids()[0], TokenId::of(&jti));
    }
}
