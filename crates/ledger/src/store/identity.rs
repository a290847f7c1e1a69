//! Whose a file is, and of which schema version: told before anything is changed about it.
//!
//! The header has a number for each, and no checksum; a bit that turns there would make a ledger another program's file, or
//! a later version's, for ever. So `meta` says the version too, under its checksum, and the header is believed where `meta`
//! says nothing. A later version has to keep to that, or to a `meta` that this one cannot read.

use rusqlite::Connection;

use super::facts;
use crate::Damage;

/// The schema version of this program, in `user_version`.
pub(crate) const SCHEMA_VERSION: i64 = 5;
/// Marks the file as ours: "RSCD".
pub(super) const APPLICATION_ID: i64 = 0x5253_4344;

/// The tables of every version, by their columns.
const TABLES: [(&str, &str); 3] = [
    ("groups", "first,last,checksum,entries"),
    ("epochs", "opening,epoch,first,last"),
    ("meta", "name,value"),
];

/// What kind of file it is.
pub(super) enum Found {
    Ours(Identity),
    Later(i64),
    Foreign,
}

/// A ledger.
#[derive(Debug)]
pub(super) struct Identity {
    /// Its schema version, at most ours.
    pub(super) version: i64,
    /// The header says otherwise.
    pub(super) damage: Option<Damage>,
}

impl Identity {
    /// A file that this program has made.
    pub(super) fn new() -> Self {
        Self {
            version: SCHEMA_VERSION,
            damage: None,
        }
    }
}

/// What a file is. `None` for one without a table.
pub(super) fn identify(connection: &Connection) -> rusqlite::Result<Option<Found>> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 && (application, version) == (0, 0) {
        return Ok(None);
    }
    let is_marked = application == APPLICATION_ID;
    let said = facts::schema_version(connection)?;
    let known = match said {
        Some(known) => known,
        None if is_marked => version,
        None if version <= SCHEMA_VERSION && has_our_tables(connection)? => version,
        None => return Ok(Some(Found::Foreign)),
    };
    if known > SCHEMA_VERSION {
        return Ok(Some(Found::Later(known)));
    }
    let damage = (!is_marked || known != version).then_some(Damage::Header {
        application,
        version,
        known,
    });
    Ok(Some(Found::Ours(Identity {
        version: known,
        damage,
    })))
}

fn has_our_tables(connection: &Connection) -> rusqlite::Result<bool> {
    for (table, columns) in TABLES {
        let found: Option<String> = connection.query_row(
            "SELECT group_concat(name) FROM pragma_table_info(?1)",
            [table],
            |row| row.get(0),
        )?;
        if found.as_deref() != Some(columns) {
            return Ok(false);
        }
    }
    Ok(true)
}
