//! SQLite's pages of tables, and the rows in them, as its "Database File Format" has them.

use std::{collections::HashSet, io};

use crate::store::pages::{Pages, number};

const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// The database's own header stands before the first page's.
const FILE_HEADER: usize = 100;

/// A leaf of a table.
pub(super) struct Leaf<'a> {
    pub(super) cells: Vec<Cell<'a>>,
    /// Whether its accounts add up, so that no row of it is missing.
    pub(super) is_whole: bool,
}

/// A row of a table, as far as it stands in its page.
pub(super) struct Cell<'a> {
    pub(super) row: i64,
    pub(super) length: usize,
    pub(super) inline: &'a [u8],
    /// The page that it goes on in, or 0.
    overflow: u32,
    /// The bytes that it takes in its page.
    size: usize,
}

impl<'a> Leaf<'a> {
    /// `None` where the page is another one.
    pub(super) fn of(page: &'a [u8], number: u32) -> Option<Self> {
        let header = header_at(number);
        if page[header] != LEAF {
            return None;
        }
        let at = |index| short(page, header + 8 + 2 * index);
        let count = short(page, header + 3).unwrap_or(0);
        let cells: Vec<_> = (0..count)
            .filter_map(|index| cell(page.get(at(index)?..)?, page.len()))
            .collect();
        let is_whole = cells.len() == count
            && cells.is_sorted_by(|one, next| one.row < next.row)
            && adds_up(page, header, cells.iter().map(|cell| cell.size).sum()).unwrap_or(false);
        Some(Self { cells, is_whole })
    }
}

/// Whether its cells, which take so many bytes, and what is free between them take all the room that the page says they do.
fn adds_up(page: &[u8], header: usize, mut taken: usize) -> Option<bool> {
    let begin = match short(page, header + 5)? {
        0 => 65_536,
        begin => begin,
    };
    taken += usize::from(page[header + 7]);
    let mut free = short(page, header + 1)?;
    while free != 0 {
        let next = short(page, free)?;
        taken += short(page, free + 2)?;
        // They stand in order: a chain that goes back is broken, and would not end.
        if next != 0 && next <= free {
            return None;
        }
        free = next;
    }
    Some(begin.checked_add(taken)? == page.len())
}

fn cell(bytes: &[u8], page: usize) -> Option<Cell<'_>> {
    let whole = bytes.len();
    let (length, bytes) = varint(bytes)?;
    let (row, bytes) = varint(bytes)?;
    let length = usize::try_from(length).ok()?;
    let (most, least) = (page - 35, (page - 12) * 32 / 255 - 23);
    let inline = if length <= most {
        length
    } else {
        let inline = least + (length - least) % (page - 4);
        if inline <= most { inline } else { least }
    };
    let header = whole - bytes.len();
    let overflow = if inline < length { 4 } else { 0 };
    Some(Cell {
        // Four bytes at least, so that it can be freed.
        size: (header + inline + overflow).max(4),
        row: row.cast_signed(),
        length,
        inline: bytes.get(..inline)?,
        overflow: if inline < length {
            bytes
                .get(inline..inline + 4)
                .map(|bytes| number(bytes, 0))?
        } else {
            0
        },
    })
}

impl Pages {
    /// All bytes of a row; `None` where the pages that it goes on in are not there.
    pub(super) fn payload(&self, cell: &Cell<'_>) -> io::Result<Option<Vec<u8>>> {
        // A chain that goes in circles would fill any length.
        if cell.length / self.size > self.count as usize {
            return Ok(None);
        }
        let mut bytes = cell.inline.to_vec();
        let mut next = cell.overflow;
        while bytes.len() < cell.length {
            if next == 0 || next > self.count {
                return Ok(None);
            }
            let page = self.read(next)?;
            next = number(&page, 0);
            let rest = (cell.length - bytes.len()).min(self.size - 4);
            bytes.extend_from_slice(&page[4..4 + rest]);
        }
        Ok(Some(bytes))
    }

