//! The file: SQLite with a row for each group.
//!
//! ```text
//! groups (first, last, checksum, entries)    a row for each commit; `entries` is ours, see `codec`
//! epochs (opening, epoch, first, last)       a row for each opening; `last` is NULL for the newest
//! meta   (name, value)                       complete, source_good_at (ms), horizon (s), schema version, checksums, see `facts`
//! origins (first, at, source, checksum)      a row for each commit: when (ms) and whence, see `origins`
//! sources (id, name)                         whence, in words
//! ```
//!
//! The keys of the groups follow each other without a gap, so that a row that is not there shows; a group's entries may
//! leave some of its sequences out. Rows are joined and thinned from time to time, see `groups`.
//!
//! Schema version 1 had no horizon, and no entry in it had a moment that was not believed; version 2 had no origins, version
//! 3 no checksums of `meta` and `epochs`, version 4 did not say its number in `meta`. Nothing else differs: the first transaction makes
//! what is missing and raises the number.
//!
//! The log is in WAL mode with `synchronous = FULL`: what `COMMIT` has returned for is on the disk.

use std::{collections::BTreeSet, ops::RangeInclusive, path::Path, time::Duration};

use rescind_revocation::{Revocation, UnixMillis, UnixSeconds};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

mod contents;
mod facts;
mod identity;
mod load;
mod origins;
mod pages;
mod scan;
mod unwritable;
mod verify;

pub(crate) use contents::Contents;
pub(crate) use load::{Left, is_damage};
pub use origins::Origin;
pub(crate) use origins::{Row as OriginRow, read as read_origin};
pub(crate) use unwritable::{cannot_write, read_unwritable};
pub(crate) use verify::verify;

use facts::{insert_epoch, put_meta};
use identity::{APPLICATION_ID, Found, Identity, SCHEMA_VERSION, identify};

use crate::{
    LedgerError,
    checksum::checksum,
    codec::Encoder,
    directory::{is_empty, make_private},
    epochs::Span,
};

/// An administrator may look into the file with ordinary tools; a commit waits this long for them.
const BUSY: Duration = Duration::from_millis(500);

const SCHEMA: &str = "
    CREATE TABLE groups (
        first    INTEGER PRIMARY KEY,
        last     INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        entries  BLOB NOT NULL
    ) STRICT;
    CREATE TABLE epochs (
        opening INTEGER PRIMARY KEY,
        epoch   INTEGER NOT NULL UNIQUE,
        first   INTEGER NOT NULL,
        last    INTEGER
    ) STRICT;
    CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value INTEGER
    ) STRICT;
";

/// One open file.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    identity: Identity,
}

/// The current epoch, while it is not in the file yet: it must stand there no later than its sequences do.
pub(crate) type Unsaved = Option<Span>;

impl Store {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, LedgerError> {
        make_private(path)?;
        let refused = |source| LedgerError::Sqlite {
            doing: "open",
            path: path.to_owned(),
            source,
        };
        let is_new = is_empty(path)?;
        let opened = match connect(path, is_new, Sharing::Tools) {
            Err(error) if is_out_of_room(&error) => connect(path, is_new, Sharing::Nobody),
            opened => opened,
        };
        let (connection, found) = opened.map_err(refused)?;
        Self::of(path, connection, found)
    }

    /// As a later program leaves it.
    #[cfg(test)]
    pub(crate) fn say_version(&mut self, version: i64) -> rusqlite::Result<()> {
        self.write(None, |transaction| say_version(transaction, version))
    }

    fn of(path: &Path, connection: Connection, found: Found) -> Result<Self, LedgerError> {
        match found {
            Found::Ours(identity) => Ok(Self {
                connection,
                identity,
            }),
            Found::Later(found) => Err(LedgerError::Later {
                path: path.to_owned(),
                found,
                known: SCHEMA_VERSION,
            }),
            Found::Foreign => Err(LedgerError::Foreign {
                path: path.to_owned(),
            }),
        }
    }

    /// Commits the group that answers for `sequences`, with what is said of its coming, and the epoch before it where that
    /// is unsaved.
    pub(crate) fn append(
        &mut self,
        unsaved: Unsaved,
        sequences: RangeInclusive<u64>,
        entries: &[(u64, Revocation)],
        origin: Option<&Origin>,
    ) -> rusqlite::Result<()> {
        let mut group = Encoder::new(*sequences.start());
        for (sequence, revocation) in entries {
            group.push(*sequence, revocation);
        }
        let (bytes, _) = group.finish();
        self.write(unsaved, |transaction| {
            insert_group(transaction, &sequences, &bytes)?;
            origins::insert(transaction, *sequences.start(), origin)
        })
    }

    /// Commits a group that is encoded, and says nothing of its coming.
    pub(crate) fn append_bytes(
        &mut self,
        unsaved: Unsaved,
        sequences: &RangeInclusive<u64>,
        bytes: &[u8],
    ) -> rusqlite::Result<()> {
        self.write(unsaved, |transaction| {
            insert_group(transaction, sequences, bytes)
        })
    }

