//! Whatever arrives, decoding answers: never a panic, never an empty identifier, never a word of the message in an error.

use proptest::prelude::*;
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    maps::{Value, amqp, jms},
    *,
};

const CONTENT_TYPES: [Option<&str>; 5] = [
    None,
    Some("text/plain"),
    Some("jms/map-message"),
    Some("amqp/map"),
    Some("application/x-java-serialized-object"),
];

/// What holds for every message.
pub(super) fn check_anything(content_type: Option<&str>, body: &[u8]) {
    match decode(content_type, body, NOW) {
        Ok(Event::Revoked {
            kind_name,
            revocation,
        }) => {
            assert!(!revocation.identifier().as_str().is_empty());
            check_shown(&kind_name);
            if let Revocation::Subject { entity_type, .. } = revocation {
                check_shown(&entity_type);
            }
        }
        Ok(Event::Refetch { kind_name }) => check_shown(&kind_name),
        Err(error) => check_shown_error(&error),
    }
}

fn check_shown(text: &str) {
    assert!(
        text.chars().count() <= MAX_SHOWN_CHARS && !text.contains(char::is_control),
        "{text:?}"
    );
}

fn check_shown_error(error: &DecodeError) {
    let text = error.to_string();
    assert!(
        text.is_ascii() && text.len() < 150 && !text.contains(char::is_control),
        "{text:?}"
    );
}

#[test]
fn a_large_body_is_not_looked_at() {
    let body = vec![b'{'; 10 * 1024 * 1024];
    for content_type in CONTENT_TYPES {
        assert_eq!(
            decode(content_type, &body, NOW),
            Err(DecodeError::TooLarge(10 * 1024 * 1024))
        );
    }
    assert_eq!(
        decode(None, &body[..MAX_BODY_BYTES], NOW),
        Err(DecodeError::NotJson { line: 1, column: 2 })
    );
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{\"a\":"] {
        let error = decode_text(&open.repeat(100_000)).unwrap_err();
        assert_eq!(error.reason(), "not_json");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let mut body = template(JTI, 0, "JWT").into_bytes();
    body[70] = 0xff;
    assert_eq!(
        decode(Some("text/plain"), &body, NOW),
        Err(DecodeError::NotUtf8)
    );
    let utf16: Vec<u8> = template(JTI, 0, "JWT")
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert!(decode(Some("text/plain"), &utf16, NOW).is_err());
}

#[test]
fn no_error_shows_what_was_in_the_message() {
    const SECRET: &str = "s3cr3t-0paque-t0ken";
    for body in [
        format!("{{\"revokedToken\":[\"{SECRET}\"]}}"),
        format!("{{\"revokedToken\":\"{SECRET}\",\"type\":\"consumer_app_revocation_event\"}}"),
        format!("{{\"revokedToken\":\"{SECRET}"),
        format!("\"{SECRET}\""),
        SECRET.to_owned(),
    ] {
        let error = decode_text(&body).unwrap_err();
        let shown = format!("{error} {error:?} {}", error.reason());
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}

fn seeds() -> Vec<(Option<&'static str>, Vec<u8>)> {
    let app = "eyJjb25zdW1lcktleSI6ImFiYyIsInJldm9jYXRpb25UaW1lIjoiMTcxMDAwMDAwMDAwMCJ9";
    let entries = || {
        [
            ("revokedToken", Value::Text(JTI)),
            ("expiryTime", Value::Long(1_810_000_000_000)),
            ("tenantId", Value::Int(-1234)),
            ("eventId", Value::Null),
            ("type", Value::Text("JWT")),
        ]
    };
    vec![
        (
            Some("text/plain"),
            template(JTI, 1_810_000_000_000, "JWT").into_bytes(),
        ),
        (
            None,
            template(app, 0, "consumer_app_revocation_event").into_bytes(),
        ),
        (
            None,
            template("a\"b", 0, "subject_entity_revocation_event").into_bytes(),
        ),
        (Some("jms/map-message"), jms(&entries())),
        (Some("amqp/map"), amqp(&entries())),
    ]
}

/// Changes `body` in one of the ways that break formats: bits, bytes, lengths, cuts, repetitions.
fn mutate(body: &mut Vec<u8>, rng: &mut StdRng) {
    const TOKENS: [&[u8]; 8] = [
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"\0",
        b"\xff\xff\xff\xff",
        b"null",
        b"9223372036854775807",
    ];
    let at = rng.random_range(0..=body.len());
    match rng.random_range(0..6) {
        0 if at < body.len() => body[at] ^= 1 << rng.random_range(0..8),
        1 if at < body.len() => body[at] = rng.random(),
        2 => body.truncate(at),
        3 => {
            body.splice(
                at..at,
                TOKENS[rng.random_range(0..TOKENS.len())].iter().copied(),
            );
        }
        4 => {
            body.drain(at..(at + rng.random_range(0..8usize)).min(body.len()));
        }
        _ => {
            let end = (at + rng.random_range(0..40usize)).min(body.len());
            let piece = body[at..end].to_vec();
            body.splice(at..at, piece);
        }
    }
}

/// Fifty thousand; with `RESCIND_SOAK` set ten million, from another seed each time. `RESCIND_FUZZ_SEED` plays a run again.
#[test]
fn mutations_by_the_thousand_are_answered() {
    let soak = std::env::var_os("RESCIND_SOAK").is_some();
    let seed = match std::env::var("RESCIND_FUZZ_SEED") {
        Ok(seed) => seed.parse().expect("RESCIND_FUZZ_SEED is a number"),
        Err(_) if soak => rand::random(),
        Err(_) => 20_261_124,
    };
    println!("RESCIND_FUZZ_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let seeds = seeds();
    let rounds = if soak { 10_000_000 } else { 50_000 };
    for round in 0..rounds {
        let (content_type, mut body) = seeds[round % seeds.len()].clone();
        for _ in 0..rng.random_range(1..6) {
            mutate(&mut body, &mut rng);
        }
        check_anything(content_type, &body);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(body: Vec<u8>, content_type in 0..CONTENT_TYPES.len()) {
        check_anything(CONTENT_TYPES[content_type], &body);
    }

    #[test]
    fn any_texts_in_the_template_are_answered(token in "\\PC{0,40}|.{0,40}", kind in ".{0,80}") {
        check_anything(Some("text/plain"), template(&token, 0, &kind).as_bytes());
    }

    /// With a publisher that does escape, the token is what was revoked, whatever it is.
    #[test]
    fn any_token_arrives_as_it_was_sent(token in ".{1,60}", expiry_time: i64) {
        let body = json!({"event": {"payloadData": {"revokedToken": token, "expiryTime": expiry_time, "type": "JWT"}}});
        let Ok(Event::Revoked { revocation, .. }) = decode_text(&body.to_string()) else {
            return Err(TestCaseError::fail("not revoked"));
        };
        prop_assert_eq!(revocation.identifier().as_str(), token);
    }

    /// Without escaping, a token that is read is the one that was printed between the quotes.
    #[test]
    fn a_raw_token_is_read_rightly_or_not_at_all(token in "[a\"\\\\,:{}\n]{1,12}") {
        let body = template(&token, 0, "JWT");
        let escaped_by_chance = serde_json::from_str::<serde_json::Value>(&body).is_ok();
        if let (false, Ok(Event::Revoked { revocation, .. })) = (escaped_by_chance, decode_text(&body)) {
            prop_assert_eq!(revocation.identifier().as_str(), token);
        }
    }
}