    /// The leaves of a table in order, `None` for one that is not there; `None` for all where the way to them is not whole.
    pub(super) fn leaves(&self, table: &str) -> io::Result<Option<Vec<Option<u32>>>> {
        let mut leaves = Vec::new();
        let mut seen = HashSet::new();
        let mut waiting: Vec<u32> = self.root(table)?.into_iter().collect();
        while let Some(number) = waiting.pop() {
            let there = (1..=self.count).contains(&number) && seen.insert(number);
            let page = if there {
                self.read(number)?
            } else {
                Vec::new()
            };
            match page.get(header_at(number)) {
                Some(&LEAF) => leaves.push(Some(number)),
                Some(&INTERIOR) => match children(&page, number) {
                    Some(children) => waiting.extend(children.into_iter().rev()),
                    None => return Ok(None),
                },
                _ => leaves.push(None),
            }
        }
        Ok(leaves.iter().any(Option::is_some).then_some(leaves))
    }

    /// The first page of a table.
    fn root(&self, table: &str) -> io::Result<Option<u32>> {
        let page = self.read(1)?;
        let leaf = Leaf::of(&page, 1);
        for cell in leaf.iter().flat_map(|leaf| &leaf.cells) {
            let bytes = self.payload(cell)?;
            if let Some(
                [
                    Field::Bytes(b"table"),
                    Field::Bytes(name),
                    _,
                    Field::Number(page),
                    _,
                ],
            ) = bytes.as_deref().and_then(record).as_deref()
                && *name == table.as_bytes()
            {
                return Ok(u32::try_from(*page).ok());
            }
        }
        Ok(None)
    }
}

/// The pages below an interior one, if none of them can be missing.
fn children(page: &[u8], at: u32) -> Option<Vec<u32>> {
    let header = header_at(at);
    let mut children = Vec::new();
    let mut taken = 0;
    let mut last = i64::MIN;
    for index in 0..short(page, header + 3)? {
        let cell = page.get(short(page, header + 12 + 2 * index)?..)?;
        let (key, rest) = varint(cell.get(4..)?)?;
        if key.cast_signed() <= last {
            return None;
        }
        last = key.cast_signed();
        taken += cell.len() - rest.len();
        children.push(number(cell, 0));
    }
    children.push(number(page, header + 8));
    adds_up(page, header, taken)?.then_some(children)
}

fn header_at(number: u32) -> usize {
    if number == 1 { FILE_HEADER } else { 0 }
}

/// A column of a row.
pub(super) enum Field<'a> {
    Null,
    Number(i64),
    Bytes(&'a [u8]),
}

/// The columns of a row.
pub(super) fn record(bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let (types, mut body) = types(bytes)?;
    let mut fields = Vec::with_capacity(types.len());
    for kind in types {
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 => 8,
            12.. => (kind - 12) / 2,
            _ => return None,
        };
        let (value, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
        body = rest;
        fields.push(match kind {
            0 => Field::Null,
            8 | 9 => Field::Number(i64::from(kind == 9)),
            1..=6 => Field::Number(signed(value)),
            _ => Field::Bytes(value),
        });
    }
    Some(fields)
}

/// The types of a row's columns, and what stands behind them.
pub(super) fn types(bytes: &[u8]) -> Option<(Vec<u64>, &[u8])> {
    let (length, rest) = varint(bytes)?;
    let length = usize::try_from(length).ok()?;
    let header = bytes.len() - rest.len();
    let mut left = bytes.get(header..length)?;
    let mut types = Vec::new();
    while !left.is_empty() {
        let (kind, rest) = varint(left)?;
        types.push(kind);
        left = rest;
    }
    Some((types, &bytes[length..]))
}

pub(super) fn is_blob(kind: u64) -> bool {
    kind >= 12 && kind.is_multiple_of(2)
}

fn signed(bytes: &[u8]) -> i64 {
    let sign = bytes.first().map_or(0, |byte| byte.cast_signed().into());
    let rest = bytes.iter().skip(1);
    rest.fold(sign, |number: i64, byte| number << 8 | i64::from(*byte))
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = bytes.get(at..at + 2)?;
    Some(usize::from(digits[0]) << 8 | usize::from(digits[1]))
}

/// SQLite's: big-endian, seven bits a byte, all eight of the ninth.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((number << 8 | u64::from(*byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}