    /// Puts one group into the place of all that answer for `sequences` now. `live` are those of them that it holds.
    pub(crate) fn rewrite(
        &mut self,
        unsaved: Unsaved,
        sequences: &RangeInclusive<u64>,
        live: &BTreeSet<u64>,
        bytes: &[u8],
    ) -> rusqlite::Result<()> {
        self.write(unsaved, |transaction| {
            let mut delete = transaction
                .prepare_cached("DELETE FROM groups WHERE first >= ?1 AND first <= ?2")?;
            delete.execute([number(*sequences.start()), number(*sequences.end())])?;
            origins::thin(transaction, sequences, live)?;
            insert_group(transaction, sequences, bytes)
        })
    }

    /// Commits the horizon.
    pub(crate) fn set_horizon(
        &mut self,
        unsaved: Unsaved,
        horizon: UnixSeconds,
    ) -> rusqlite::Result<()> {
        self.write(unsaved, |transaction| {
            put_meta(transaction, "horizon", Some(number(horizon.0)))?;
            facts::seal_meta(transaction)
        })
    }

    /// Commits the epoch alone.
    pub(crate) fn save_epoch(&mut self, epoch: Span) -> rusqlite::Result<()> {
        self.write(Some(epoch), |_| Ok(()))
    }

    /// Commits whether the ledger is complete, and when its source was last good.
    pub(crate) fn set_source(
        &mut self,
        unsaved: Unsaved,
        complete: bool,
        good_at: Option<UnixMillis>,
    ) -> rusqlite::Result<()> {
        self.write(unsaved, |transaction| {
            put_meta(transaction, "complete", Some(complete.into()))?;
            put_meta(
                transaction,
                "source_good_at",
                good_at.map(|at| number(at.0)),
            )?;
            facts::seal_meta(transaction)
        })
    }

    /// Copies epochs as they are: into a fresh file, after damage.
    pub(crate) fn copy_epochs(&mut self, epochs: &[Span]) -> rusqlite::Result<()> {
        self.write(None, |transaction| {
            for span in epochs {
                insert_epoch(transaction, span)?;
            }
            facts::seal_epochs(transaction)
        })
    }

    /// Closes the file once all of it stands in the database itself, on the disk. To close alone would try the same and
    /// say nothing where it fails.
    pub(crate) fn close(self) -> rusqlite::Result<()> {
        let busy: bool =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                None,
            ));
        }
        self.connection.close().map_err(|(_, error)| error)
    }

    fn write(
        &mut self,
        unsaved: Unsaved,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_old = self.identity.version < SCHEMA_VERSION;
        if is_old {
            transaction.execute_batch(origins::SCHEMA)?;
            say_version(&transaction, SCHEMA_VERSION)?;
        }
        if let Some(span) = unsaved {
            transaction.execute(
                "UPDATE epochs SET last = ?1 WHERE last IS NULL",
                [number(span.first)],
            )?;
            insert_epoch(&transaction, &span)?;
        }
        if is_old || unsaved.is_some() {
            facts::seal_epochs(&transaction)?;
        }
        work(&transaction)?;
        transaction.commit()?;
        self.identity.version = SCHEMA_VERSION;
        Ok(())
    }
}

/// Who may open the file beside us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Ordinary tools: readers and the writer meet in the `-shm` file.
    Tools,
    /// Nobody: there is no `-shm` file, so that a full disk, where it cannot be made, can be read.
    Nobody,
}

fn connect(path: &Path, is_new: bool, sharing: Sharing) -> rusqlite::Result<(Connection, Found)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    if sharing == Sharing::Nobody {
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    let found = prepare(&connection, is_new)?;
    Ok((connection, found))
}

fn is_out_of_room(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::DiskFull)
    )
}

fn prepare(connection: &Connection, is_new: bool) -> rusqlite::Result<Found> {
    match identify(connection)? {
        None if is_new => {
            create(connection)?;
            Ok(Found::Ours(Identity::new()))
        }
        // A new one is made under another name until it is whole.
        None => Err(no_table()),
        Some(Found::Ours(ours)) => {
            use_wal(connection)?;
            Ok(Found::Ours(ours))
        }
        Some(other) => Ok(other),
    }
}

/// The error for a file that holds something and, as SQLite reads it, no table.
fn no_table() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB),
        Some("it has no tables".to_owned()),
    )
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    use_wal(connection)?;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         {SCHEMA}
         {origins}
         PRAGMA application_id = {APPLICATION_ID};",
        origins = origins::SCHEMA
    ))?;
    say_version(connection, SCHEMA_VERSION)?;
    facts::seal_epochs(connection)?;
    connection.execute_batch("COMMIT")
}

/// Says the schema version where everyone looks, and where a checksum keeps it.
fn say_version(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", version)?;
    put_meta(connection, facts::SCHEMA_VERSION, Some(version))?;
    facts::seal_meta(connection)
}

fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
}

fn insert_group(
    connection: &Connection,
    sequences: &RangeInclusive<u64>,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    let (first, last) = (*sequences.start(), *sequences.end());
    let mut insert = connection.prepare_cached(
        "INSERT INTO groups (first, last, checksum, entries) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let sum = group_checksum(first, last, bytes);
    insert.execute(params![
        number(first),
        number(last),
        sum.cast_signed(),
        bytes
    ])?;
    Ok(())
}

/// The checksum of a group, over its key too.
fn group_checksum(first: u64, last: u64, bytes: &[u8]) -> u64 {
    checksum(&[&first.to_le_bytes(), &last.to_le_bytes(), bytes])
}

/// SQLite's integers are signed. Sequences and milliseconds do not reach 2^63; what does is kept at its end.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
