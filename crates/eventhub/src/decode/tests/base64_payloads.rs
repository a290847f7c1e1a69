//! Applications and subjects: base64 of JSON inside `revokedToken`.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};

use super::*;

const APP: &str = "consumer_app_revocation_event";
const SUBJECT: &str = "subject_entity_revocation_event";

fn encoded(payload: &serde_json::Value) -> String {
    STANDARD.encode(payload.to_string())
}

fn app(consumer_key: &str, revoked_at: UnixMillis) -> Event {
    revoked(
        APP,
        Revocation::App {
            consumer_key: Identifier::new(consumer_key).unwrap(),
            revoked_at,
            disbelieved: None,
        },
    )
}

/// An application whose moment was not believed.
fn doubted(consumer_key: &str, sent: u64) -> Event {
    revoked(
        APP,
        Revocation::App {
            consumer_key: Identifier::new(consumer_key).unwrap(),
            revoked_at: NOW,
            disbelieved: Some(UnixMillis(sent)),
        },
    )
}

#[test]
fn an_application_is_read_in_either_spelling() {
    let at = UnixMillis(1_709_000_000_000);
    for payload in [
        json!({"consumerKey": "abc", "revocationTime": "1709000000000"}),
        json!({"consumer_key": "abc", "revocation_time": "1709000000000"}),
        json!({"consumerKey": "abc", "revocationTime": 1_709_000_000_000u64, "more": {}}),
        json!({"consumerKey": null, "consumer_key": "abc", "revocationTime": 1_709_000_000}),
    ] {
        check(&template(&encoded(&payload), 0, APP), app("abc", at));
    }
}

#[test]
fn a_subject_is_read_in_either_spelling() {
    for payload in [
        json!({"entityId": "u-1", "entityType": "USER_ID", "revocationTime": "1709000000000"}),
        json!({"entity_id": "u-1", "entity_type": "USER_ID", "revocation_time": 1_709_000_000_000u64}),
    ] {
        check(
            &template(&encoded(&payload), 0, SUBJECT),
            revoked(
                SUBJECT,
                Revocation::Subject {
                    entity_id: Identifier::new("u-1").unwrap(),
                    entity_type: "USER_ID".into(),
                    revoked_at: UnixMillis(1_709_000_000_000),
                    disbelieved: None,
                },
            ),
        );
    }
}

#[test]
fn a_moment_that_cannot_be_is_the_moment_of_receipt() {
    for (time, sent) in [
        (json!(null), 0),
        (json!(0), 0),
        (json!("never"), 0),
        (json!(NOW.0 + 300_001), NOW.0 + 300_001),
        (json!("4070908800000"), 4_070_908_800_000),
    ] {
        let payload = json!({"consumerKey": "abc", "revocationTime": time});
        check(&template(&encoded(&payload), 0, APP), doubted("abc", sent));
    }
    check(
        &template(&encoded(&json!({"consumerKey": "abc"})), 0, APP),
        doubted("abc", 0),
    );
}

#[test]
fn other_alphabets_and_padding_mean_the_same() {
    let payload = json!({"consumerKey": "a?>~", "revocationTime": 1}).to_string();
    let at = UnixMillis(1000);
    for token in [
        STANDARD.encode(&payload),
        STANDARD_NO_PAD.encode(&payload),
        URL_SAFE.encode(&payload),
        URL_SAFE_NO_PAD.encode(&payload),
    ] {
        check(&template(&token, 0, APP), app("a?>~", at));
    }
}

#[test]
fn a_payload_that_names_nothing_is_refused() {
    for kind in [APP, SUBJECT] {
        for token in [
            "not base64!",
            &STANDARD.encode("not JSON"),
            &STANDARD.encode("[\"abc\",1]"),
            &STANDARD.encode("null"),
            &STANDARD.encode([0xff, 0xfe]),
        ] {
            refuse(&template(token, 0, kind), DecodeError::Payload(kind));
        }
        let body = json!({"revokedToken": null, "type": kind}).to_string();
        refuse(&body, DecodeError::MissingToken);
    }
    for payload in [
        json!({}),
        json!({"consumerKey": null}),
        json!({"consumerKey": 7}),
    ] {
        refuse(
            &template(&encoded(&payload), 0, APP),
            DecodeError::MissingName("consumerKey"),
        );
    }
    refuse(
        &template(&encoded(&json!({"entityId": ""})), 0, SUBJECT),
        DecodeError::Identifier {
            field: "entityId",
            error: IdentifierError::Empty,
        },
    );
}
