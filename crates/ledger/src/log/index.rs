//! Where each thing stands in the log: open-addressing tables of sequences with a part of the hash beside each, so that
//! growing them reads no entry. A key of this process places an identifier: nobody can choose ones that collide.

use std::{fmt, hash::BuildHasher, hash::RandomState};

use hashbrown::{HashTable, hash_table::Entry};

use super::Key;

/// Tables, each for one highest byte of the hash: a growing one moves a part of the slots, and what is put in by the
/// hundred thousand goes into one that the processor's cache holds, and then into the next.
const TABLES: usize = 256;

/// 12 bytes, where a `u64` beside a `u32` would take 16.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    low: u32,
    high: u32,
}

/// Sequences by what their entries name.
pub(super) struct Index {
    tables: Vec<HashTable<Slot>>,
    /// What waits to be put in.
    waiting: Vec<Slot>,
    len: usize,
    key: RandomState,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            tables: (0..TABLES).map(|_| HashTable::new()).collect(),
            waiting: Vec::new(),
            len: 0,
            key: RandomState::new(),
        }
    }
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The one that `matches` accepts.
    pub(super) fn find<T>(&self, key: Key, matches: impl Fn(u64) -> Option<T>) -> Option<T> {
        let hash = self.hash(key);
        let mut found = None;
        self.tables[table(hash)].find(spread(hash), |slot| {
            slot.hash == hash && {
                found = matches(slot.sequence());
                found.is_some()
            }
        });
        found
    }

    /// Puts `sequence` into the place of the one that `matches` accepts, which is returned, or into a new place.
    pub(super) fn put(
        &mut self,
        key: Key,
        sequence: u64,
        matches: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let new = Slot::new(self.hash(key), sequence);
        let held = put(&mut self.tables[table(new.hash)], new, matches);
        self.len += usize::from(held.is_none());
        held
    }

    /// Puts `sequence` in later, with [`settle`](Self::settle).
    pub(super) fn put_later(&mut self, key: Key, sequence: u64) {
        let new = Slot::new(self.hash(key), sequence);
        self.waiting.push(new);
    }

    /// Puts in all that waits, in the order of their coming. `matches` says whether two sequences name one thing, and
    /// `superseded` is told the sequence that another one took the place of.
    pub(super) fn settle(
        &mut self,
        matches: impl Fn(u64, u64) -> bool,
        mut superseded: impl FnMut(u64),
    ) {
        // Table by table, each in the order of their coming: the sort is stable.
        self.waiting.sort_by_key(|slot| table(slot.hash));
        for slots in self.waiting.chunk_by(|a, b| table(a.hash) == table(b.hash)) {
            let table = &mut self.tables[table(slots[0].hash)];
            table.reserve(slots.len(), |slot| spread(slot.hash));
            for new in slots {
                match put(table, *new, |held| matches(held, new.sequence())) {
                    Some(held) => superseded(held),
                    None => self.len += 1,
                }
            }
        }
        self.waiting.clear();
    }

    /// Gives back the room for what waits.
    pub(super) fn shrink(&mut self) {
        self.waiting = Vec::new();
    }

    pub(super) fn remove(&mut self, key: Key, sequence: u64) {
        let hash = self.hash(key);
        let found =
            self.tables[table(hash)].find_entry(spread(hash), |slot| slot.sequence() == sequence);
        if let Ok(entry) = found {
            entry.remove();
            self.len -= 1;
        }
    }

    fn hash(&self, (kind, id): Key) -> u32 {
        // In one write: two that collide by it cost a comparison.
        let mixed = id.as_u128() ^ kind as u128;
        (self.key.hash_one(mixed) >> 32) as u32
    }
}

fn put(table: &mut HashTable<Slot>, new: Slot, matches: impl Fn(u64) -> bool) -> Option<u64> {
    let place = table.entry(
        spread(new.hash),
        |slot| slot.hash == new.hash && matches(slot.sequence()),
        |slot| spread(slot.hash),
    );
    match place {
        Entry::Occupied(mut held) => Some(std::mem::replace(held.get_mut(), new).sequence()),
        Entry::Vacant(free) => {
            free.insert(new);
            None
        }
    }
}

fn table(hash: u32) -> usize {
    (hash >> 24) as usize
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
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
