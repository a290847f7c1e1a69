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

/// The names of the checksums.
pub(super) const META_SUM: &str = "checksum of meta";
pub(super) const EPOCHS_SUM: &str = "checksum of epochs";

/// Whether it is the name of a checksum: those are in none themselves.
pub(super) fn is_checksum(name: &str) -> bool {
    name.starts_with("checksum of ")
}

/// A table, what of it is checked, and the name of its checksum.
struct Table {
    name: &'static str,
    rows: &'static str,
    sum: &'static str,
}

const META: Table = Table {
    name: "table meta",
    rows: "SELECT name, value FROM meta WHERE name NOT LIKE 'checksum of %' ORDER BY name",
    sum: META_SUM,
};

const EPOCHS: Table = Table {
    name: "table epochs",
    rows: "SELECT opening, epoch, first, last FROM epochs ORDER BY opening",
    sum: EPOCHS_SUM,
};

impl Table {
    fn computed(&self, connection: &Connection) -> rusqlite::Result<i64> {
        let mut statement = connection.prepare_cached(self.rows)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut sum = Sum::default();
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                match row.get_ref(column)? {
                    ValueRef::Integer(value) => sum.number(value),
                    ValueRef::Text(text) => sum.text(text),
                    // The tables are STRICT: there is nothing else.
                    _ => sum.null(),
                }
            }
        }
        Ok(sum.finish())
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

/// A checksum over the values of rows, in order.
#[derive(Default)]
pub(super) struct Sum(Vec<u8>);

impl Sum {
    pub(super) fn number(&mut self, value: i64) {
        self.0.push(1);
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        self.0.push(2);
        self.0.extend((text.len() as u64).to_le_bytes());
        self.0.extend(text);
    }

    pub(super) fn null(&mut self) {
        self.0.push(0);
    }

    pub(super) fn number_or_null(&mut self, value: Option<i64>) {
        match value {
            None => self.null(),
            Some(value) => self.number(value),
        }
    }

    pub(super) fn finish(self) -> i64 {
        checksum(&[&self.0]).cast_signed()
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

impl Meta {
    /// By the values of its rows.
    pub(super) fn of<E>(value: impl Fn(&str) -> Result<Option<i64>, E>) -> Result<Self, E> {
        let number = |name| Ok(value(name)?.and_then(|value| u64::try_from(value).ok()));
        Ok(Self {
            complete: value("complete")? == Some(1),
            source_good_at: number("source_good_at")?.map(UnixMillis),
            horizon: UnixSeconds(number("horizon")?.unwrap_or(0)),
        })
    }
}

/// Reads `meta`; nothing that is damaged is believed.
pub(super) fn meta(
    connection: &Connection,
    version: i64,
) -> rusqlite::Result<(Meta, Option<Damage>)> {
    if let Some(damage) = META.damage(connection, version)? {
        return Ok((Meta::default(), Some(damage)));
    }
    Ok((Meta::of(|name| value(connection, name))?, None))
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
