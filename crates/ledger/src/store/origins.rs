//! When and from where each commit's entries came: kept in the file alone, and read at the question.
//!
//! A row stands for the sequences from its first one up to the next row's. Rows whose entries are all gone are dropped
//! when the groups that held them are joined; what stands before such a row then answers for sequences that name nothing.

use std::{collections::BTreeSet, ops::RangeInclusive, path::Path};

use rescind_revocation::UnixMillis;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::{BUSY, Store, is_damage, number};
use crate::checksum::checksum;

/// The schema version that has them.
const SINCE: i64 = 3;

pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sources (
        id   INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE IF NOT EXISTS origins (
        first    INTEGER PRIMARY KEY,
        at       INTEGER,
        source   INTEGER,
        checksum INTEGER NOT NULL
    ) STRICT;
";

/// When and from where entries came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// When they were committed, by the clock of whoever appended them.
    pub at: UnixMillis,
    /// Whence, in words that hold no credentials.
    pub source: String,
}

/// A row: its first sequence, and what is said of it; `None` where nothing was.
pub(crate) type Row = (u64, Option<Origin>);

impl Store {
    /// Every row that can be read and holds what was written: for a fresh file, after damage.
    pub(crate) fn origins(&self) -> rusqlite::Result<Vec<Row>> {
        match rows(&self.connection, self.identity.version) {
            // Whatever else is whole counts for more.
            Err(error) if is_damage(&error) => Ok(Vec::new()),
            rows => rows,
        }
    }

    /// Copies rows as they are: into a fresh file, after damage.
    pub(crate) fn copy_origins(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        self.write(None, |transaction| {
            for (first, origin) in rows {
                insert(transaction, *first, origin.as_ref())?;
            }
            Ok(())
        })
    }
}

/// What is said of `sequence` in the file at `path`: reads it beside its writer.
pub(crate) fn read(path: &Path, sequence: u64) -> rusqlite::Result<Option<Origin>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < SINCE {
        return Ok(None);
    }
    let mut statement = connection.prepare(&format!(
        "{SELECT} WHERE first <= ?1 ORDER BY first DESC LIMIT 1"
    ))?;
    let row = statement.query_row([number(sequence)], row).optional()?;
    Ok(row.and_then(|row| whole(row).ok()?.1))
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    first: u64,
    origin: Option<&Origin>,
) -> rusqlite::Result<()> {
    let sum = sum(first, origin).cast_signed();
    if let Some(Origin { source, .. }) = origin {
        let mut name =
            transaction.prepare_cached("INSERT OR IGNORE INTO sources (name) VALUES (?1)")?;
        name.execute([source])?;
    }
    // After a commit that failed and was durable all the same, the row is there already.
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO origins (first, at, source, checksum)
         VALUES (?1, ?2, (SELECT id FROM sources WHERE name = ?3), ?4)",
    )?;
    let at = origin.map(|origin| number(origin.at.0));
    let source = origin.map(|origin| &origin.source);
    insert.execute(params![number(first), at, source, sum])?;
    Ok(())
}

/// Drops the rows of `sequences` that answer for nothing in `live`.
pub(super) fn thin(
    transaction: &Transaction<'_>,
    sequences: &RangeInclusive<u64>,
    live: &BTreeSet<u64>,
) -> rusqlite::Result<()> {
    // With the one behind them, which says where the last ends; one that goes on farther stays.
    let mut firsts = transaction.prepare_cached(
        "SELECT first FROM origins WHERE first >= ?1 AND first <= ?2 ORDER BY first",
    )?;
    let end = sequences.end().saturating_add(1);
    let found = firsts.query_map([number(*sequences.start()), number(end)], |row| {
        row.get::<_, i64>(0).map(i64::cast_unsigned)
    })?;
    let found: Vec<u64> = found.collect::<rusqlite::Result<_>>()?;
    let mut delete = transaction.prepare_cached("DELETE FROM origins WHERE first = ?1")?;
    for pair in found.windows(2) {
        let (first, next) = (pair[0], pair[1]);
        if live.range(first..next).next().is_none() {
            delete.execute([number(first)])?;
        }
    }
    Ok(())
}

const SELECT: &str =
    "SELECT first, at, (SELECT name FROM sources WHERE id = source), checksum FROM origins";

/// A row as it was found, and its checksum.
type Found = (u64, Option<Origin>, u64);

fn rows(connection: &Connection, version: i64) -> rusqlite::Result<Vec<Row>> {
    if version < SINCE {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(&format!("{SELECT} ORDER BY first"))?;
    let mut found = Rows::default();
    for row in statement.query_map([], row)? {
        match row {
            Ok(row) => match whole(row) {
                Ok(row) => found.push(row),
                Err(_) => found.gap(),
            },
            // What stands behind a broken page is lost.
            Err(error) if is_damage(&error) => {
                found.gap();
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found.into_vec())
}

/// Rows as they are found, one after the other.
#[derive(Default)]
pub(super) struct Rows(Vec<Row>);

impl Rows {
    pub(super) fn push(&mut self, row: Row) {
        self.0.push(row);
    }

    /// A row may be missing here, so that nobody knows how far the last one reaches: it answers for its first sequence alone.
    pub(super) fn gap(&mut self) {
        if let Some((first, Some(_))) = self.0.last() {
            self.0.push((first + 1, None));
        }
    }

    pub(super) fn into_vec(self) -> Vec<Row> {
        self.0
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    let at: Option<i64> = row.get(1)?;
    let source: Option<String> = row.get(2)?;
    let origin = at.zip(source).map(|(at, source)| Origin {
        at: UnixMillis(at.cast_unsigned()),
        source,
    });
    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok((number(0)?, origin, number(3)?))
}

/// The row; or its first sequence, where it is not what was written.
fn whole((first, origin, found): Found) -> Result<Row, u64> {
    let whole = sum(first, origin.as_ref()) == found;
    if whole {
        Ok((first, origin))
    } else {
        Err(first)
    }
}

pub(super) fn sum(first: u64, origin: Option<&Origin>) -> u64 {
    let (at, source) = origin.map_or((0, ""), |origin| (origin.at.0, &*origin.source));
    checksum(&[&first.to_le_bytes(), &at.to_le_bytes(), source.as_bytes()])
}
