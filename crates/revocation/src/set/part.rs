//! One shard with what only the writer knows of it: what waits for its batch, and what was named.

use std::{fmt, sync::Arc};

use super::{meta::Meta, mix::Mixed, shard::Shard, sizes};
use crate::UnixSeconds;

/// How many keys of one batch wait in a shard that readers see. With more it is cheaper to build the shard anew, and what
/// waits has a bound.
pub(super) const MOST_PENDING: usize = 4096;

/// A shard, and what only the writer knows of it.
pub(super) struct Part {
    shard: Arc<Shard>,
    used: usize,
    /// No reader sees it yet: its keys need not be pending.
    fresh: bool,
    pending: Vec<Pending>,
    /// A bit for each slot whose key was merged since somebody began to ask.
    named: Option<Vec<u64>>,
}

/// A key of a batch that is not published yet, or was not settled yet.
#[derive(Clone, Copy)]
struct Pending {
    slot: u32,
    meta: Meta,
}

/// What came of merging a key.
pub(super) enum Merge {
    /// It is new.
    New {
        /// The shard was built anew for it.
        grown: bool,
        /// It is the first one that has to be settled.
        first_pending: bool,
    },
    /// It was there with this, which was less.
    Raised(Meta),
    /// It is there with this, and had been named before.
    Kept { held: Meta, named: bool },
}

impl Part {
    pub(super) fn new(buckets: usize) -> Self {
        Self {
            shard: Arc::new(Shard::new(buckets)),
            used: 0,
            fresh: true,
            pending: Vec::new(),
            named: None,
        }
    }

    pub(super) fn shard(&self) -> Arc<Shard> {
        Arc::clone(&self.shard)
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn slots(&self) -> usize {
        self.shard.slots()
    }

    /// Readers see the shard from now on.
    pub(super) fn published(&mut self) {
        self.fresh = false;
    }

    /// Takes in a key, if it says more than what is there.
    pub(super) fn merge(&mut self, key: Mixed, meta: Meta, sequence: u64) -> Merge {
        if let Some(slot) = self.shard.find(key) {
            let named = self.name(slot);
            let held = self.settled(self.shard.meta(slot));
            if held >= meta {
                return Merge::Kept { held, named };
            }
            self.raise(slot, meta);
            return Merge::Raised(held);
        }
        let buckets = self.shard.buckets();
        let grown = if self.used >= sizes::room(buckets) {
            self.rebuild(sizes::next(buckets), |_| true);
            true
        } else if self.pending.len() >= MOST_PENDING {
            self.rebuild(buckets, |_| true);
            true
        } else {
            false
        };
        let first_pending = !self.fresh && self.pending.is_empty();
        let slot = self.insert(key, meta, sequence);
        self.name(slot);
        Merge::New {
            grown,
            first_pending,
        }
    }

    /// Fills a slot with a key that is not there.
    fn insert(&mut self, key: Mixed, meta: Meta, sequence: u64) -> usize {
        self.used += 1;
        if self.fresh {
            return self.shard.insert(key, meta);
        }
        let slot = self
            .shard
            .insert(key, Meta::pending(self.pending.len(), sequence));
        self.pending.push(Pending {
            // A shard of 2^32 slots would take 90 GB.
            slot: slot as u32,
            meta,
        });
        slot
    }

    /// Raises the expiry of a key that is there.
    ///
    /// Readers ask whether a key is there, and the expiry does not change that: it is not kept back until the batch is
    /// published.
    fn raise(&mut self, slot: usize, meta: Meta) {
        match self.shard.meta(slot).pending_index() {
            Some(index) => self.pending[index].meta = meta,
            None => self.shard.set_meta(slot, meta),
        }
    }

    /// What a slot's word will be once its batch is settled.
    fn settled(&self, word: Meta) -> Meta {
        word.pending_index()
            .map_or(word, |index| self.pending[index].meta)
    }

    pub(super) fn settle(&mut self) {
        for Pending { slot, meta } in self.pending.drain(..) {
            self.shard.set_meta(slot as usize, meta);
        }
        self.pending.shrink_to(8);
    }

    /// Takes out what expires before `horizon`, and says how many keys that were.
    pub(super) fn sweep(&mut self, horizon: UnixSeconds) -> usize {
        let expired = self.shard.count_expired(horizon);
        if expired > 0 {
            let buckets = sizes::fitting(self.used - expired);
            self.rebuild(buckets, |meta| !meta.expires_before(horizon));
        }
        expired
    }

    /// Every key with what it is settled to, and whether it was named.
    pub(super) fn for_each(&self, mut visit: impl FnMut(Mixed, Meta, bool)) {
        self.shard.for_each(|slot, key, word| {
            let named = self.named.as_ref();
            let named = named.is_none_or(|named| has(named, slot));
            visit(key, self.settled(word), named);
        });
    }

    pub(super) fn begin_naming(&mut self) {
        self.named = Some(bits(self.slots()));
    }

    pub(super) fn end_naming(&mut self) {
        self.named = None;
    }

    /// Marks a slot as named, where that is asked for. Whether it was before.
    fn name(&mut self, slot: usize) -> bool {
        self.named.as_mut().is_some_and(|named| set(named, slot))
    }

    /// Makes room for so many keys, where there are none yet.
    pub(super) fn make_room(&mut self, buckets: usize) {
        if self.used == 0 && self.shard.buckets() < buckets {
            self.rebuild(buckets, |_| true);
        }
    }

    /// Takes another shard for this one, with the keys that shall be kept. Readers see the old one, which stays as it is,
    /// until the next version is published.
    fn rebuild(&mut self, buckets: usize, keep: impl Fn(Meta) -> bool) {
        let shard = Shard::new(buckets);
        let mut named = self.named.as_ref().map(|_| bits(shard.slots()));
        let mut used = 0;
        self.shard.for_each(|old, key, word| {
            let meta = self.settled(word);
            if keep(meta) {
                let slot = shard.insert(key, meta);
                used += 1;
                if let (Some(before), Some(named)) = (&self.named, &mut named)
                    && has(before, old)
                {
                    set(named, slot);
                }
            }
        });
        self.used = used;
        self.shard = Arc::new(shard);
        self.fresh = true;
        self.pending = Vec::new();
        self.named = named;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Shard>()
            + self.shard.heap_bytes()
            + self.pending.capacity() * size_of::<Pending>()
            + self.named.as_ref().map_or(0, |named| size_of_val(&**named))
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

fn bits(slots: usize) -> Vec<u64> {
    vec![0; slots.div_ceil(64)]
}

fn has(bits: &[u64], at: usize) -> bool {
    bits[at / 64] >> (at % 64) & 1 == 1
}

/// Whether it was set before.
fn set(bits: &mut [u64], at: usize) -> bool {
    let before = has(bits, at);
    bits[at / 64] |= 1 << (at % 64);
    before
}
