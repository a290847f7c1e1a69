//! The packed form of entries, as `rescind.v1.Range` carries them: 20 bytes for a token.
//!
//! ```text
//! entries  = *section
//! section  = kind:u8  count:u32  count * id:16 bytes  count * value
//! kind 1   = tokens;    value = expiry:u32, seconds from the range's base
//!                               0xFFFFFFFF never, and whatever lies beyond; 0xFFFFFFFE unknown
//! kind 2   = apps;      value = the moment of revocation:u64, milliseconds since the Unix epoch
//! kind 3   = subjects;  value = as for apps
//! kind 4   = kept free for what is no longer revoked; refused by this version
//! ```
//!
//! Numbers and identifiers are big-endian. Identifiers stand together and values stand together, since that decodes
//! fastest. A canonical UUID and a hashed identifier look the same: both are 16 bytes, see [`TokenId`]. Kinds may come in
//! any order and more than once, so ranges that are neighbours are joined by joining their bytes, if they have one base.
//!
//! Decoding is strict: what is not exactly this form is refused whole, with the offset where it stops being it.

use thiserror::Error;

use crate::{Entry, Expiry, Kind, TokenId, UnixMillis, UnixSeconds};

mod columns;

use columns::Columns;

/// The base that [`encode`] counts from. It reaches as far as [`Expiry::LAST_KNOWN`].
pub const BASE: UnixSeconds = UnixSeconds(0);

const NEVER: u32 = 0xffff_ffff;
const UNKNOWN: u32 = 0xffff_fffe;

/// A section starts with its kind and its count.
const HEADER: usize = 5;
const ID: usize = 16;

/// Why bytes are not packed entries. Offsets count from the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PackedError {
    /// A kind that this version does not know.
    #[error("unknown kind of section {kind} at offset {offset}")]
    UnknownKind {
        /// The kind.
        kind: u8,
        /// Where the section starts.
        offset: usize,
    },
    /// A section says that it is longer than what is there.
    #[error("section at offset {offset} takes {needed} bytes, but {left} are left")]
    Truncated {
        /// Where the section starts.
        offset: usize,
        /// What it takes.
        needed: u64,
        /// What is there.
        left: usize,
    },
    /// A section without entries. There is one form for nothing: no section.
    #[error("empty section at offset {offset}")]
    Empty {
        /// Where the section starts.
        offset: usize,
    },
}

/// Packed entries whose form was checked, so that reading them cannot fail.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    bytes: &'a [u8],
    base: UnixSeconds,
    len: usize,
}

/// Packs `entries`, counting from [`BASE`]. Their order is kept within each kind.
pub fn encode<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<u8> {
    let mut columns = [Columns::default(), Columns::default(), Columns::default()];
    for entry in entries {
        let id = entry.id().as_u128().to_be_bytes();
        match *entry {
            Entry::Token { expiry, .. } => {
                columns[0].push(&id, &expiry_to_wire(expiry).to_be_bytes());
            }
            Entry::App { revoked_at, .. } => columns[1].push(&id, &revoked_at.0.to_be_bytes()),
            Entry::Subject { revoked_at, .. } => columns[2].push(&id, &revoked_at.0.to_be_bytes()),
        }
    }
    let mut bytes = Vec::with_capacity(columns.iter().map(Columns::encoded_len).sum());
    for (kind, columns) in (1..).zip(columns) {
        columns.write(kind, &mut bytes);
    }
    bytes
}

/// Checks `bytes` and unpacks them, counting from `base`.
pub fn decode(bytes: &[u8], base: UnixSeconds) -> Result<Vec<Entry>, PackedError> {
    let packed = Packed::parse(bytes, base)?;
    let mut entries = Vec::with_capacity(packed.len());
    packed.for_each(|entry| entries.push(entry));
    Ok(entries)
}

impl<'a> Packed<'a> {
    /// Checks the form of `bytes`; their expiries count from `base`. Costs the number of sections, not of entries.
    pub fn parse(bytes: &'a [u8], base: UnixSeconds) -> Result<Self, PackedError> {
        let mut rest = bytes;
        let mut len = 0;
        while !rest.is_empty() {
            let (section, after) = Section::split(rest, bytes.len() - rest.len())?;
            len += section.len();
            rest = after;
        }
        Ok(Self { bytes, base, len })
    }

