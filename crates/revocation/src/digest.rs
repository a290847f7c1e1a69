//! A hash of a set that does not depend on order, so that two parts can prove to each other that they hold the same.
//!
//! Each entry is hashed by itself (the first half of its SHA-256) and the hashes are added up, wrapping at 128 bits. So an
//! entry is added, changed or taken out in one step, whatever the size of the set, and every replica gets the same.
//!
//! What it is worth: sets that differ by accident (something lost, doubled, damaged, stale) have the same digest with a
//! chance of 2^-128. A sum of hashes is weaker against one who may choose what is revoked: with many thousand identifiers
//! of his choice he can find two *sets* with one digest far below 2^64 steps (Wagner's generalised birthday). That gives
//! him nothing here, since he would also have to choose what gets lost between two parts that have proven who they are to
//! each other. A hash that resists him too needs 2 kB of state (LtHash) for each bucket and checkpoint. A plain mixer
//! instead of SHA-256 would be faster, but two single identifiers with one hash must stay out of reach.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, digest};
use thiserror::Error;

use crate::{Entry, Expiry, UnixSeconds};

mod buckets;

pub use buckets::Digests;

/// The digest of a set of entries. Nothing has the digest zero.
///
/// As text it is 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(u128);

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("digest is not 32 lower-case hexadecimal digits")]
pub struct DigestError;

impl Digest {
    /// The digest of the set that holds `entry` alone.
    ///
    /// Hashed are 26 bytes: kind (0 token, 1 app, 2 subject); 0 for a second or a moment, 1 for unknown, 2 for never; the
    /// second of the expiry or the millisecond of the revocation; the identifier. Numbers are big-endian, the expiry is
    /// [capped](Expiry::capped).
    pub fn of(entry: &Entry) -> Self {
        let (kind, (state, value)) = match *entry {
            Entry::Token { expiry, .. } => (0, expiry_parts(expiry)),
            Entry::App { revoked_at, .. } => (1, (0, revoked_at.0)),
            Entry::Subject { revoked_at, .. } => (2, (0, revoked_at.0)),
        };
        let mut bytes = [0; 26];
        bytes[0] = kind;
        bytes[1] = state;
        bytes[2..10].copy_from_slice(&value.to_be_bytes());
        bytes[10..].copy_from_slice(&entry.id().as_u128().to_be_bytes());
        let hash = digest(&SHA256, &bytes);
        Self(
            hash.as_ref()[..16]
                .iter()
                .fold(0, |bits, byte| bits << 8 | u128::from(*byte)),
        )
    }

    /// The digest of two sets together that have nothing in common.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The digest of a set without a part of it.
    #[must_use]
    pub fn minus(self, part: Self) -> Self {
        Self(self.0.wrapping_sub(part.0))
    }

    /// The digest as 16 bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The digest that these bytes are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(DigestError);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| DigestError)
    }
}

fn expiry_parts(expiry: Expiry) -> (u8, u64) {
    match expiry.capped() {
        Expiry::Known(UnixSeconds(at)) => (0, at),
        Expiry::Unknown => (1, 0),
        Expiry::Never => (2, 0),
    }
}

#[cfg(test)]
mod tests;
