//! Reading a broken file page by page: every row that is a group and has the checksum of its bytes is one, wherever it
//! stands and whatever has become of the pages that lead to it.

use std::{collections::HashSet, io, path::Path};

use super::{
    load::Group,
    pages::{Pages, number},
};
use crate::{Epoch, epochs::Span};

const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// The database's own header stands before the first page's.
const FILE_HEADER: usize = 100;

/// What was found in the pages of a file.
pub(super) struct Scan {
    /// Groups whose checksum holds, in order. They do not reach into each other.
    pub(super) groups: Vec<Group>,
    pub(super) epochs: Vec<Span>,
}

/// Reads every page of the file at `path`, and of its log.
pub(super) fn scan(path: &Path) -> io::Result<Scan> {
    let pages = Pages::open(path)?;
    let mut groups = Vec::new();
    for number in 1..=pages.count {
        let page = pages.read(number)?;
        for cell in cells(&page, number, pages.size) {
            if cell.may_be_group() {
                groups.extend(
                    pages
                        .payload(&cell)?
                        .and_then(|bytes| group(cell.row, &bytes)),
                );
            }
        }
    }
    Ok(Scan {
        groups: apart(groups),
        epochs: pages.epochs()?,
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

/// A row of a table, as far as it stands in its page.
struct Cell<'a> {
    row: i64,
    length: usize,
    inline: &'a [u8],
    /// The page that it goes on in, or 0.
    overflow: u32,
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

/// The rows of a leaf; none where the page is another one.
fn cells(page: &[u8], number: u32, size: usize) -> Vec<Cell<'_>> {
    let header = header_at(number);
    if page[header] != LEAF {
        return Vec::new();
    }
    let at = |index| short(page, header + 8 + 2 * index);
    let count = short(page, header + 3).unwrap_or(0);
    (0..count)
        .filter_map(|index| cell(page.get(at(index)?..)?, size))
        .collect()
}

fn cell(bytes: &[u8], size: usize) -> Option<Cell<'_>> {
    let (length, bytes) = varint(bytes)?;
    let (row, bytes) = varint(bytes)?;
    let length = usize::try_from(length).ok()?;
    let (most, least) = (size - 35, (size - 12) * 32 / 255 - 23);
    let inline = if length <= most {
        length
    } else {
        let inline = least + (length - least) % (size - 4);
        if inline <= most { inline } else { least }
    };
    Some(Cell {
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
    fn payload(&self, cell: &Cell<'_>) -> io::Result<Option<Vec<u8>>> {
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

    /// The epochs, as far as the way to them is whole.
    fn epochs(&self) -> io::Result<Vec<Span>> {
        let mut root = None;
        self.walk(1, |_, bytes| {
            if let Some([_, Field::Bytes(b"epochs"), _, Field::Number(page), _]) =
                record(bytes).as_deref()
            {
                root = u32::try_from(*page).ok();
            }
        })?;
        let mut spans = Vec::new();
        if let Some(root) = root {
            self.walk(root, |row, bytes| {
                spans.extend(span(bytes).map(|span| (row, span)));
            })?;
        }
        spans.sort_by_key(|(row, _)| *row);
        Ok(spans.into_iter().map(|(_, span)| span).collect())
    }

    /// Every row of the table below `root` that can be reached.
    fn walk(&self, root: u32, mut row: impl FnMut(i64, &[u8])) -> io::Result<()> {
        let mut seen = HashSet::new();
        let mut waiting = vec![root];
        while let Some(number) = waiting.pop() {
            if number == 0 || number > self.count || !seen.insert(number) {
                continue;
            }
            let page = self.read(number)?;
            waiting.extend(children(&page, number));
            for cell in cells(&page, number, self.size) {
                if let Some(bytes) = self.payload(&cell)? {
                    row(cell.row, &bytes);
                }
            }
        }
        Ok(())
    }
}

/// The pages below an interior one.
fn children(page: &[u8], at: u32) -> Vec<u32> {
    let header = header_at(at);
    if page[header] != INTERIOR {
        return Vec::new();
    }
    let count = short(page, header + 3).unwrap_or(0);
    let cells = (0..count).filter_map(|index| short(page, header + 12 + 2 * index));
    let mut children: Vec<u32> = cells.map(|at| number(page, at)).collect();
    children.push(number(page, header + 8));
    children
}

fn header_at(number: u32) -> usize {
    if number == 1 { FILE_HEADER } else { 0 }
}

/// A column of a row.
enum Field<'a> {
    Null,
    Number(i64),
    Bytes(&'a [u8]),
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

fn span(bytes: &[u8]) -> Option<Span> {
    let fields = record(bytes)?;
    let [
        Field::Null,
        Field::Number(epoch),
        Field::Number(first),
        ref last,
    ] = fields[..]
    else {
        return None;
    };
    Some(Span {
        epoch: Epoch(u32::try_from(epoch).ok()?),
        first: u64::try_from(first).ok()?,
        last: match last {
            Field::Null => None,
            Field::Number(last) => Some(u64::try_from(*last).ok()?),
            Field::Bytes(_) => return None,
        },
    })
}

/// The columns of a row.
fn record(bytes: &[u8]) -> Option<Vec<Field<'_>>> {
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
fn types(bytes: &[u8]) -> Option<(Vec<u64>, &[u8])> {
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

fn is_blob(kind: u64) -> bool {
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
