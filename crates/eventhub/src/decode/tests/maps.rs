//! The two binary forms.

use super::*;

/// What a test puts into a map.
pub(super) enum Value {
    Text(&'static str),
    Long(i64),
    Int(i32),
    Null,
    /// A type byte and its bytes, as they stand.
    Raw(u8, &'static [u8]),
}

use Value::{Int, Long, Null, Raw, Text};

pub(super) fn jms(entries: &[(&str, Value)]) -> Vec<u8> {
    let mut body = u32::try_from(entries.len()).unwrap().to_be_bytes().to_vec();
    for (key, value) in entries {
        body.extend_from_slice(key.as_bytes());
        body.push(0);
        match value {
            Text(text) => {
                body.push(10);
                body.extend_from_slice(text.as_bytes());
                body.push(0);
            }
            Long(number) => {
                body.push(7);
                body.extend_from_slice(&number.to_be_bytes());
            }
            Int(number) => {
                body.push(6);
                body.extend_from_slice(&number.to_be_bytes());
            }
            Null => body.push(11),
            Raw(kind, bytes) => {
                body.push(*kind);
                body.extend_from_slice(bytes);
            }
        }
    }
    body
}

pub(super) fn amqp(entries: &[(&str, Value)]) -> Vec<u8> {
    let mut rest = u32::try_from(entries.len()).unwrap().to_be_bytes().to_vec();
    for (key, value) in entries {
        rest.push(u8::try_from(key.len()).unwrap());
        rest.extend_from_slice(key.as_bytes());
        match value {
            Text(text) => {
                rest.push(0x95);
                rest.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
                rest.extend_from_slice(text.as_bytes());
            }
            Long(number) => {
                rest.push(0x31);
                rest.extend_from_slice(&number.to_be_bytes());
            }
            Int(number) => {
                rest.push(0x21);
                rest.extend_from_slice(&number.to_be_bytes());
            }
            Null => rest.push(0xf0),
            Raw(kind, bytes) => {
                rest.push(*kind);
                rest.extend_from_slice(bytes);
            }
        }
    }
    let mut body = u32::try_from(rest.len()).unwrap().to_be_bytes().to_vec();
    body.extend_from_slice(&rest);
    body
}

#[track_caller]
fn check_both(entries: &[(&str, Value)], expected: &Result<Event, DecodeError>) {
    assert_eq!(
        &decode(Some("jms/map-message"), &jms(entries), NOW),
        expected
    );
    assert_eq!(&decode(Some("amqp/map"), &amqp(entries), NOW), expected);
}

#[test]
fn a_map_is_read_in_any_order() {
    check_both(
        &[
            ("tenantId", Int(-1234)),
            ("type", Text("JWT")),
            ("revokedToken", Text(JTI)),
            ("eventId", Null),
            ("ttl", Text("5000")),
            ("expiryTime", Long(1_810_000_000_001)),
        ],
        &Ok(revoked(
            "JWT",
            token(JTI, Expiry::Known(UnixSeconds(1_810_000_001))),
        )),
    );
}

#[test]
fn a_map_of_apim_3_has_two_entries() {
    check_both(
        &[("revokedToken", Text(JTI)), ("ttl", Text("3600"))],
        &Ok(revoked("Default", token(JTI, Expiry::Unknown))),
    );
}

#[test]
fn a_null_is_an_entry_and_no_token() {
    check_both(
        &[("revokedToken", Null), ("type", Text("JWT"))],
        &Err(DecodeError::MissingToken),
    );
    check_both(
        &[("revokedToken", Text("")), ("type", Text("JWT"))],
        &Err(DecodeError::Identifier {
            field: "revokedToken",
            error: IdentifierError::Empty,
        }),
    );
    check_both(&[], &Err(DecodeError::MissingToken));
}

#[test]
fn negative_numbers_keep_their_sign() {
    for value in [Long(-1), Int(-1)] {
        check_both(
            &[("revokedToken", Text(JTI)), ("expiryTime", value)],
            &Ok(revoked("Default", token(JTI, Expiry::Unknown))),
        );
    }
}

#[test]
fn types_without_meaning_are_stepped_over() {
    let expected = Ok(revoked("Default", token(JTI, Expiry::Unknown)));
    let body = jms(&[
        ("a", Raw(1, &[1])),
        ("b", Raw(2, &[7])),
        ("c", Raw(3, &[0, 0, 0, 2, 8, 9])),
        ("d", Raw(3, &[0xff, 0xff, 0xff, 0xff])),
        ("e", Raw(4, &[0, 7])),
        ("f", Raw(5, &[0, 65])),
        ("g", Raw(8, &[0; 4])),
        ("h", Raw(9, &[0; 8])),
        ("i", Raw(10, &[0xff, 0])),
        ("revokedToken", Text(JTI)),
    ]);
    assert_eq!(decode(Some("jms/map-message"), &body, NOW), expected);
    let body = amqp(&[
        ("a", Raw(0x08, &[1])),
        ("b", Raw(0x48, &[0; 16])),
        ("c", Raw(0x80, &[2, 1, 2])),
        ("d", Raw(0xa0, &[0, 0, 0, 1, 9])),
        ("e", Raw(0xc8, &[0; 5])),
        ("f", Raw(0xd8, &[0; 9])),
        ("g", Raw(0xf1, &[])),
        ("revokedToken", Text(JTI)),
    ]);
    assert_eq!(decode(Some("amqp/map"), &body, NOW), expected);
}

#[test]
fn a_map_that_is_cut_anywhere_is_refused() {
    let entries = || {
        [
            ("revokedToken", Text(JTI)),
            ("expiryTime", Long(1)),
            ("tenantId", Int(1)),
        ]
    };
    for (content_type, body) in [
        ("jms/map-message", jms(&entries())),
        ("amqp/map", amqp(&entries())),
    ] {
        for length in 1..body.len() {
            let result = decode(Some(content_type), &body[..length], NOW);
            assert_eq!(
                result,
                Err(DecodeError::Map("cut short")),
                "{content_type} {length}"
            );
        }
        assert!(decode(Some(content_type), &[&body[..], b"more"].concat(), NOW).is_ok());
    }
}

#[test]
fn a_map_that_lies_about_its_size_is_refused() {
    for body in [
        [0xff; 4].as_slice(),
        &[0xff; 8],
        &[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff],
    ] {
        for content_type in ["jms/map-message", "amqp/map"] {
            let result = decode(Some(content_type), body, NOW);
            assert_eq!(result, Err(DecodeError::Map("cut short")), "{content_type}");
        }
    }
    let body = jms(&[("a", Raw(12, &[]))]);
    assert_eq!(
        decode(Some("jms/map-message"), &body, NOW),
        Err(DecodeError::Map("unknown type"))
    );
}

#[test]
fn a_token_that_is_not_utf8_is_refused() {
    let body = jms(&[("revokedToken", Raw(10, &[0xff, 0xfe, 0]))]);
    assert_eq!(
        decode(Some("jms/map-message"), &body, NOW),
        Err(DecodeError::NotUtf8)
    );
}
