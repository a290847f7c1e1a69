//! The entries of 65 536 sequences, one after the other.

use crate::codec::{self, EntryRef};

/// Marks a place whose entry is gone.
const GONE: u32 = u32::MAX;

/// Entries of one window. Their bytes stay until half of the places are gone.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Sequence within the window, ascending; beside each, where its bytes begin.
    deltas: Vec<u16>,
    offsets: Vec<u32>,
    bytes: Vec<u8>,
    gone: usize,
}

impl Window {
    pub(super) fn len(&self) -> usize {
        self.deltas.len() - self.gone
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an entry behind all others.
    pub(super) fn push(&mut self, delta: u16, entry: &[u8]) {
        debug_assert!(self.deltas.last().is_none_or(|last| *last < delta));
        let offset = u32::try_from(self.bytes.len())
            .expect("65 536 entries of at most 8 KiB and some do not fill 4 GiB");
        self.deltas.push(delta);
        self.offsets.push(offset);
        self.bytes.extend_from_slice(entry);
    }

    pub(super) fn get(&self, delta: u16) -> Option<EntryRef<'_>> {
        let bytes = self.slice(self.place(delta)?)?;
        let (entry, _) = codec::get_entry(bytes).expect("checked when it was taken in");
        Some(entry)
    }

    pub(super) fn remove(&mut self, delta: u16) {
        let Some(place) = self.place(delta) else {
            return;
        };
        if std::mem::replace(&mut self.offsets[place], GONE) != GONE {
            self.gone += 1;
        }
        if self.gone > 64 && self.gone > self.deltas.len() / 2 {
            self.rebuild();
        }
    }

    /// The entries from `from` on, in order.
    pub(super) fn from(&self, from: u64) -> impl Iterator<Item = (u16, &[u8])> {
        let start = self
            .deltas
            .partition_point(|delta| u64::from(*delta) < from);
        (start..self.deltas.len())
            .filter_map(|place| Some((self.deltas[place], self.slice(place)?)))
    }

    pub(super) fn shrink(&mut self) {
        self.deltas.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// Most windows have no gap: the place is then the distance from the first.
    fn place(&self, delta: u16) -> Option<usize> {
        let guess = usize::from(delta.checked_sub(*self.deltas.first()?)?);
        if self.deltas.get(guess) == Some(&delta) {
            return Some(guess);
        }
        self.deltas.binary_search(&delta).ok()
    }

    /// From where the entry begins to where the next one that is still there may begin, or the end.
    fn slice(&self, place: usize) -> Option<&[u8]> {
        let start = *self.offsets.get(place).filter(|offset| **offset != GONE)?;
        let next = self.offsets.get(place + 1).filter(|next| **next != GONE);
        let bytes = &self.bytes[start as usize..];
        let length = match next {
            Some(next) => (next - start) as usize,
            None => {
                let (_, length) = codec::get_entry(bytes).expect("checked when it was taken in");
                length
            }
        };
        Some(&bytes[..length])
    }

    fn rebuild(&mut self) {
        let mut kept = Self::default();
        for (delta, entry) in self.from(0) {
            kept.push(delta, entry);
        }
        kept.shrink();
        *self = kept;
    }
}
