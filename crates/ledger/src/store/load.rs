//! Reading the whole file, around what is broken in it.

use std::ops::RangeInclusive;

use rescind_revocation::{Expiry, Revocation, UnixMillis, UnixSeconds};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Rows};

use super::{OriginRow, Store, group_checksum};
use crate::{Damage, Epoch, codec, epochs::Span, groups::Groups, log::Log};

/// How far a damaged group may reach to be believed about its key.
const LARGEST_GROUP: u64 = 1 << 20;

/// Entries that are put into the index together: some 12 MB of it at a time.
const UNSETTLED: usize = 1_000_000;

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// What is live of the groups that are whole.
    pub(crate) log: Log,
    pub(crate) groups: Groups,
    /// Entries of the log that are not in its index yet.
    unsettled: usize,
    pub(crate) epochs: Vec<Span>,
    pub(crate) complete: bool,
    pub(crate) source_good_at: Option<UnixMillis>,
    pub(crate) horizon: UnixSeconds,
    /// The highest sequence that was ever given out, as far as the file knows.
    pub(crate) head: u64,
    /// Empty in a whole file.
    pub(crate) damage: Vec<Damage>,
    /// What is said of the coming of entries: read only of a damaged file, to be copied.
    pub(crate) origins: Vec<OriginRow>,
}

impl Contents {
    /// What can be read of a file that SQLite cannot even open as a database.
    pub(crate) fn unreadable(reason: &rusqlite::Error) -> Self {
        let mut contents = Self::default();
        contents.broken("the file", reason);
        contents
    }

    fn broken(&mut self, what: &'static str, reason: &rusqlite::Error) {
        let reason = reason.to_string();
        self.damage.push(Damage::File { what, reason });
    }

    fn take(&mut self, group: Group) {
        let Group {
            first,
            last,
            found,
            bytes,
        } = group;
        let computed = group_checksum(first, last, &bytes);
        if computed != found {
            // Its sequences are not given out again, where its key is likely.
            if first == self.head + 1 && last.saturating_sub(first) < LARGEST_GROUP {
                self.head = self.head.max(last);
            }
            return self.damage.push(Damage::Checksum {
                first,
                last,
                found,
                computed,
            });
        }
        if first > self.head + 1 {
            self.damage.push(Damage::Missing {
                first: self.head + 1,
                last: first - 1,
            });
        }
        self.head = self.head.max(last);
        match codec::decode(first, last, &bytes) {
            Ok(entries) => self.take_entries(first, last, &entries),
            Err(reason) => self.damage.push(Damage::Group {
                first,
                last,
                reason,
            }),
        }
    }

    fn take_entries(&mut self, first: u64, last: u64, entries: &[codec::Raw<'_>]) {
        let stored = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.groups.push(&(first..=last), stored);
        for raw in entries {
            let swept = raw.entry.expiry() < Some(Expiry::Known(self.horizon));
            if swept && raw.entry.expiry().is_some() {
                self.groups.dropped(raw.sequence);
            } else {
                self.log.push_raw(raw);
                self.unsettled += 1;
            }
        }
        if self.unsettled >= UNSETTLED {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for sequence in self.log.settle() {
            self.groups.dropped(sequence);
        }
        self.unsettled = 0;
    }
}

/// What a commit that failed has written all the same.
pub(crate) struct Left {
    pub(crate) last: u64,
    pub(crate) entries: Vec<(u64, Revocation)>,
}

struct Group {
    first: u64,
    last: u64,
    found: u64,
    bytes: Vec<u8>,
}

impl Store {
    /// Reads everything. Damage is part of the answer; an error is what may be otherwise next time.
    pub(crate) fn load(&self) -> rusqlite::Result<Contents> {
        let mut contents = Contents::default();
        match epochs(&self.connection) {
            Ok(epochs) => contents.epochs = epochs,
            Err(error) if is_damage(&error) => contents.broken("table epochs", &error),
            Err(error) => return Err(error),
        }
        match meta(&self.connection) {
            Ok(meta) => {
                contents.complete = meta.complete;
                contents.source_good_at = meta.source_good_at;
                contents.horizon = meta.horizon;
            }
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
        let began = contents.epochs.iter().map(|span| span.first).max();
        contents.head = contents.head.max(began.unwrap_or(0));
        // What lies behind is given out again, and came otherwise.
        let head = contents.head;
        contents.origins.retain(|(first, _)| *first <= head);
        Ok(contents)
    }

    /// The rows after `after`: what a commit that failed may have left behind.
    pub(crate) fn left_behind(&self, after: u64) -> rusqlite::Result<Vec<Left>> {
        let mut statement = self.connection.prepare(
            "SELECT first, last, checksum, entries FROM groups WHERE first > ?1 ORDER BY first",
        )?;
        let mut left = Vec::new();
        drain(statement.query([super::number(after)])?, |group| {
            let whole = group_checksum(group.first, group.last, &group.bytes) == group.found;
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
        let forward = "SELECT first, last, checksum, entries FROM groups ORDER BY first";
        let mut statement = match self.connection.prepare(forward) {
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

fn epochs(connection: &Connection) -> rusqlite::Result<Vec<Span>> {
    let mut statement =
        connection.prepare("SELECT epoch, first, last FROM epochs ORDER BY opening")?;
    let spans = statement.query_map([], |row| {
        Ok(Span {
            epoch: Epoch(row.get(0)?),
            first: row.get::<_, i64>(1)?.cast_unsigned(),
            last: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
        })
    })?;
    spans.collect()
}

struct Meta {
    complete: bool,
    source_good_at: Option<UnixMillis>,
    horizon: UnixSeconds,
}

fn meta(connection: &Connection) -> rusqlite::Result<Meta> {
    let value = |name| {
        let mut statement = connection.prepare("SELECT value FROM meta WHERE name = ?1")?;
        let found = statement.query_row([name], |row| row.get::<_, Option<i64>>(0));
        let found = found.optional().map(Option::flatten);
        found.map(|value| value.and_then(|value| u64::try_from(value).ok()))
    };
    Ok(Meta {
        complete: value("complete")? == Some(1),
        source_good_at: value("source_good_at")?.map(UnixMillis),
        horizon: UnixSeconds(value("horizon")?.unwrap_or(0)),
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
