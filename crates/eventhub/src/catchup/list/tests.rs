use rescind_revocation::{Expiry, Identifier, UnixMillis, UnixSeconds};

use super::*;

const NOW: UnixMillis = UnixMillis(1_710_000_000_000);

fn id(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}

fn token(identifier: &str, expiry: Expiry) -> Revocation {
    Revocation::Token {
        identifier: id(identifier),
        expiry,
    }
}

/// All groups, and how it ended.
fn groups(body: &[u8]) -> (Vec<Vec<Revocation>>, Result<Rows, CatchupError>) {
    let mut groups = Vec::new();
    let rows = read(body, NOW.into(), &mut |group| {
        groups.push(group);
        true
    });
    (groups, rows)
}

#[track_caller]
fn check(body: &str, revocations: &[Revocation], skipped: usize) {
    let (groups, rows) = groups(body.as_bytes());
    let rows = rows.unwrap();
    assert_eq!(groups.concat(), revocations, "{body}");
    let total = revocations.len() + skipped;
    assert_eq!(rows, Rows { total, skipped }, "{body}");
}

#[track_caller]
fn refuse(body: &str, reason: &str) {
    let (_, Err(CatchupError::Body(error))) = groups(body.as_bytes()) else {
        panic!("not an error: {body}");
    };
    assert!(error.starts_with(reason), "{error}");
}

#[test]
fn a_long_list_comes_in_groups() {
    let row = |n: usize| format!(r#"{{"jwt_signature":"token-{n}"}}"#);
    let rows: Vec<_> = (0..2 * GROUP + 3).map(row).collect();
    let (groups, read) = groups(format!("[{}]", rows.join(",")).as_bytes());
    let sizes: Vec<_> = groups.iter().map(Vec::len).collect();
    assert_eq!(sizes, [GROUP, GROUP, 3]);
    assert_eq!(read.unwrap().total, 2 * GROUP + 3);
    assert_eq!(groups[2][0], token("token-20000", Expiry::Unknown));
}

#[test]
fn what_stands_before_a_break_is_handed_on() {
    for body in [
        r#"[{"jwt_signature":"a"},{"jwt_signature":"b"#,
        r#"{"revokedJWTList":[{"jwt_signature":"a"}],"revokedJWTConsumerKeyList":"#,
        r#"[{"jwt_signature":"a"}] and more"#,
    ] {
        let (groups, read) = groups(body.as_bytes());
        assert_eq!(groups.concat(), [token("a", Expiry::Unknown)]);
        assert!(matches!(read, Err(CatchupError::Body(_))), "{body}");
    }
}

#[test]
fn reading_ends_when_nobody_wants_more() {
    struct Endless;
    impl io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let row = br#"{"jwt_signature":"a"},"#;
            buffer[..row.len()].copy_from_slice(row);
            Ok(row.len())
        }
    }
    let body = io::Read::chain(&b"["[..], Endless);
    let mut taken = 0;
    read(body, NOW.into(), &mut |group| {
        taken += group.len();
        taken < 3 * GROUP
    })
    .unwrap_err();
    assert_eq!(taken, 3 * GROUP);
}

#[test]
fn the_old_form_is_an_array_of_tokens() {
    check(
        r#"[{"jwt_signature":"a","expiry_time":1628175421481},{"jwt_signature":"b","expiry_time":1628175421}]"#,
        &[
            token("a", Expiry::Known(UnixSeconds(1_628_175_422))),
            token("b", Expiry::Known(UnixSeconds(1_628_175_421))),
        ],
        0,
    );
    check(" [] \n", &[], 0);
}

