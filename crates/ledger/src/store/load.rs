//! Reading the whole file, around what is broken in it.

use std::{ops::RangeInclusive, path::Path};

use rescind_revocation::{Expiry, Revocation, UnixMillis, UnixSeconds};
use rusqlite::{Connection, ErrorCode, Row, Rows};

use super::{OriginRow, Store, facts, group_checksum, identity::Identity, scan::scan};
use crate::{Damage, LedgerError, codec, directory::error, epochs::Span, groups::Groups, log::Log};

/// How far a damaged group may reach to be believed about its key.
const LARGEST_GROUP: u64 = 1 << 20;

/// Entries that are put into the index together: some 12 MB of it at a time.
const UNSETTLED: usize = 1_000_000;

const GROUPS: &str = "SELECT first, last, checksum, entries FROM groups ORDER BY first";

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// What is live of the groups that are whole.
    pub(crate) log: Log,
    pub(crate) groups: Groups,
    /// Entries of the log that are not in its index yet.
    unsettled: usize,
    /// The last sequence of the log. Groups that reach into each other say the same of what both hold.
    taken: u64,
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
    /// What its pages hold of a file that SQLite cannot read as a database, and why it cannot.
    pub(crate) fn unreadable(path: &Path, reason: String) -> Result<Self, LedgerError> {
        let mut contents = Self::default();
        contents.damage.push(Damage::File {
            what: "the file",
            reason,
        });
        contents.read_pages(path)?;
        Ok(contents)
    }

    /// Reads a damaged file again, page by page, where there may be more in it than SQLite can reach.
    pub(crate) fn read_pages(&mut self, path: &Path) -> Result<(), LedgerError> {
        let reachable = |damage: &Damage| {
            matches!(
                damage,
                Damage::Checksum { .. }
                    | Damage::Group { .. }
                    | Damage::Table { .. }
                    | Damage::Header { .. }
            )
        };
        if self.damage.iter().all(reachable) {
            return Ok(());
        }
        let scan = scan(path).map_err(|source| error("read", path, source))?;
        let mut found = Self {
            horizon: self.horizon,
            ..Self::default()
        };
        for group in scan.groups {
            found.take(group);
        }
        found.settle();
        if found.log.len() >= self.log.len() {
            self.damage.retain(|damage| {
                matches!(
                    damage,
                    Damage::File { .. }
                        | Damage::Row { .. }
                        | Damage::Table { .. }
                        | Damage::Header { .. }
                )
            });
            self.damage.append(&mut found.damage);
            self.log = found.log;
            self.groups = found.groups;
            self.head = self.head.max(found.head);
        }
        let disbelieved = |damage: &Damage| matches!(damage, Damage::Table { .. });
        if self.epochs.is_empty() && !self.damage.iter().any(disbelieved) {
            self.epochs = scan.epochs;
        }
        self.end();
        Ok(())
    }

    /// Nothing before where the last epoch began is given out again.
    fn end(&mut self) {
        let began = self.epochs.iter().map(|span| span.first).max();
        self.head = self.head.max(began.unwrap_or(0));
        // What lies behind is given out again, and came otherwise.
        let head = self.head;
        self.origins.retain(|(first, _)| *first <= head);
    }

    fn broken(&mut self, what: &'static str, reason: &rusqlite::Error) {
        let reason = reason.to_string();
        self.damage.push(Damage::File { what, reason });
    }

    fn take(&mut self, group: Group) {
        let computed = group.computed();
        let Group {
            first,
            last,
            found,
            bytes,
        } = group;
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
        let taken = self.taken;
        for raw in entries.iter().filter(|raw| raw.sequence > taken) {
            self.taken = raw.sequence;
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

/// A row, as it was found.
pub(super) struct Group {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The checksum beside the bytes.
    pub(super) found: u64,
    pub(super) bytes: Vec<u8>,
}

impl Group {
    /// The checksum that its bytes give.
    pub(super) fn computed(&self) -> u64 {
        group_checksum(self.first, self.last, &self.bytes)
    }
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
            Ok((meta, damage)) => {
                contents.damage.extend(damage);
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
