//! The live entries in sequence order, with an index by what they name: some 55 bytes for a token that a UUID names.
//!
//! ```text
//! windows   65 536 sequences each: place and bytes of every entry, as a group in the file has them
//! index     (kind, identifier) -> sequence; the identifiers themselves stand in the windows alone
//! ```

use std::collections::BTreeMap;

use rescind_revocation::{Entry, Kind, Revocation, TokenId};

use crate::codec::{self, EntryRef, Raw};

mod index;
mod window;

use index::Index;
use window::Window;

/// What names an entry.
pub(crate) type Key = (Kind, TokenId);

/// Live entries by sequence.
#[derive(Debug, Default)]
pub(crate) struct Log {
    windows: BTreeMap<u64, Window>,
    index: Index,
    /// One entry's bytes, while it is taken in.
    scratch: Vec<u8>,
}

/// An entry that another one took the place of.
#[derive(Debug)]
pub(crate) struct Superseded {
    pub(crate) sequence: u64,
    pub(crate) entry: Entry,
}

impl Log {
    /// How many entries are live.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// The entry at `sequence`.
    pub(crate) fn get(&self, sequence: u64) -> Option<EntryRef<'_>> {
        get(&self.windows, sequence)
    }

    /// The live entry for one thing.
    pub(crate) fn find(&self, key: Key) -> Option<(u64, EntryRef<'_>)> {
        self.index.find(key, |sequence| {
            let entry = self.get(sequence)?;
            (names(&entry, key)).then_some((sequence, entry))
        })
    }

    /// Takes in an entry of a group, at a sequence above all others. Until [`settle`](Self::settle) it is not found by its
    /// name, and supersedes nothing.
    pub(crate) fn push_raw(&mut self, raw: &Raw<'_>) {
        self.scratch.clear();
        raw.put(&mut self.scratch);
        self.push_scratch(raw.sequence);
        let key = (raw.entry.kind(), raw.entry.id());
        self.index.put_later(key, raw.sequence);
    }

    /// Puts the entries of groups into the index, whichever came last in the place of what it supersedes. Returns the
    /// sequences that are live no more.
    pub(crate) fn settle(&mut self) -> Vec<u64> {
        let windows = &self.windows;
        let key = |sequence| get(windows, sequence).map(|entry| (entry.kind(), entry.id()));
        let mut superseded = Vec::new();
        self.index.settle(
            |held, new| key(held) == key(new),
            |sequence| superseded.push(sequence),
        );
        for sequence in &superseded {
            self.take_out(*sequence);
        }
        superseded
    }

    /// Takes in an entry at a sequence above all others. It supersedes what is held for the same thing.
    pub(crate) fn push(&mut self, sequence: u64, revocation: &Revocation) -> Option<Superseded> {
        self.scratch.clear();
        codec::put_entry(&mut self.scratch, revocation);
        let key = (revocation.kind(), revocation.identifier().id());
        let windows = &self.windows;
        let held = self.index.put(key, sequence, |sequence| {
            get(windows, sequence).is_some_and(|entry| names(&entry, key))
        });
        let superseded = held.and_then(|sequence| {
            let entry = self.get(sequence)?.entry();
            self.take_out(sequence);
            Some(Superseded { sequence, entry })
        });
        self.push_scratch(sequence);
        superseded
    }

    fn push_scratch(&mut self, sequence: u64) {
        let (window, delta) = split(sequence);
        if !self.windows.contains_key(&window) {
            // The one before gets no more.
            if let Some(mut last) = self.windows.last_entry() {
                last.get_mut().shrink();
            }
        }
        let window = self.windows.entry(window).or_default();
        window.push(delta, &self.scratch);
    }

    /// Drops the entry at `sequence`, and says what it was.
    pub(crate) fn remove(&mut self, sequence: u64) -> Option<Entry> {
        let entry = self.get(sequence)?.entry();
        self.index.remove((entry.kind(), entry.id()), sequence);
        self.take_out(sequence);
        Some(entry)
    }

    fn take_out(&mut self, sequence: u64) {
        let (key, delta) = split(sequence);
        if let Some(window) = self.windows.get_mut(&key) {
            window.remove(delta);
            if window.is_empty() {
                self.windows.remove(&key);
            }
        }
    }

    /// The live entries after `after` up to `to`, in order.
    pub(crate) fn range(&self, after: u64, to: u64) -> impl Iterator<Item = (u64, EntryRef<'_>)> {
        self.bytes(after, to).map(|(sequence, bytes)| {
            let (entry, _) = codec::get_entry(bytes).expect("checked when it was taken in");
            (sequence, entry)
        })
    }

    /// The same, as they stand in memory.
    pub(crate) fn bytes(&self, after: u64, to: u64) -> impl Iterator<Item = (u64, &[u8])> {
        // An empty range where `to` is before: the ends of a map's range must be in order.
        let first = after.saturating_add(1);
        let windows = (first <= to).then(|| self.windows.range(first >> BITS..=to >> BITS));
        windows
            .into_iter()
            .flatten()
            .flat_map(move |(key, window)| {
                let base = key << BITS;
                let from = first.saturating_sub(base);
                window
                    .from(from)
                    .map(move |(delta, bytes)| (base | u64::from(delta), bytes))
                    .take_while(move |(sequence, _)| *sequence <= to)
            })
    }

    /// How many entries are live after `after` up to `to`.
    pub(crate) fn count(&self, after: u64, to: u64) -> usize {
        self.bytes(after, to).count()
    }

    /// Where a range that begins after `after` is cut, so that the streams that come by share their cuts: at the end of a
    /// window, of as many together as hold at most `limit` entries. `None` where the first one alone holds more.
    pub(crate) fn cut(&self, after: u64, limit: usize) -> Option<u64> {
        let first = after.saturating_add(1) >> BITS;
        let mut entries = self.count(after, first << BITS | LAST);
        if entries > limit {
            return None;
        }
        for (key, window) in self.windows.range(first + 1..) {
            entries += window.len();
            if entries > limit {
                return Some((key << BITS) - 1);
            }
        }
        Some(u64::MAX)
    }

    /// Gives back what is only reserved.
    pub(crate) fn shrink(&mut self) {
        self.index.shrink();
        for window in self.windows.values_mut() {
            window.shrink();
        }
    }
}

/// Sequences of one window.
const BITS: u32 = 16;
const LAST: u64 = (1 << BITS) - 1;

fn split(sequence: u64) -> (u64, u16) {
    (sequence >> BITS, (sequence & LAST) as u16)
}

fn get(windows: &BTreeMap<u64, Window>, sequence: u64) -> Option<EntryRef<'_>> {
    let (window, delta) = split(sequence);
    windows.get(&window)?.get(delta)
}

fn names(entry: &EntryRef<'_>, (kind, id): Key) -> bool {
    entry.kind() == kind && entry.id() == id
}

#[cfg(test)]
mod tests;
