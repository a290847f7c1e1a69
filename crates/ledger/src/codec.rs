//! The bytes of a group: its entries one after the other, each with its text.
//!
//! ```text
//! entry      = tag [gap] identifier value
//! tag        = bits 0-1 kind (0 token, 1 app, 2 subject)
//!              bits 2-3 a token's expiry (0 known, 1 unknown, 2 never)
//!              bit  4   the identifier is a canonical UUID: 16 bytes; else a length and UTF-8
//!              bit  5   `gap` is there: how many sequences lie between the entry before and this one
//! value      = token: the second of its expiry, when known
//!              app: the millisecond of its revocation
//!              subject: that, then its type as a length and UTF-8
//! gap, lengths, times = LEB128
//! ```
//!
//! Bits 6 and 7 are free, and so is kind 3.

use rescind_revocation::{Expiry, Identifier, Kind, Revocation, UnixMillis, UnixSeconds};
use thiserror::Error;

mod text;
mod varint;

use text::{get_identifier, get_text, put_identifier, put_text};
use varint::{get_varint, put_varint};

const KIND: u8 = 0b0000_0011;
const EXPIRY: u8 = 0b0000_1100;
const UUID: u8 = 0b0001_0000;
const GAP: u8 = 0b0010_0000;
const UNUSED: u8 = 0b1100_0000;

const UNKNOWN: u8 = 1 << 2;
const NEVER: u8 = 2 << 2;

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

/// Encodes entries that are in order, the first of them at the sequence `first`.
pub(crate) fn encode<'a>(
    first: u64,
    entries: impl IntoIterator<Item = (u64, &'a Revocation)>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut next = first;
    for (sequence, revocation) in entries {
        put_entry(&mut bytes, sequence - next, revocation);
        next = sequence + 1;
    }
    bytes
}

/// Decodes the group with the key `first`, `last`.
pub(crate) fn decode(
    first: u64,
    last: u64,
    mut bytes: &[u8],
) -> Result<Vec<(u64, Revocation)>, CodecError> {
    let mut entries = Vec::new();
    let mut next = first;
    while !bytes.is_empty() {
        let (gap, revocation) = get_entry(&mut bytes)?;
        let sequence = next.checked_add(gap).ok_or(CodecError::Sequences)?;
        if sequence > last {
            return Err(CodecError::Sequences);
        }
        entries.push((sequence, revocation));
        next = sequence.checked_add(1).ok_or(CodecError::Sequences)?;
    }
    Ok(entries)
}

fn put_entry(bytes: &mut Vec<u8>, gap: u64, revocation: &Revocation) {
    let at = bytes.len();
    let gapped = if gap > 0 { GAP } else { 0 };
    bytes.push(tag(revocation) | gapped);
    if gap > 0 {
        put_varint(bytes, gap);
    }
    if put_identifier(bytes, revocation.identifier()) {
        bytes[at] |= UUID;
    }
    put_value(bytes, revocation);
}

fn tag(revocation: &Revocation) -> u8 {
    match revocation {
        Revocation::Token { expiry, .. } => match expiry {
            Expiry::Known(_) => 0,
            Expiry::Unknown => UNKNOWN,
            Expiry::Never => NEVER,
        },
        Revocation::App { .. } => 1,
        Revocation::Subject { .. } => 2,
    }
}

fn put_value(bytes: &mut Vec<u8>, revocation: &Revocation) {
    match revocation {
        Revocation::Token { expiry, .. } => {
            if let Expiry::Known(UnixSeconds(seconds)) = expiry {
                put_varint(bytes, *seconds);
            }
        }
        Revocation::App { revoked_at, .. } => put_varint(bytes, revoked_at.0),
        Revocation::Subject {
            revoked_at,
            entity_type,
            ..
        } => {
            put_varint(bytes, revoked_at.0);
            put_text(bytes, entity_type);
        }
    }
}

fn get_entry(bytes: &mut &[u8]) -> Result<(u64, Revocation), CodecError> {
    let tag = get_byte(bytes)?;
    let kind = kind(tag)?;
    let gap = if tag & GAP != 0 {
        get_varint(bytes)?
    } else {
        0
    };
    let identifier = get_identifier(bytes, tag & UUID != 0)?;
    Ok((gap, get_value(bytes, tag, kind, identifier)?))
}

fn kind(tag: u8) -> Result<Kind, CodecError> {
    match (tag & KIND, tag & EXPIRY, tag & UNUSED) {
        (0, 0 | UNKNOWN | NEVER, 0) => Ok(Kind::Token),
        (1, 0, 0) => Ok(Kind::App),
        (2, 0, 0) => Ok(Kind::Subject),
        _ => Err(CodecError::Tag(tag)),
    }
}

fn get_value(
    bytes: &mut &[u8],
    tag: u8,
    kind: Kind,
    identifier: Identifier,
) -> Result<Revocation, CodecError> {
    Ok(match kind {
        Kind::Token => Revocation::Token {
            identifier,
            expiry: match tag & EXPIRY {
                UNKNOWN => Expiry::Unknown,
                NEVER => Expiry::Never,
                _ => Expiry::Known(UnixSeconds(get_varint(bytes)?)),
            },
        },
        Kind::App => Revocation::App {
            consumer_key: identifier,
            revoked_at: UnixMillis(get_varint(bytes)?),
        },
        Kind::Subject => Revocation::Subject {
            entity_id: identifier,
            revoked_at: UnixMillis(get_varint(bytes)?),
            entity_type: get_text(bytes)?.into(),
        },
    })
}

fn get_byte(bytes: &mut &[u8]) -> Result<u8, CodecError> {
    let (byte, rest) = bytes.split_first().ok_or(CodecError::Truncated)?;
    *bytes = rest;
    Ok(*byte)
}

#[cfg(test)]
mod tests;
