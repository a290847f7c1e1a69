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
use rusqlite::{Connection, OptionalExtension as _, params};
use thiserror::Error;

use super::{Named, Row};

/// The file's name.
const FILE: &str = "roster.db";

/// What `PRAGMA user_version` says of this form.
const FORM: i64 = 2;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS enforcers (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    instance TEXT NOT NULL,
    address TEXT NOT NULL,
    method TEXT NOT NULL,
    takes_all INTEGER NOT NULL,
    durable INTEGER NOT NULL,
    adapters INTEGER,
    stale_after_s INTEGER,
    stale_policy TEXT,
    state TEXT NOT NULL,
    last_error TEXT,
    not_enforced INTEGER NOT NULL,
    ledger TEXT NOT NULL,
    acked INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    subscribes_to_all INTEGER NOT NULL DEFAULT 1,
    parts INTEGER NOT NULL DEFAULT 1,
    UNIQUE (identity, instance)
) STRICT";

/// From the first form: who is there counts as one that subscribes to all, as it did until then.
const FROM_FIRST: &str = "BEGIN;
    ALTER TABLE enforcers ADD COLUMN subscribes_to_all INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE enforcers ADD COLUMN parts INTEGER NOT NULL DEFAULT 1;
    PRAGMA user_version = 2;
    COMMIT";

const COLUMNS: &str = "id, identity, instance, address, method, takes_all, durable, adapters, stale_after_s, \
     stale_policy, state, last_error, not_enforced, ledger, acked, first_seen_ms, seen_ms, subscribes_to_all, parts";

/// The file, open.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
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
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|source| {
            StoreError::Permissions {
                path: path.clone(),
                source,
            }
        })?;
        prepare(&connection).map_err(database)?;
        let found: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .optional()
            .map_err(database)?
            .unwrap_or(0);
        match found {
            0 => connection
                .pragma_update(None, "user_version", FORM)
                .map_err(database)?,
            1 => connection.execute_batch(FROM_FIRST).map_err(database)?,
            FORM => {}
            found => return Err(StoreError::Form { path, found }),
        }
        let rows = rows(&connection).map_err(database)?;
        Ok((Self { connection }, rows))
    }

    /// Writes all of it in one step.
    pub(crate) fn write(&mut self, rows: &[Row], forgotten: &[u64]) -> rusqlite::Result<()> {
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

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A receipt that a power cut takes back is given again when its enforcer comes back.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute(TABLE, [])?;
    Ok(())
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM enforcers"))?;
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
