//! The text form.

use super::*;

#[test]
fn the_message_of_apim_is_read() {
    check(
        &template(
            "fc8ee897-b3d9-3bb6-a9ca-f4aeb036e5c0",
            1_810_000_000_001,
            "Default",
        ),
        revoked(
            "Default",
            token(
                "fc8ee897-b3d9-3bb6-a9ca-f4aeb036e5c0",
                Expiry::Known(UnixSeconds(1_810_000_001)),
            ),
        ),
    );
}

#[test]
fn every_type_that_is_not_known_revokes_a_token() {
    for kind in [
        "JWT",
        "API_KEY",
        "Default",
        "Opaque",
        "jwt",
        "consumer_app_revocation",
    ] {
        check(
            &template(JTI, i64::MAX, kind),
            revoked(kind, token(JTI, Expiry::Never)),
        );
    }
}

#[test]
fn numbers_may_be_texts_and_texts_numbers() {
    for (expiry_time, expiry) in [
        (
            json!("1810000000000"),
            Expiry::Known(UnixSeconds(1_810_000_000)),
        ),
        (
            json!(1_810_000_000),
            Expiry::Known(UnixSeconds(1_810_000_000)),
        ),
        (json!("0"), Expiry::Unknown),
        (json!(null), Expiry::Unknown),
        (json!("soon"), Expiry::Unknown),
        (json!({"not": "a number"}), Expiry::Unknown),
    ] {
        let body = json!({"event": {"payloadData": {
            "revokedToken": JTI, "ttl": 3600, "expiryTime": expiry_time, "type": "JWT", "tenantId": "-1234",
        }}});
        check(&body.to_string(), revoked("JWT", token(JTI, expiry)));
    }
}

#[test]
fn only_the_token_is_needed() {
    for payload in [
        json!({"revokedToken": JTI}),
        json!({"revokedToken": JTI, "eventId": null, "ttl": null, "expiryTime": null, "type": null, "tenantId": null}),
        json!({"revokedToken": JTI, "type": "", "more": [{"deep": 1}]}),
        json!({"revokedToken": JTI, "type": true, "ttl": {}}),
    ] {
        check(
            &json!({"event": {"payloadData": payload}}).to_string(),
            revoked("Default", token(JTI, Expiry::Unknown)),
        );
    }
}

#[test]
fn the_envelope_may_be_missing_and_may_hold_more() {
    let payload = json!({"revokedToken": JTI, "type": "JWT"});
    for body in [
        json!({"payloadData": payload}),
        payload.clone(),
        json!({"event": payload}),
        json!({"event": {"metaData": {"a": 1}, "correlationData": null, "payloadData": payload, "arbitraryDataMap": {"revokedToken": "x"}}}),
    ] {
        check(
            &body.to_string(),
            revoked("JWT", token(JTI, Expiry::Unknown)),
        );
    }
}

#[test]
fn the_form_follows_from_the_content_type_or_else_from_the_first_byte() {
    let body = template(JTI, i64::MAX, "JWT");
    let event = || Ok(revoked("JWT", token(JTI, Expiry::Never)));
    for content_type in [
        None,
        Some("text/plain"),
        Some("Text/Plain; charset=utf-8"),
        Some("application/json"),
        Some(""),
        Some("application/octet-stream"),
    ] {
        assert_eq!(
            decode(content_type, body.as_bytes(), NOW),
            event(),
            "{content_type:?}"
        );
    }
    let padded = format!("\u{feff}\r\n {body}\n");
    assert_eq!(decode(None, padded.as_bytes(), NOW), event());
    assert_eq!(
        decode(Some("application/octet-stream"), b"\x80\x02", NOW),
        Err(DecodeError::ContentType)
    );
}

#[test]
fn a_token_that_is_missing_never_becomes_an_empty_identifier() {
    for payload in [
        json!({}),
        json!({"revokedToken": null, "type": "JWT"}),
        json!({"revokedToken": 7, "type": "JWT"}),
        json!({"revokedToken": {}, "type": "JWT"}),
        json!({"revoked_token": JTI}),
    ] {
        refuse(
            &json!({"event": {"payloadData": payload}}).to_string(),
            DecodeError::MissingToken,
        );
    }
    refuse("{}", DecodeError::MissingToken);
    refuse("{\"event\":null}", DecodeError::MissingToken);
    for (text, error) in [
        (String::new(), IdentifierError::Empty),
        ("x".repeat(9000), IdentifierError::TooLong(9000)),
    ] {
        refuse(
            &template(&text, 0, "JWT"),
            DecodeError::Identifier {
                field: "revokedToken",
                error,
            },
        );
    }
}

