//! Where each thing stands in the log: an open-addressing table of sequences with a part of the hash beside each, so that
//! growing it reads no entry. A key of this process places an identifier: nobody can choose ones that collide.

use std::{fmt, hash::BuildHasher, hash::RandomState};

use hashbrown::HashTable;

use super::Key;

/// 12 bytes, where a `u64` beside a `u32` would take 16.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    low: u32,
    high: u32,
}

/// Sequences by what their entries name.
#[derive(Default)]
pub(super) struct Index {
    table: HashTable<Slot>,
    key: RandomState,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// The one that `matches` accepts.
    pub(super) fn find<T>(&self, key: Key, matches: impl Fn(u64) -> Option<T>) -> Option<T> {
        let hash = self.hash(key);
        let mut found = None;
        self.table.find(spread(hash), |slot| {
            slot.hash == hash && {
                found = matches(slot.sequence());
                found.is_some()
            }
        });
        found
    }

    pub(super) fn insert(&mut self, key: Key, sequence: u64) {
        let hash = self.hash(key);
        let slot = Slot::new(hash, sequence);
        self.table
            .insert_unique(spread(hash), slot, |slot| spread(slot.hash));
    }

    pub(super) fn replace(&mut self, key: Key, from: u64, to: u64) {
        let hash = self.hash(key);
        let found = self
            .table
            .find_mut(spread(hash), |slot| slot.sequence() == from);
        if let Some(slot) = found {
            *slot = Slot::new(hash, to);
        }
    }

    pub(super) fn remove(&mut self, key: Key, sequence: u64) {
        let hash = self.hash(key);
        let found = self
            .table
            .find_entry(spread(hash), |slot| slot.sequence() == sequence);
        if let Ok(entry) = found {
            entry.remove();
        }
    }

    fn hash(&self, (kind, id): Key) -> u32 {
        (self.key.hash_one((kind as u8, id.as_u128())) >> 32) as u32
    }
}

impl Slot {
    fn new(hash: u32, sequence: u64) -> Self {
        Self {
            hash,
            low: sequence as u32,
            high: (sequence >> 32) as u32,
        }
    }

    fn sequence(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// The table takes a bucket from the low bits and a tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("len", &self.table.len())
            .finish_non_exhaustive()
    }
}
