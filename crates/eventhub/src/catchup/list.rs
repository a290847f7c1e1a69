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
/// that cannot be read is counted; a body that is no list is an error, and never an empty list. So is one with a list of
/// which no row can be read.
pub(super) fn read(
    body: impl io::Read,
    received: Received,
    take: Take<'_>,
) -> Result<Rows, CatchupError> {
    let mut list = List {
        received,
        group: Vec::new(),
        rows: Rows::default(),
        unreadable: None,
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
        Ok(()) => list.whole(),
        Err(_) if blank => Err(CatchupError::Body("it is empty".into())),
        Err(error) => Err(CatchupError::Body(explain(&error))),
    }
}

/// What was read of a list.
struct List<'a> {
    received: Received,
    group: Vec<Revocation>,
    rows: Rows,
    /// The first list that has rows of which none could be read.
    unreadable: Option<&'static str>,
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

    /// The end of the list of this name; `before` are the rows until its begin.
    fn end_of(&mut self, name: &'static str, before: Rows) {
        let total = self.rows.total - before.total;
        if total > 0 && total == self.rows.skipped - before.skipped {
            self.unreadable.get_or_insert(name);
        }
    }

    /// All of it is read. It counts only where each list that has rows has one that can be read.
    fn whole(self) -> Result<Rows, CatchupError> {
        let rows = self.rows;
        self.unreadable.map_or(Ok(rows), |list| {
            Err(CatchupError::Unreadable { list, rows })
        })
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
        OneList {
            list,
            name: "the list",
            meaning: token,
        }
        .visit_seq(rows)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut lists: A) -> Result<(), A::Error> {
        let (mut known, mut unknown) = (false, false);
        while let Some(name) = lists.next_key::<String>()? {
            let (name, meaning): (_, Meaning) = match name.as_str() {
                "revokedJWTList" => ("revokedJWTList", token),
                "revokedJWTSubjectEntityList" => ("revokedJWTSubjectEntityList", subject),
                "revokedJWTConsumerKeyList" => ("revokedJWTConsumerKeyList", app),
                _ => {
                    unknown = true;
                    lists.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            known = true;
            let list = &mut *self.0;
            lists.next_value_seed(OneList {
                list,
                name,
                meaning,
            })?;
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
    name: &'static str,
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
        let before = self.list.rows;
        while let Some(row) = rows.next_element::<Row>()? {
            let revocation = (self.meaning)(&row, self.list.received);
            let taken = self.list.push(revocation);
            taken.ok_or_else(|| A::Error::custom("nobody wants more"))?;
        }
        self.list.end_of(self.name, before);
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
mod tests;
