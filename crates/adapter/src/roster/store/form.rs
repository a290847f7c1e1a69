//! The form of the roster's file: its columns, and how an older file gets those that it lacks.

use std::collections::HashSet;

use rusqlite::{Connection, Transaction};

/// What `PRAGMA user_version` says of this form.
const FORM: i64 = 2;

const TABLE: &str = "CREATE TABLE enforcers (
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

/// The columns, in the order in which they are read and written.
pub(super) const COLUMNS: &str = "id, identity, instance, address, method, takes_all, durable, adapters, stale_after_s, \
     stale_policy, state, last_error, not_enforced, ledger, acked, first_seen_ms, seen_ms, subscribes_to_all, parts";

/// Those that the first form lacks. Who is there counts as one that subscribes to all, as it did until then.
const ADDED: [&str; 2] = ["subscribes_to_all", "parts"];

/// What each of them is where it is not there.
const ADDED_IS: &str = "1";

/// What a file is. Its columns decide: one that was made by halves may say nothing of its form.
#[derive(Debug)]
pub(super) struct Form {
    /// What it says of itself.
    pub(super) said: i64,
    columns: HashSet<String>,
}

impl Form {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let said = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let mut columns = connection.prepare("SELECT name FROM pragma_table_info('enforcers')")?;
        let columns = columns.query_map([], |row| row.get(0))?;
        Ok(Self {
            said,
            columns: columns.collect::<rusqlite::Result<_>>()?,
        })
    }

    /// Whether this version can use it.
    pub(super) fn is_known(&self) -> bool {
        (0..=FORM).contains(&self.said)
    }

    /// Whether nothing has been made yet.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// What is selected: where a column is lacking, what stands for it.
    pub(super) fn select(&self) -> String {
        let columns = COLUMNS.split(", ").map(|column| match self.has(column) {
            true => column,
            false => ADDED_IS,
        });
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Brings the file to this version's form, all of it or nothing.
    pub(super) fn bring_up(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        self.alter(&transaction)?;
        transaction.pragma_update(None, "user_version", FORM)?;
        transaction.commit()
    }

    /// The same, where it is not of that form already.
    pub(super) fn bring_up_if_older(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        match self.said == FORM && self.lacks().next().is_none() {
            true => Ok(()),
            false => self.bring_up(connection),
        }
    }

    fn alter(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if self.is_empty() {
            transaction.execute(TABLE, [])?;
            return Ok(());
        }
        for column in self.lacks() {
            let added = format!("{column} INTEGER NOT NULL DEFAULT {ADDED_IS}");
            transaction.execute(&format!("ALTER TABLE enforcers ADD COLUMN {added}"), [])?;
        }
        Ok(())
    }

    fn lacks(&self) -> impl Iterator<Item = &'static str> {
        ADDED.into_iter().filter(|column| !self.has(column))
    }

    fn has(&self, column: &str) -> bool {
        self.columns.contains(column) || !ADDED.contains(&column)
    }
}
