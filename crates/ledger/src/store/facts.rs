//! What a file says of its ledger as a whole: `meta` and `epochs`, each with a checksum.
//!
//! The checksums are rows of `meta` themselves, made anew in each transaction that changes one of the tables. A bit that
//! turns there could make a ledger complete, or a horizon late, and nothing else would show it.

use rescind_revocation::{UnixMillis, UnixSeconds};
use rusqlite::{Connection, OptionalExtension, params, types::ValueRef};

use super::{is_damage, number};
use crate::{Damage, Epoch, checksum::checksum, epochs::Span};

/// The name of the row that says the schema version.
pub(super) const SCHEMA_VERSION: &str = "schema version";

/// The schema version that has checksums.
const SEALED_SINCE: i64 = 4;

/// A table, what of it is checked, and the name of its checksum.
struct Table {
    name: &'static str,
    rows: &'static str,
    sum: &'static str,
}

const META: Table = Table {
    name: "table meta",
    rows: "SELECT name, value FROM meta WHERE name NOT LIKE 'checksum of %' ORDER BY name",
    sum: "checksum of meta",
};

const EPOCHS: Table = Table {
    name: "table epochs",
    rows: "SELECT opening, epoch, first, last FROM epochs ORDER BY opening",
    sum: "checksum of epochs",
};

impl Table {
    fn computed(&self, connection: &Connection) -> rusqlite::Result<i64> {
        let mut statement = connection.prepare_cached(self.rows)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut bytes = Vec::new();
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                match row.get_ref(column)? {
                    ValueRef::Integer(value) => {
                        bytes.push(1);
                        bytes.extend(value.to_le_bytes());
                    }
                    ValueRef::Text(text) => {
                        bytes.push(2);
                        bytes.extend((text.len() as u64).to_le_bytes());
                        bytes.extend(text);
                    }
                    // The tables are STRICT: there is nothing else.
                    _ => bytes.push(0),
                }
            }
        }
        Ok(checksum(&[&bytes]).cast_signed())
    }

    fn seal(&self, connection: &Connection) -> rusqlite::Result<()> {
        put_meta(connection, self.sum, Some(self.computed(connection)?))
    }

    /// What is wrong with it. A file of an older form has no checksum.
    fn damage(&self, connection: &Connection, version: i64) -> rusqlite::Result<Option<Damage>> {
        let found = value(connection, self.sum)?;
        if found.is_none() && version < SEALED_SINCE {
            return Ok(None);
        }
        let computed = self.computed(connection)?;
        Ok((found != Some(computed)).then(|| Damage::Table {
            what: self.name,
            found: found.map(i64::cast_unsigned),
            computed: computed.cast_unsigned(),
        }))
    }
}

/// Makes the checksum of `meta` anew: the last thing in a transaction that has changed it, and it alone.
pub(super) fn seal_meta(connection: &Connection) -> rusqlite::Result<()> {
    META.seal(connection)
}

/// The same for `epochs`.
pub(super) fn seal_epochs(connection: &Connection) -> rusqlite::Result<()> {
    EPOCHS.seal(connection)
}

/// The schema version as `meta` says it; `None` where it says none, or nothing that can be believed.
pub(super) fn schema_version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let said = || match META.damage(connection, SEALED_SINCE)? {
        None => value(connection, SCHEMA_VERSION),
        Some(_) => Ok(None),
    };
    match said() {
        Err(error) if is_damage(&error) => Ok(None),
        said => said,
    }
}

/// What `meta` says.
#[derive(Default)]
pub(super) struct Meta {
    pub(super) complete: bool,
    pub(super) source_good_at: Option<UnixMillis>,
    pub(super) horizon: UnixSeconds,
}

/// Reads `meta`; nothing that is damaged is believed.
pub(super) fn meta(
    connection: &Connection,
    version: i64,
) -> rusqlite::Result<(Meta, Option<Damage>)> {
    if let Some(damage) = META.damage(connection, version)? {
        return Ok((Meta::default(), Some(damage)));
    }
    let value = |name| {
        let value = value(connection, name)?;
        Ok::<_, rusqlite::Error>(value.and_then(|value| u64::try_from(value).ok()))
    };
    let meta = Meta {
        complete: value("complete")? == Some(1),
        source_good_at: value("source_good_at")?.map(UnixMillis),
        horizon: UnixSeconds(value("horizon")?.unwrap_or(0)),
    };
    Ok((meta, None))
}

/// Reads the epochs; none are believed where one is damaged: a cursor must not be taken for another place.
pub(super) fn epochs(
    connection: &Connection,
    version: i64,
) -> rusqlite::Result<(Vec<Span>, Option<Damage>)> {
    if let Some(damage) = EPOCHS.damage(connection, version)? {
        return Ok((Vec::new(), Some(damage)));
    }
    let mut statement =
        connection.prepare("SELECT epoch, first, last FROM epochs ORDER BY opening")?;
    let spans = statement.query_map([], |row| {
        Ok(Span {
            epoch: Epoch(row.get(0)?),
            first: row.get::<_, i64>(1)?.cast_unsigned(),
            last: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
        })
    })?;
    Ok((spans.collect::<rusqlite::Result<_>>()?, None))
}

fn value(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let found = statement.query_row([name], |row| row.get::<_, Option<i64>>(0));
    Ok(found.optional()?.flatten())
}

pub(super) fn put_meta(
    connection: &Connection,
    name: &str,
    value: Option<i64>,
) -> rusqlite::Result<()> {
    let mut put =
        connection.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?;
    put.execute(params![name, value])?;
    Ok(())
}

pub(super) fn insert_epoch(connection: &Connection, span: &Span) -> rusqlite::Result<()> {
    // After a commit that failed and was durable all the same, the row is there already.
    connection.execute(
        "INSERT INTO epochs (epoch, first, last) VALUES (?1, ?2, ?3)
         ON CONFLICT (epoch) DO UPDATE SET last = excluded.last",
        params![span.epoch.0, number(span.first), span.last.map(number)],
    )?;
    Ok(())
}
