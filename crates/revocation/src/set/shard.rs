//! One part of the table: buckets of eight slots, searched by anyone while one writer fills them.
//!
//! A slot is filled once and never emptied: what has to go, goes when the shard is built anew. So the words of a key are
//! final from the moment that its meta word is no longer free, and a reader that comes upon a slot half filled finds it
//! either free or pending: in both cases not there.

use super::{
    meta::Meta,
    mix::Mixed,
    sync::{AtomicU32, AtomicU64, Ordering::Relaxed},
    tags::{self, SLOTS, Tag},
};

/// The bits of a mixed identifier that choose its shard.
const SHARD_BITS: u32 = if cfg!(feature = "loom") { 0 } else { 7 };

/// How many shards a table has.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;

/// At least one slot stays free, and so at least one bucket is never full: nobody ever went on from it, and every
/// look-up ends there at the latest.
#[derive(Debug)]
pub(super) struct Shard {
    tags: Box<[AtomicU64]>,
    keys: Box<[[AtomicU64; 2]]>,
    metas: Box<[AtomicU32]>,
}

/// The shard that a key belongs to.
#[inline]
pub(super) fn shard_of(key: Mixed) -> usize {
    key.high.rotate_left(SHARD_BITS) as usize & (SHARDS - 1)
}

impl Shard {
    /// An empty shard with a prime number of buckets, so that every step leads through all of them.
    pub(super) fn new(buckets: usize) -> Self {
        let slots = buckets * SLOTS;
        Self {
            tags: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            keys: (0..slots)
                .map(|_| [AtomicU64::new(0), AtomicU64::new(0)])
                .collect(),
            metas: (0..slots).map(|_| AtomicU32::new(Meta::FREE.0)).collect(),
        }
    }

    pub(super) fn buckets(&self) -> usize {
        self.tags.len()
    }

    pub(super) fn slots(&self) -> usize {
        self.metas.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.tags) + size_of_val(&*self.keys) + size_of_val(&*self.metas)
    }

    /// Whether the version with this sequence holds `key`.
    #[inline]
    pub(super) fn contains(&self, key: Mixed, sequence: u64) -> bool {
        self.find(key)
            .is_some_and(|slot| self.meta(slot).is_visible(sequence))
    }

    /// The slot of `key`, pending or settled.
    #[inline]
    pub(super) fn find(&self, key: Mixed) -> Option<usize> {
        let tag = Tag::of(key);
        let mut bucket = self.home(key);
        loop {
            let word = self.tags[bucket].load(Relaxed);
            for slot in tag.matches(word) {
                let slot = bucket * SLOTS + slot;
                if self.key(slot) == key {
                    return Some(slot);
                }
            }
            if !tag.went_on(word) {
                return None;
            }
            bucket = self.next(bucket, key);
        }
    }

    /// Fills a free slot with a key that is not there. The caller has seen to it that one more stays free.
    pub(super) fn insert(&self, key: Mixed, meta: Meta) -> usize {
        let tag = Tag::of(key);
        let mut bucket = self.home(key);
        loop {
            let word = self.tags[bucket].load(Relaxed);
            if let Some(free) = tags::free_slot(word) {
                let slot = bucket * SLOTS + free;
                self.set_meta(slot, meta);
                self.keys[slot][0].store(key.high, Relaxed);
                self.keys[slot][1].store(key.low, Relaxed);
                self.tags[bucket].store(tag.put(word, free), Relaxed);
                return slot;
            }
            self.tags[bucket].store(tag.go_on(word), Relaxed);
            bucket = self.next(bucket, key);
        }
    }

    #[inline]
    pub(super) fn meta(&self, slot: usize) -> Meta {
        Meta(self.metas[slot].load(Relaxed))
    }

    pub(super) fn set_meta(&self, slot: usize, meta: Meta) {
        self.metas[slot].store(meta.0, Relaxed);
    }

    /// Every slot that is taken, with its key and its meta word. For the writer: beside it the words could change.
    pub(super) fn for_each(&self, mut visit: impl FnMut(usize, Mixed, Meta)) {
        for (bucket, word) in self.tags.iter().enumerate() {
            for slot in tags::taken(word.load(Relaxed)) {
                let slot = bucket * SLOTS + slot;
                visit(slot, self.key(slot), self.meta(slot));
            }
        }
    }

    /// How many keys expire before `horizon`. Free slots and pending ones are none of them.
    pub(super) fn count_expired(&self, horizon: crate::UnixSeconds) -> usize {
        let metas = self.metas.iter().map(|meta| Meta(meta.load(Relaxed)));
        metas.filter(|meta| meta.expires_before(horizon)).count()
    }

    #[inline]
    fn key(&self, slot: usize) -> Mixed {
        let [high, low] = &self.keys[slot];
        Mixed {
            high: high.load(Relaxed),
            low: low.load(Relaxed),
        }
    }

    /// The bucket where the search for `key` begins.
    #[inline]
    fn home(&self, key: Mixed) -> usize {
        scale(key.high << SHARD_BITS, self.buckets())
    }

    /// The bucket after `bucket`, by a step that is the key's own: keys that meet in one bucket part again.
    #[inline]
    fn next(&self, bucket: usize, key: Mixed) -> usize {
        let step = 1 + scale(key.low << 10, self.buckets() - 1);
        let next = bucket + step;
        if next < self.buckets() {
            next
        } else {
            next - self.buckets()
        }
    }
}

/// Scales random `bits` down to a number below `limit`, by their upper bits.
#[inline]
fn scale(bits: u64, limit: usize) -> usize {
    ((u128::from(bits) * limit as u128) >> 64) as usize
}
