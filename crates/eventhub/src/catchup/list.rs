//! The two forms of the list, told apart by their shape: an array of tokens up to APIM 4.2, an object of three lists
//! since. It is read while it comes: rows go straight into groups of revocations, and neither the text nor a tree of it is
//! ever held.

use std::{fmt, io, mem};

use rescind_revocation::Revocation;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::CatchupError;
use crate::decode::{self, Received, Scalar};

/// Revocations of one group. The last one of a list may have fewer.
pub(super) const GROUP: usize = 10_000;

/// How many rows a list has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    /// All of them.
    pub total: usize,
    /// Those that could not be read.
    pub skipped: usize,
}

/// Takes the groups. `false` ends the reading: nobody wants more.
pub(super) type Take<'a> = &'a mut dyn FnMut(Vec<Revocation>) -> bool;

/// Reads a list and hands its groups to `take`, also the rows before the place where it turns out to be broken. A row
/// that cannot be read is counted; a body that is no list is an error, and never an empty list.
pub(super) fn read(
    body: impl io::Read,
    received: Received,
    take: Take<'_>,
) -> Result<Rows, CatchupError> {
    let mut list = List {
        received,
        group: Vec::new(),
        rows: Rows::default(),
        take,
    };
    let mut blank = true;
    let body = Watched {
        body,
        blank: &mut blank,
    };
    let mut deserializer =
        serde_json::Deserializer::from_reader(io::BufReader::with_capacity(64 * 1024, body));
    let read = Whole(&mut list)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    drop(deserializer);
    list.hand_on();
    match read {
        Ok(()) => Ok(list.rows),
        Err(_) if blank => Err(CatchupError::Body("it is empty".into())),
        Err(error) => Err(CatchupError::Body(explain(&error))),
    }
}

/// What was read of a list.
struct List<'a> {
    received: Received,
    group: Vec<Revocation>,
    rows: Rows,
    take: Take<'a>,
}

impl List<'_> {
    /// Counts a row. `None` where nobody wants more.
    fn push(&mut self, revocation: Option<Revocation>) -> Option<()> {
        self.rows.total += 1;
        match revocation {
            Some(revocation) => self.group.push(revocation),
            None => self.rows.skipped += 1,
        }
        if self.group.len() < GROUP {
            return Some(());
        }
        self.hand_on().then_some(())
    }

    fn hand_on(&mut self) -> bool {
        let group = mem::take(&mut self.group);
        group.is_empty() || (self.take)(group)
    }
}

/// Notes whether there is anything but white space in a body.
struct Watched<'a, R> {
    body: R,
    blank: &'a mut bool,
}

impl<R: io::Read> io::Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer)?;
        *self.blank &= buffer[..read].trim_ascii().is_empty();
        Ok(read)
    }
}

/// Where and how a body is not a list. The error's own text would quote it.
fn explain(error: &serde_json::Error) -> String {
    use serde_json::error::Category;

    let what = match error.classify() {
        Category::Data => "its shape is another one",
        Category::Eof => "it ends too early",
        Category::Syntax | Category::Io => "it is not JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// The body: an array of tokens, or an object of lists.
struct Whole<'a, 'b>(&'a mut List<'b>);

impl<'de> DeserializeSeed<'de> for Whole<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, rows: A) -> Result<(), A::Error> {
        let list = self.0;
        let meaning = token;
        OneList { list, meaning }.visit_seq(rows)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut lists: A) -> Result<(), A::Error> {
        let (mut known, mut unknown) = (false, false);
        while let Some(name) = lists.next_key::<String>()? {
            let meaning: Meaning = match name.as_str() {
                "revokedJWTList" => token,
                "revokedJWTSubjectEntityList" => subject,
                "revokedJWTConsumerKeyList" => app,
                _ => {
                    unknown = true;
                    lists.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            known = true;
            let list = &mut *self.0;
            lists.next_value_seed(OneList { list, meaning })?;
        }
        // An error of some gateway in between is an object too; it must not count as an empty list.
        if unknown && !known {
            return Err(A::Error::custom("none of the lists"));
        }
        Ok(())
    }
}

/// What a row of a list revokes, if it can be read.
type Meaning = fn(&Row, Received) -> Option<Revocation>;

fn token(row: &Row, _: Received) -> Option<Revocation> {
    Some(Revocation::Token {
        // The `jti`, despite its name.
        identifier: decode::identifier(row.jwt_signature.as_text()?, "jwt_signature").ok()?,
        expiry: decode::expiry(&row.expiry_time),
    })
}

fn subject(row: &Row, received: Received) -> Option<Revocation> {
    let (revoked_at, disbelieved) = decode::revoked_at(&row.revocation_time, received);
    Some(Revocation::Subject {
        entity_id: decode::identifier(row.entity_id.as_text()?, "entity_id").ok()?,
        entity_type: decode::entity_type(&row.entity_type),
        revoked_at,
        disbelieved,
    })
}

fn app(row: &Row, received: Received) -> Option<Revocation> {
    let (revoked_at, disbelieved) = decode::revoked_at(&row.revocation_time, received);
    Some(Revocation::App {
        consumer_key: decode::identifier(row.consumer_key.as_text()?, "consumer_key").ok()?,
        revoked_at,
        disbelieved,
    })
}

/// One list, or null.
struct OneList<'a, 'b> {
    list: &'a mut List<'b>,
    meaning: Meaning,
}

impl<'de> DeserializeSeed<'de> for OneList<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneList<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Row>()? {
            let revocation = (self.meaning)(&row, self.list.received);
            let taken = self.list.push(revocation);
            taken.ok_or_else(|| A::Error::custom("nobody wants more"))?;
        }
        Ok(())
    }
}

/// The fields of any row; a row that is no object has none. Of two fields of one name the last one counts.
#[derive(Debug, Default)]
struct Row {
    jwt_signature: Scalar,
    expiry_time: Scalar,
    entity_id: Scalar,
    entity_type: Scalar,
    consumer_key: Scalar,
    revocation_time: Scalar,
}

impl Row {
    fn field(&mut self, name: &str) -> Option<&mut Scalar> {
        match name {
            "jwt_signature" => Some(&mut self.jwt_signature),
            "expiry_time" => Some(&mut self.expiry_time),
            "entity_id" => Some(&mut self.entity_id),
            "entity_type" => Some(&mut self.entity_type),
            "consumer_key" => Some(&mut self.consumer_key),
            "revocation_time" => Some(&mut self.revocation_time),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyRow)
    }
}

struct AnyRow;

impl<'de> Visitor<'de> for AnyRow {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Row, E> {
        Ok(Row::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Row, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Row::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Row, A::Error> {
        let mut row = Row::default();
        while let Some(name) = fields.next_key::<String>()? {
            match row.field(&name) {
                Some(field) => *field = fields.next_value()?,
                None => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
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
        check(
            r#"[null,7,"x",[1],{},{"jwt_signature":null},{"jwt_signature":""},{"jwt_signature":5},
                {"jwt_signature":"a","expiry_time":"soon","note":{"deep":[{}]}}]"#,
            &[token("a", Expiry::Unknown)],
            8,
        );
        let long = "x".repeat(Identifier::MAX_BYTES + 1);
        check(&format!(r#"[{{"jwt_signature":"{long}"}}]"#), &[], 1);
        check(
            r#"{"revokedJWTSubjectEntityList":[{"entity_type":"USER_ID"}],"revokedJWTConsumerKeyList":[{"consumer_key":""}]}"#,
            &[],
            2,
        );
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
}
