//! Reading a broken file page by page: every row that has the checksum of its bytes is believed, wherever it stands and
//! whatever has become of the pages that lead to it.

use std::{io, path::Path};

use super::{contents::Group, facts::Meta, origins::Row as OriginRow, pages::Pages};
use crate::epochs::Span;

mod facts;
mod leaf;
mod origins;

use facts::Tables;
use leaf::{Cell, Field, Leaf, is_blob, record, types};
use origins::Origins;

/// What was found in the pages of a file.
pub(super) struct Scan {
    /// Groups whose checksum holds, in order. They do not reach into each other.
    pub(super) groups: Vec<Group>,
    /// What the ledger says of itself, where that can be believed.
    pub(super) meta: Option<Meta>,
    /// None, where they have not the checksum that `meta` says.
    pub(super) epochs: Vec<Span>,
    pub(super) origins: Vec<OriginRow>,
}

/// Reads every page of the file at `path`, and of its log.
pub(super) fn scan(path: &Path) -> io::Result<Scan> {
    let pages = Pages::open(path)?;
    let mut groups = Vec::new();
    let mut tables = Tables::default();
    let mut origins = Origins::default();
    for number in 1..=pages.count {
        let page = pages.read(number)?;
        let Some(leaf) = Leaf::of(&page, number) else {
            continue;
        };
        for cell in &leaf.cells {
            if cell.may_be_group() {
                let bytes = pages.payload(cell)?;
                groups.extend(bytes.and_then(|bytes| group(cell.row, &bytes)));
            }
        }
        tables.take(&leaf, &pages)?;
        origins.take(number, &leaf, &pages)?;
    }
    Ok(Scan {
        groups: apart(groups),
        meta: tables.meta(),
        epochs: tables.epochs(),
        origins: origins.rows(pages.leaves("origins")?),
    })
}

/// A page that is free holds old rows, which were joined since: the longer of two rows answers for both.
fn apart(mut groups: Vec<Group>) -> Vec<Group> {
    groups.sort_by_key(|group| (group.first, std::cmp::Reverse(group.last)));
    let mut end = 0;
    groups.retain(|group| {
        let new = group.last > end;
        end = end.max(group.last);
        new
    });
    groups
}

impl Cell<'_> {
    /// Whether its columns are those of a group, as its first bytes tell.
    fn may_be_group(&self) -> bool {
        let columns = types(self.inline).map(|(types, _)| types);
        columns.is_some_and(|types| {
            let number = |at: usize| (1..=9).contains(&types[at]) && types[at] != 7;
            types.len() == 4 && types[0] == 0 && number(1) && number(2) && is_blob(types[3])
        })
    }
}

fn group(row: i64, bytes: &[u8]) -> Option<Group> {
    let fields = record(bytes)?;
    let [
        Field::Null,
        Field::Number(last),
        Field::Number(found),
        Field::Bytes(bytes),
    ] = fields[..]
    else {
        return None;
    };
    let group = Group {
        first: row.cast_unsigned(),
        last: last.cast_unsigned(),
        found: found.cast_unsigned(),
        bytes: bytes.to_vec(),
    };
    (group.first > 0 && group.last >= group.first && group.computed() == group.found)
        .then_some(group)
}
