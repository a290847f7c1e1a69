//! The bytes of a group: its entries one after the other, each with its text.
//!
//! ```text
//! entry      = tag [gap] identifier value
//! tag        = bits 0-1 kind (0 token, 1 app, 2 subject)
//!              bits 2-3 token: its expiry (0 known, 1 unknown, 2 never)
//!                       app, subject: 1 where a moment was sent that was not believed
//!              bit  4   the identifier is a canonical UUID: 16 bytes; else a length and UTF-8
//!              bit  5   `gap` is there: how many sequences lie between the entry before and this one
//! value      = token: the second of its expiry, when known
//!              app: the millisecond of its revocation, then the one that was not believed
//!              subject: both, then its type as a length and UTF-8
//! gap, lengths, times = LEB128
//! ```
//!
//! Bits 6 and 7 are free, and so is kind 3. In memory an entry has the same form, without the gap.

use rescind_revocation::{Expiry, Kind, Revocation, UnixMillis, UnixSeconds};
use thiserror::Error;

mod entry;
mod text;
mod varint;

pub(crate) use entry::{EntryRef, Moment, Name, Value};
use text::{get_name, get_text, put_identifier, put_text};
use varint::{get_varint, put_varint};

const KIND: u8 = 0b0000_0011;
const DETAIL: u8 = 0b0000_1100;
const UUID: u8 = 0b0001_0000;
const GAP: u8 = 0b0010_0000;
const UNUSED: u8 = 0b1100_0000;

const UNKNOWN: u8 = 1 << 2;
const NEVER: u8 = 2 << 2;
const DISBELIEVED: u8 = 1 << 2;

/// Why bytes are no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes end within an entry.
    #[error("ends within an entry")]
    Truncated,
    /// A tag that this version does not know.
    #[error("unknown tag {0:#04x}")]
    Tag(u8),
    /// A number beyond 64 bits.
    #[error("number beyond 64 bits")]
    Number,
    /// A text that is not UTF-8, or an identifier that cannot be one.
    #[error("text that names nothing")]
    Text,
    /// The sequences of the entries do not match the key of the group.
    #[error("sequences differ from the group's key")]
    Sequences,
}

/// Encodes a group while its entries come, in order.
#[derive(Debug)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
    next: u64,
    entries: u32,
}

impl Encoder {
    /// Begins a group at the sequence `first`.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            bytes: Vec::new(),
            next: first,
            entries: 0,
        }
    }

    /// Adds the entry at `sequence`, which lies after the one before.
    pub(crate) fn push(&mut self, sequence: u64, revocation: &Revocation) {
        let mut entry = Vec::with_capacity(32);
        put_entry(&mut entry, revocation);
        self.push_bytes(sequence, &entry);
    }

    /// Adds an entry in the form that it has in memory.
    pub(crate) fn push_bytes(&mut self, sequence: u64, entry: &[u8]) {
        let Some((tag, rest)) = entry.split_first() else {
            return;
        };
        match sequence - self.next {
            0 => self.bytes.push(*tag),
            gap => {
                self.bytes.push(tag | GAP);
                put_varint(&mut self.bytes, gap);
            }
        }
        self.bytes.extend_from_slice(rest);
        self.next = sequence + 1;
        self.entries += 1;
    }

    /// The group's bytes, and how many entries they are.
    pub(crate) fn finish(self) -> (Vec<u8>, u32) {
        (self.bytes, self.entries)
    }
}

/// One entry of a group, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) sequence: u64,
    tag: u8,
    /// What follows the tag and the gap.
    rest: &'a [u8],
    pub(crate) entry: EntryRef<'a>,
}

impl Raw<'_> {
    /// Writes the entry as it stands in memory.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.tag);
        bytes.extend_from_slice(self.rest);
    }
}

/// Decodes the group with the key `first`, `last`. Nothing of a group is taken that is wrong somewhere.
pub(crate) fn decode(first: u64, last: u64, mut bytes: &[u8]) -> Result<Vec<Raw<'_>>, CodecError> {
    let mut entries = Vec::new();
    let mut next = first;
    while !bytes.is_empty() {
        let tag = get_byte(&mut bytes)?;
        let gap = if tag & GAP != 0 {
            get_varint(&mut bytes)?
        } else {
            0
        };
        let sequence = next.checked_add(gap).ok_or(CodecError::Sequences)?;
        if sequence > last {
            return Err(CodecError::Sequences);
        }
        let tag = tag & !GAP;
        let before = bytes;
        let entry = get_rest(&mut bytes, tag)?;
        entries.push(Raw {
            sequence,
            tag,
            rest: &before[..before.len() - bytes.len()],
            entry,
        });
        next = sequence.checked_add(1).ok_or(CodecError::Sequences)?;
    }
    Ok(entries)
}

