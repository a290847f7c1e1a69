//! When and whence, from the pages: each row has a checksum of its own, over the name of its source too.
//!
//! A row stands for all sequences up to the next one, so that of a row that is not there the one before it would speak. What
//! is said of a sequence is therefore believed only where it is sure that no row is missing between.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use rescind_revocation::UnixMillis;

use super::leaf::{Cell, Field, Leaf, record};
use crate::store::{
    origins::{Origin, Row, Rows, sum},
    pages::Pages,
};

/// No row of these tables is longer, but for the name of a source that nobody has.
const LONGEST: usize = 4096;

/// The pages that may be those of `origins` and `sources`.
#[derive(Default)]
pub(super) struct Origins {
    leaves: BTreeMap<u32, Page>,
    /// By its number; a free page may name another one.
    sources: HashMap<i64, Vec<String>>,
}

struct Page {
    /// `None` for what is no such row.
    rows: Vec<Option<Found>>,
    is_whole: bool,
}

/// A row as it was found.
struct Found {
    first: u64,
    at: Option<i64>,
    source: Option<i64>,
    sum: u64,
}

impl Origins {
    /// Takes a page for what it may be, by the forms of its rows.
    pub(super) fn take(&mut self, number: u32, leaf: &Leaf<'_>, pages: &Pages) -> io::Result<()> {
        let mut rows = Vec::new();
        for cell in &leaf.cells {
            let bytes = match cell.length {
                0..=LONGEST => pages.payload(cell)?,
                _ => None,
            };
            let fields = bytes.as_deref().and_then(record);
            if let Some([Field::Null, Field::Bytes(name)]) = fields.as_deref() {
                let name = String::from_utf8(name.to_vec()).ok();
                self.sources.entry(cell.row).or_default().extend(name);
            }
            rows.push(fields.and_then(|fields| found(cell, &fields)));
        }
        if rows.iter().any(Option::is_some) {
            let is_whole = leaf.is_whole;
            self.leaves.insert(number, Page { rows, is_whole });
        }
        Ok(())
    }

    /// All that is believed, in order. `leaves` are the table's, where the way to them is whole.
    pub(super) fn rows(&self, leaves: Option<Vec<Option<u32>>>) -> Vec<Row> {
        match leaves {
            Some(leaves) => self.along(&leaves).into_vec(),
            None => self.anywhere(),
        }
    }

    fn along(&self, leaves: &[Option<u32>]) -> Rows {
        let mut rows = Rows::default();
        for leaf in leaves {
            match leaf.and_then(|leaf| self.leaves.get(&leaf)) {
                Some(page) => self.read(page, &mut rows),
                None => rows.gap(),
            }
        }
        rows
    }

    /// From every page, each with a gap before and behind it. What an old page says was true once, and is still.
    fn anywhere(&self) -> Vec<Row> {
        let mut all = BTreeMap::new();
        for page in self.leaves.values() {
            let mut rows = Rows::default();
            self.read(page, &mut rows);
            rows.gap();
            for (first, origin) in rows.into_vec() {
                match origin {
                    Some(_) => drop(all.insert(first, origin)),
                    None => drop(all.entry(first).or_insert(None)),
                }
            }
        }
        all.into_iter().collect()
    }

    fn read(&self, page: &Page, rows: &mut Rows) {
        for found in &page.rows {
            match found.as_ref().and_then(|found| self.row(found)) {
                Some(row) => rows.push(row),
                None => rows.gap(),
            }
            if !page.is_whole {
                rows.gap();
            }
        }
    }

    /// The row, if its checksum holds with one of the names that its source may have.
    fn row(&self, found: &Found) -> Option<Row> {
        let Some((at, source)) = found.at.zip(found.source) else {
            return (sum(found.first, None) == found.sum).then_some((found.first, None));
        };
        let names = self.sources.get(&source).into_iter().flatten();
        let mut origins = names.map(|name| Origin {
            at: UnixMillis(at.cast_unsigned()),
            source: name.clone(),
        });
        let origin = origins.find(|origin| sum(found.first, Some(origin)) == found.sum)?;
        Some((found.first, Some(origin)))
    }
}

fn found(cell: &Cell<'_>, fields: &[Field<'_>]) -> Option<Found> {
    let [Field::Null, at, source, Field::Number(sum)] = fields else {
        return None;
    };
    Some(Found {
        first: cell.row.cast_unsigned(),
        at: number(at)?,
        source: number(source)?,
        sum: sum.cast_unsigned(),
    })
}

/// A number, or none; `None` for what is neither.
fn number(field: &Field<'_>) -> Option<Option<i64>> {
    match field {
        Field::Null => Some(None),
        Field::Number(number) => Some(Some(*number)),
        Field::Bytes(_) => None,
    }
}