#[test]
fn the_new_form_is_an_object_of_three_lists() {
    check(
        r#"{"revokedJWTList":[{"jwt_signature":"a","expiry_time":9223372036854775807}],
            "revokedJWTSubjectEntityList":[{"entity_id":"u","entity_type":"USER_ID","revocation_time":1709000000000,"organization":"carbon.super"}],
            "revokedJWTConsumerKeyList":[{"consumer_key":"c","revocation_time":"1709000000001","organization":"carbon.super","is_revoke_app_only":true}]}"#,
        &[
            token("a", Expiry::Never),
            Revocation::Subject {
                entity_id: id("u"),
                entity_type: "USER_ID".into(),
                revoked_at: UnixMillis(1_709_000_000_000),
                disbelieved: None,
            },
            Revocation::App {
                consumer_key: id("c"),
                revoked_at: UnixMillis(1_709_000_000_001),
                disbelieved: None,
            },
        ],
        0,
    );
}

#[test]
fn lists_may_be_absent_null_or_empty() {
    for body in [
        "{}",
        r#"{"revokedJWTList":null}"#,
        r#"{"revokedJWTList":[],"revokedJWTSubjectEntityList":null,"more":{"a":[1]}}"#,
    ] {
        check(body, &[], 0);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_counted_and_the_others_count() {
    let long = "x".repeat(Identifier::MAX_BYTES + 1);
    check(
        &format!(
            r#"[null,7,"x",[1],{{}},{{"jwt_signature":null}},{{"jwt_signature":""}},{{"jwt_signature":5}},
            {{"jwt_signature":"{long}"}},{{"jwt_signature":"a","expiry_time":"soon","note":{{"deep":[{{}}]}}}}]"#
        ),
        &[token("a", Expiry::Unknown)],
        9,
    );
}

/// A field that was renamed must not look like a list that was read: whatever it revokes would pass.
#[test]
fn a_list_of_which_no_row_can_be_read_is_an_error() {
    let unreadable = |body: &str, list: &'static str, total, skipped| {
        let rows = Rows { total, skipped };
        let (_, read) = groups(body.as_bytes());
        assert_eq!(read, Err(CatchupError::Unreadable { list, rows }), "{body}");
    };
    unreadable(r#"[{"jti":"a"},{"jti":"b"}]"#, "the list", 2, 2);
    unreadable(
        r#"{"revokedJWTConsumerKeyList":[{"consumer_key":""}]}"#,
        "revokedJWTConsumerKeyList",
        1,
        1,
    );
    // What the other lists revoke is taken in all the same.
    let body = r#"{"revokedJWTSubjectEntityList":[{"entity_type":"USER_ID"}],
        "revokedJWTList":[{"jwt_signature":"a"}]}"#;
    unreadable(body, "revokedJWTSubjectEntityList", 2, 1);
    let (groups, _) = groups(body.as_bytes());
    assert_eq!(groups.concat(), [token("a", Expiry::Unknown)]);
}

#[test]
fn a_row_that_expired_long_ago_is_still_read_as_it_stands() {
    check(
        r#"[{"jwt_signature":"a","expiry_time":1000}]"#,
        &[token("a", Expiry::Known(UnixSeconds(1000)))],
        0,
    );
}

#[test]
fn a_row_without_a_moment_was_revoked_now() {
    check(
        r#"{"revokedJWTConsumerKeyList":[{"consumer_key":"c"},{"consumer_key":"d","revocation_time":9999999999999}]}"#,
        &[("c", 0), ("d", 9_999_999_999_999)].map(|(name, sent)| Revocation::App {
            consumer_key: id(name),
            revoked_at: NOW,
            disbelieved: Some(UnixMillis(sent)),
        }),
        0,
    );
}

#[test]
fn what_is_no_list_is_never_an_empty_list() {
    refuse("", "it is empty");
    refuse(" \n", "it is empty");
    refuse("<html>secret</html>", "it is not JSON");
    refuse("[{\"jwt_signature\":\"a\"}", "it ends too early");
    refuse("[] []", "it is not JSON");
    for body in [
        "null",
        "true",
        "\"secret\"",
        "7",
        r#"{"code":500,"message":"secret"}"#,
        r#"{"revokedJWTList":{}}"#,
        r#"{"revokedJWTList":"secret"}"#,
    ] {
        refuse(body, "its shape is another one");
    }
    let (_, read) = groups(br#"{"revokedJWTList":"secret"}"#);
    let error = read.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