/// Writes an entry as it stands in memory.
pub(crate) fn put_entry(bytes: &mut Vec<u8>, revocation: &Revocation) {
    let at = bytes.len();
    bytes.push(tag(revocation));
    if put_identifier(bytes, revocation.identifier()) {
        bytes[at] |= UUID;
    }
    put_value(bytes, revocation);
}

/// Reads an entry of memory, and how many bytes it has.
pub(crate) fn get_entry(bytes: &[u8]) -> Result<(EntryRef<'_>, usize), CodecError> {
    let mut rest = bytes;
    let tag = get_byte(&mut rest)?;
    let entry = get_rest(&mut rest, tag)?;
    Ok((entry, bytes.len() - rest.len()))
}

fn tag(revocation: &Revocation) -> u8 {
    let detail = |disbelieved: &Option<UnixMillis>| match disbelieved {
        Some(_) => DISBELIEVED,
        None => 0,
    };
    match revocation {
        Revocation::Token { expiry, .. } => match expiry {
            Expiry::Known(_) => 0,
            Expiry::Unknown => UNKNOWN,
            Expiry::Never => NEVER,
        },
        Revocation::App { disbelieved, .. } => 1 | detail(disbelieved),
        Revocation::Subject { disbelieved, .. } => 2 | detail(disbelieved),
    }
}

fn put_value(bytes: &mut Vec<u8>, revocation: &Revocation) {
    match revocation {
        Revocation::Token { expiry, .. } => {
            if let Expiry::Known(UnixSeconds(seconds)) = expiry {
                put_varint(bytes, *seconds);
            }
        }
        Revocation::App {
            revoked_at,
            disbelieved,
            ..
        } => put_moment(bytes, *revoked_at, *disbelieved),
        Revocation::Subject {
            revoked_at,
            disbelieved,
            entity_type,
            ..
        } => {
            put_moment(bytes, *revoked_at, *disbelieved);
            put_text(bytes, entity_type);
        }
    }
}

fn put_moment(bytes: &mut Vec<u8>, revoked_at: UnixMillis, disbelieved: Option<UnixMillis>) {
    put_varint(bytes, revoked_at.0);
    if let Some(disbelieved) = disbelieved {
        put_varint(bytes, disbelieved.0);
    }
}

fn get_rest<'a>(bytes: &mut &'a [u8], tag: u8) -> Result<EntryRef<'a>, CodecError> {
    let kind = kind(tag)?;
    let name = get_name(bytes, tag & UUID != 0)?;
    let value = match kind {
        Kind::Token => Value::Token(match tag & DETAIL {
            UNKNOWN => Expiry::Unknown,
            NEVER => Expiry::Never,
            // A file of the first form may have an end that no other form can say.
            _ => Expiry::Known(UnixSeconds(get_varint(bytes)?)).capped(),
        }),
        Kind::App => Value::App(get_moment(bytes, tag)?),
        Kind::Subject => Value::Subject(get_moment(bytes, tag)?, get_text(bytes)?),
    };
    Ok(EntryRef { name, value })
}

fn kind(tag: u8) -> Result<Kind, CodecError> {
    match (tag & KIND, tag & DETAIL, tag & (UNUSED | GAP)) {
        (0, 0 | UNKNOWN | NEVER, 0) => Ok(Kind::Token),
        (1, 0 | DISBELIEVED, 0) => Ok(Kind::App),
        (2, 0 | DISBELIEVED, 0) => Ok(Kind::Subject),
        _ => Err(CodecError::Tag(tag)),
    }
}

fn get_moment(bytes: &mut &[u8], tag: u8) -> Result<Moment, CodecError> {
    let revoked_at = UnixMillis(get_varint(bytes)?);
    let disbelieved = match tag & DETAIL {
        DISBELIEVED => Some(UnixMillis(get_varint(bytes)?)),
        _ => None,
    };
    Ok(Moment {
        revoked_at,
        disbelieved,
    })
}

fn get_byte(bytes: &mut &[u8]) -> Result<u8, CodecError> {
    let (byte, rest) = bytes.split_first().ok_or(CodecError::Truncated)?;
    *bytes = rest;
    Ok(*byte)
}

#[cfg(test)]
mod tests;
