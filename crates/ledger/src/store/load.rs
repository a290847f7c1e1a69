//! Reading the whole file through SQLite, around what is broken in it.

use std::ops::RangeInclusive;

use rescind_revocation::Revocation;
use rusqlite::{Connection, ErrorCode, Row, Rows};

use super::{
    Store,
    contents::{Contents, Group},
    facts,
    identity::Identity,
};
use crate::{Damage, codec};

const GROUPS: &str = "SELECT first, last, checksum, entries FROM groups ORDER BY first";

/// What a commit that failed has written all the same.
pub(crate) struct Left {
    pub(crate) last: u64,
    pub(crate) entries: Vec<(u64, Revocation)>,
}

impl Store {
    /// Reads everything. Damage is part of the answer; an error is what may be otherwise next time.
    pub(crate) fn load(&self) -> rusqlite::Result<Contents> {
        let mut contents = Contents::default();
        let Identity { version, damage } = &self.identity;
        contents.damage.extend(damage.clone());
        match facts::epochs(&self.connection, *version) {
            Ok((epochs, damage)) => {
                contents.epochs = epochs;
                contents.damage.extend(damage);
            }
            Err(error) if is_damage(&error) => contents.broken("table epochs", &error),
            Err(error) => return Err(error),
        }
        match facts::meta(&self.connection, *version) {
            Ok((meta, damage)) => match damage {
                None => contents.take_meta(meta),
                damage => contents.damage.extend(damage),
            },
            Err(error) if is_damage(&error) => contents.broken("table meta", &error),
            Err(error) => return Err(error),
        }
        self.groups(&mut contents)?;
        contents.settle();
        match check(&self.connection) {
            Ok(verdict) if verdict == "ok" => {}
            Ok(reason) => contents.damage.push(Damage::File {
                what: "the file",
                reason,
            }),
            Err(error) if is_damage(&error) => contents.broken("the file", &error),
            Err(error) => return Err(error),
        }
        if !contents.damage.is_empty() {
            contents.origins = self.origins()?;
        }
        contents.end();
        Ok(contents)
    }

    /// The rows after `after`: what a commit that failed may have left behind.
    pub(crate) fn left_behind(&self, after: u64) -> rusqlite::Result<Vec<Left>> {
        let mut statement = self.connection.prepare(
            "SELECT first, last, checksum, entries FROM groups WHERE first > ?1 ORDER BY first",
        )?;
        let mut left = Vec::new();
        drain(statement.query([super::number(after)])?, |group| {
            let whole = group.computed() == group.found;
            let entries = codec::decode(group.first, group.last, &group.bytes);
            left.push(Left {
                last: group.last,
                entries: match entries {
                    Ok(entries) if whole => entries
                        .iter()
                        .map(|raw| (raw.sequence, raw.entry.revocation()))
                        .collect(),
                    // The next opening reports it.
                    _ => Vec::new(),
                },
            });
        })?;
        Ok(left)
    }

    /// The keys of all rows.
    pub(crate) fn keys(&self) -> rusqlite::Result<Vec<RangeInclusive<u64>>> {
        let mut statement = self
            .connection
            .prepare("SELECT first, last FROM groups ORDER BY first")?;
        let number = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let keys = statement.query_map([], |row| Ok(number(row, 0)?..=number(row, 1)?))?;
        keys.collect()
    }

    /// The last sequence in the file.
    pub(crate) fn end(&self) -> rusqlite::Result<u64> {
        let last: Option<i64> =
            self.connection
                .query_row("SELECT max(last) FROM groups", [], |row| row.get(0))?;
        let began: Option<i64> =
            self.connection
                .query_row("SELECT max(first) FROM epochs", [], |row| row.get(0))?;
        Ok(last.max(began).unwrap_or(0).cast_unsigned())
    }

    /// Reads from the front up to the end or to the first row that SQLite cannot reach, then from the back down to it.
    fn groups(&self, contents: &mut Contents) -> rusqlite::Result<()> {
        let mut statement = match self.connection.prepare(GROUPS) {
            Ok(statement) => statement,
            Err(error) if is_damage(&error) => {
                contents.broken("table groups", &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Err(error) = drain(statement.query([])?, |group| contents.take(group)) else {
            return Ok(());
        };
        if !is_damage(&error) {
            return Err(error);
        }
        let after = contents.head;
        contents.damage.push(Damage::Row {
            after,
            reason: error.to_string(),
        });
        self.groups_from_the_back(contents, after)
    }

    fn groups_from_the_back(&self, contents: &mut Contents, after: u64) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare(
            "SELECT first, last, checksum, entries FROM groups WHERE first > ?1 ORDER BY first DESC",
        )?;
        let mut behind = Vec::new();
        match drain(statement.query([super::number(after)])?, |group| {
            behind.push(group);
        }) {
            Err(error) if !is_damage(&error) => return Err(error),
            _ => {}
        }
        for group in behind.into_iter().rev() {
            contents.take(group);
        }
        Ok(())
    }
}

/// Every row of a file that is whole, in order.
pub(super) fn each_group(connection: &Connection, take: impl FnMut(Group)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(GROUPS)?;
    drain(statement.query([])?, take)
}

fn drain(mut rows: Rows<'_>, mut take: impl FnMut(Group)) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        take(group(row)?);
    }
    Ok(())
}

fn group(row: &Row<'_>) -> rusqlite::Result<Group> {
    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(Group {
        first: number(0)?,
        last: number(1)?,
        found: number(2)?,
        bytes: row.get(3)?,
    })
}

/// Rows can go missing from a page without a trace in the rows that are left; the page's own accounts show it.
fn check(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
}

/// Whether an error says that the file is broken, rather than that it could not be read now.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        // A statement of ours fails only where the schema is not what we made.
        _ => matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::TooBig
                    | ErrorCode::Unknown
            )
        ),
    }
}