#[test]
fn a_batch_means_the_whole_list_whatever_it_names() {
    for token in ["\"key\"", "\"\"", "null"] {
        let body = template("?", 0, "token_revocation_batch").replace("\"?\"", token);
        check(
            &body,
            Event::Refetch {
                kind_name: "token_revocation_batch".into(),
            },
        );
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for body in ["null", "[]", "\"text\"", "7"] {
        refuse(body, DecodeError::NotAnObject);
    }
    refuse("", DecodeError::Empty);
    refuse("hello", DecodeError::NotJson { line: 1, column: 1 });
    refuse(
        "{\"event\":\n{]",
        DecodeError::NotJson { line: 2, column: 2 },
    );
}

#[test]
fn what_the_publisher_did_not_escape_is_read_where_it_has_one_reading() {
    for raw in ["{\"}", "a\"b", "a\\b\\", "a\nb\tc", "\"", "a}b{c", "a,b:c"] {
        check(
            &template(raw, i64::MAX, "JWT"),
            revoked("JWT", token(raw, Expiry::Never)),
        );
    }
    // The type is the last text of the template.
    check(
        &template(JTI, 0, "J\"W"),
        revoked("J\"W", token(JTI, Expiry::Unknown)),
    );
}

#[test]
fn what_is_broken_beside_the_payload_does_not_matter() {
    let payload = template(JTI, 0, "JWT")
        .replace("{\"event\":{", "")
        .replace("}}}", "}");
    for rest in ["", "}", ",\"more\":", "}, \"more\": {\"a\":\"\"b\"\"}}"] {
        check(
            &format!("{{\"event\":{{\"metaData\":{{\"a\":\"\"b\"\"}},{payload}{rest}"),
            revoked("JWT", token(JTI, Expiry::Unknown)),
        );
    }
}

#[test]
fn what_has_more_than_one_reading_is_refused() {
    for raw in [
        // Could be the end of the token and a member that is not known.
        "a\"\",\"more\":\"b",
        "a\"b\":\"c",
        // Could be either of two tokens.
        "a\"\",\"revokedToken\":\"b",
        "a\"\",\"payloadData\":{}\"",
        "a\"}},\"ttl\":\"",
        "a\",\"b\":1},\"c\":\"",
    ] {
        let error = decode_text(&template(raw, 0, "JWT")).unwrap_err();
        assert!(
            matches!(error, DecodeError::NotJson { .. }),
            "{raw}: {error}"
        );
    }
}

#[test]
fn an_object_that_may_have_ended_inside_its_token_is_refused() {
    for rest in [
        "a\",\"b\":1}c\"}}}",
        "a\"}b\"}}}",
        "a\"}}b\"}}}",
        "a\"},b\"}}}",
    ] {
        let error = decode_text(&format!(
            "{{\"event\":{{\"payloadData\":{{\"revokedToken\":\"{rest}"
        ));
        assert!(
            matches!(error, Err(DecodeError::NotJson { .. })),
            "{rest}: {error:?}"
        );
    }
}

#[test]
fn a_type_is_shown_short_and_on_one_line_but_compared_as_it_stands() {
    let kind = format!("J\n\u{1b}[31m{}", "x".repeat(100));
    let body = json!({"revokedToken": JTI, "type": kind}).to_string();
    let Ok(Event::Revoked { kind_name, .. }) = decode_text(&body) else {
        panic!("not revoked");
    };
    assert!(
        kind_name.starts_with("J  [31mxxx") && kind_name.chars().count() == 64,
        "{kind_name}"
    );

    let body = json!({"revokedToken": JTI, "type": "token_revocation_batch\n"}).to_string();
    assert!(matches!(decode_text(&body), Ok(Event::Revoked { .. })));
}