    /// How many entries they are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries one after the other, without a copy of them all.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + use<'a> {
        let base = self.base;
        self.sections()
            .flat_map(move |section| section.entries(base))
    }

    /// As [`Self::iter`], but the loop runs over one section at a time, which is the fastest.
    pub fn for_each(&self, mut visit: impl FnMut(Entry)) {
        for section in self.sections() {
            section.entries(self.base).for_each(&mut visit);
        }
    }

    fn sections(&self) -> impl Iterator<Item = Section<'a>> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            // Checked when parsed: an error cannot come up, only the end.
            let (section, after) = Section::split(rest, 0).ok()?;
            rest = after;
            Some(section)
        })
    }
}

/// One checked section: as many values as identifiers.
#[derive(Debug, Clone, Copy)]
struct Section<'a> {
    kind: Kind,
    ids: &'a [u8],
    values: &'a [u8],
}

impl<'a> Section<'a> {
    /// Takes the first section off `bytes`, which start at `offset` of the whole.
    fn split(bytes: &'a [u8], offset: usize) -> Result<(Self, &'a [u8]), PackedError> {
        let truncated = |needed| PackedError::Truncated {
            offset,
            needed,
            left: bytes.len(),
        };
        let Some((&[kind, ref count @ ..], body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(truncated(HEADER as u64));
        };
        let (kind, width) = match kind {
            1 => (Kind::Token, 4),
            2 => (Kind::App, 8),
            3 => (Kind::Subject, 8),
            kind => return Err(PackedError::UnknownKind { kind, offset }),
        };
        let count = u32::from_be_bytes(*count);
        if count == 0 {
            return Err(PackedError::Empty { offset });
        }
        let needed = HEADER as u64 + u64::from(count) * (ID + width) as u64;
        let split = usize::try_from(count).ok().and_then(|count| {
            let (ids, rest) = body.split_at_checked(count.checked_mul(ID)?)?;
            let (values, rest) = rest.split_at_checked(count.checked_mul(width)?)?;
            Some((Self { kind, ids, values }, rest))
        });
        split.ok_or_else(|| truncated(needed))
    }

    fn len(self) -> usize {
        self.ids.len() / ID
    }

    fn entries(self, base: UnixSeconds) -> impl Iterator<Item = Entry> + use<'a> {
        let width = self.values.len() / self.len();
        let values = self.values.chunks_exact(width);
        self.ids
            .chunks_exact(ID)
            .zip(values)
            .map(move |(id, value)| {
                let id = TokenId::from_u128(u128::from_be_bytes(array(id)));
                match self.kind {
                    Kind::Token => Entry::Token {
                        id,
                        expiry: expiry_from_wire(u32::from_be_bytes(array(value)), base),
                    },
                    Kind::App => Entry::App {
                        id,
                        revoked_at: UnixMillis(u64::from_be_bytes(array(value))),
                    },
                    Kind::Subject => Entry::Subject {
                        id,
                        revoked_at: UnixMillis(u64::from_be_bytes(array(value))),
                    },
                }
            })
    }
}

/// The bytes of a column's cell. Cells are cut to their width, so none is ever filled up.
fn array<const N: usize>(cell: &[u8]) -> [u8; N] {
    cell.first_chunk().copied().unwrap_or([0; N])
}

fn expiry_to_wire(expiry: Expiry) -> u32 {
    match expiry.capped() {
        Expiry::Known(UnixSeconds(at)) => u32::try_from(at).unwrap_or(NEVER),
        Expiry::Unknown => UNKNOWN,
        Expiry::Never => NEVER,
    }
}

fn expiry_from_wire(value: u32, base: UnixSeconds) -> Expiry {
    match value {
        NEVER => Expiry::Never,
        UNKNOWN => Expiry::Unknown,
        after => Expiry::Known(UnixSeconds(base.0.saturating_add(after.into()))).capped(),
    }
}

#[cfg(test)]
mod tests;
