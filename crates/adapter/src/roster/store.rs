//! The roster's rows on disk: `roster.db` in the ledger's directory, readable with ordinary tools.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use rescind_revocation::UnixMillis;
use rescind_runtime::time::unix_now_millis;
use rescind_xds::server::Declared;
use rusqlite::{Connection, params};
use thiserror::Error;
use tracing::warn;

use super::{Named, Row};

mod form;

use form::{COLUMNS, Form};

/// The file's name.
const FILE: &str = "roster.db";

/// The file, open.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    /// It could not be written: what it then was, and it is brought up to this form before it is.
    older: Option<Form>,
}

/// Why it is not.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    #[error("cannot use {path}: {source}")]
    Database {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("cannot make {path} readable for its owner alone: {source}")]
    Permissions {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is of form {found}, which this version does not know")]
    Form { path: PathBuf, found: i64 },
}

impl Store {
    /// Opens or makes the file in `directory`, and reads it.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Vec<Row>), StoreError> {
        let path = directory.join(FILE);
        let database = |source| StoreError::Database {
            path: path.clone(),
            source,
        };
        let connection = Connection::open(&path).map_err(database)?;
        owner_alone(&path)?;
        Self::of(connection, &path)
    }

    fn of(mut connection: Connection, path: &Path) -> Result<(Self, Vec<Row>), StoreError> {
        let path = path.to_owned();
        let database = |source| StoreError::Database {
            path: path.clone(),
            source,
        };
        let form = Form::of(&connection).map_err(database)?;
        if !form.is_known() {
            let found = form.said;
            return Err(StoreError::Form { path, found });
        }
        if form.is_empty() {
            prepare(&connection).map_err(database)?;
            form.bring_up(&mut connection).map_err(database)?;
            let older = None;
            return Ok((Self { connection, older }, Vec::new()));
        }
        // Who is away is known although the disk is full, or lets nobody write.
        let ready = prepare(&connection);
        let rows = rows(&connection, &form.select()).map_err(database)?;
        let older = match ready.and_then(|()| form.bring_up_if_older(&mut connection)) {
            Ok(()) => None,
            Err(error) => {
                warn!(%error, "The roster can be read and not written; tried again");
                Some(form)
            }
        };
        Ok((Self { connection, older }, rows))
    }

    /// Writes all of it in one step.
    pub(crate) fn write(&mut self, rows: &[Row], forgotten: &[u64]) -> rusqlite::Result<()> {
        if let Some(form) = &self.older {
            form.bring_up_if_older(&mut self.connection)?;
            self.older = None;
        }
        let transaction = self.connection.transaction()?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM enforcers WHERE id = ?1")?;
            for id in forgotten {
                delete.execute([signed(*id)])?;
            }
            let mut put = transaction.prepare_cached(&format!(
                "INSERT OR REPLACE INTO enforcers ({COLUMNS}) VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
                 ?18, ?19)"
            ))?;
            for row in rows {
                put.execute(params![
                    signed(row.id),
                    row.named.identity,
                    row.named.instance,
                    row.address,
                    row.method,
                    row.takes_all,
                    row.durable,
                    row.declared.adapters.map(signed),
                    row.declared.stale_after_s.map(signed),
                    row.declared.stale_policy,
                    row.state,
                    row.last_error,
                    signed(row.not_enforced),
                    row.ledger,
                    signed(row.weakest()),
                    signed(row.first_seen_at.0),
                    signed(row.seen_at.0),
                    row.subscribes_to_all,
                    signed((row.here + row.away) as u64),
                ])?;
            }
        }
        transaction.commit()
    }
}

/// Beside the owner nobody reads it.
fn owner_alone(path: &Path) -> Result<(), StoreError> {
    const MODE: u32 = 0o600;
    let now = std::fs::metadata(path).map(|file| file.permissions().mode() & 0o777);
    let made = match now {
        // A disk that lets nobody write would refuse even that.
        Ok(MODE) => Ok(()),
        _ => std::fs::set_permissions(path, Permissions::from_mode(MODE)),
    };
    made.map_err(|source| StoreError::Permissions {
        path: path.to_owned(),
        source,
    })
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A receipt that a power cut takes back is given again when its enforcer comes back.
    connection.pragma_update(None, "synchronous", "NORMAL")
}

fn rows(connection: &Connection, columns: &str) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection.prepare(&format!("SELECT {columns} FROM enforcers"))?;
    let rows = select.query_map([], |row| {
        let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
        let maybe = |at| {
            row.get::<_, Option<i64>>(at)
                .map(|n| n.map(i64::unsigned_abs))
        };
        Ok(Row {
            id: number(0)?,
            named: Named {
                identity: row.get(1)?,
                instance: row.get(2)?,
            },
            address: row.get(3)?,
            method: row.get(4)?,
            takes_all: row.get(5)?,
            durable: row.get(6)?,
            declared: Declared {
                adapters: maybe(7)?,
                stale_after_s: maybe(8)?,
                stale_policy: row.get(9)?,
            },
            state: row.get(10)?,
            last_error: row.get(11)?,
            not_enforced: number(12)?,
            ledger: row.get(13)?,
            acked: number(14)?,
            lowest: None,
            first_seen_at: UnixMillis(number(15)?),
            seen_at: UnixMillis(number(16)?),
            heard_at: Instant::now(),
            subscribes_to_all: row.get(17)?,
            away: number(18)? as usize,
            here: 0,
            left_at: UnixMillis(unix_now_millis()),
            streams: 0,
            dirty: false,
        })
    })?;
    rows.collect()
}

/// SQLite has signed numbers alone.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
