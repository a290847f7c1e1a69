//! Reading back what was written to a fresh file, before it takes another one's place.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{load::each_group, unwritable::immutable};
use crate::codec;

/// How many entries stand in whole groups that follow each other, and where they end: in the database alone, without a log
/// beside it.
pub(crate) fn verify(path: &Path) -> rusqlite::Result<(usize, u64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(immutable(path), flags)?;
    let (mut entries, mut end) = (0, 0);
    each_group(&connection, |group| {
        let whole = group.first == end + 1 && group.computed() == group.found;
        if let (true, Ok(raw)) = (whole, codec::decode(group.first, group.last, &group.bytes)) {
            entries += raw.len();
            end = group.last;
        }
    })?;
    Ok((entries, end))
}
