//! Filling a set that nobody reads yet, from several threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    RevokedSet,
    meta::Meta,
    mix::Mixer,
    part::Part,
    shard::{SHARDS, shard_of},
    sizes,
    view::Moments,
    writer::{Writer, merge_moment, per_shard},
};
use crate::Entry;

/// Which place in the table each identifier has: a secret of the process, since who knows it can choose identifiers that
/// all meet in one place.
///
/// A set that is loaded with the placement of the set that its entries were visited in takes them in the order of its own
/// memory, which is several times as fast as any other order.
#[derive(Debug, Clone, Copy)]
pub struct Placement(pub(super) Mixer);

/// A set that is being filled. Each thread adds what it has, in any order; the union does not depend on it.
///
/// Threads meet on one part of the table at a time, and so hardly where each has the entries of other parts.
#[derive(Debug)]
pub struct Loader {
    mixer: Mixer,
    /// What a shard is made for when its first key comes: memory is touched by the thread that fills it.
    buckets: usize,
    parts: Vec<Mutex<Part>>,
    moments: Mutex<[Moments; 2]>,
}

impl Placement {
    /// Another secret.
    pub fn random() -> Self {
        Self(Mixer::new())
    }

    /// The part of the set in which an entry for this thing is [visited](RevokedSet::visit_part).
    pub fn part_of(&self, entry: &Entry) -> usize {
        match entry {
            Entry::Token { id, .. } => shard_of(self.0.mix(*id)),
            Entry::App { .. } | Entry::Subject { .. } => SHARDS,
        }
    }

    /// For a file that nobody else can read.
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        for (chunk, key) in bytes.chunks_exact_mut(8).zip(self.0.keys()) {
            chunk.copy_from_slice(&key.to_be_bytes());
        }
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    pub fn from_bytes(bytes: [u8; 40]) -> Self {
        let mut keys = [0; 5];
        for (key, chunk) in keys.iter_mut().zip(bytes.as_chunks().0) {
            *key = u64::from_be_bytes(*chunk);
        }
        Self(Mixer::with_keys(keys))
    }
}

impl Loader {
    /// An empty set with room for so many tokens.
    pub fn new(tokens: usize, placement: Placement) -> Self {
        Self {
            mixer: placement.0,
            buckets: sizes::fitting(per_shard(tokens)),
            parts: (0..SHARDS)
                .map(|_| Mutex::new(Part::new(sizes::fitting(0))))
                .collect(),
            moments: Mutex::default(),
        }
    }

    /// Adds `entries`: of two for one thing the one that says more stays.
    pub fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut held: Option<(usize, MutexGuard<'_, Part>)> = None;
        for entry in entries {
            let Entry::Token { id, expiry } = entry else {
                self.add_moment(entry);
                continue;
            };
            let key = self.mixer.mix(id);
            let index = shard_of(key);
            let (_, part) = match held {
                Some(ref mut held) if held.0 == index => held,
                // The one before is let go first: nobody waits for one part with another in hand.
                _ => {
                    drop(held.take());
                    held.insert((index, self.part(index)))
                }
            };
            part.merge(key, Meta::settled(expiry), 0);
        }
    }

    /// The set, with all that was added.
    pub fn finish(self, version: &str) -> RevokedSet {
        let part = |part: Mutex<Part>| part.into_inner().unwrap_or_else(PoisonError::into_inner);
        let parts = self.parts.into_iter().map(part).collect();
        let moments = self.moments.into_inner();
        let [apps, subjects] = moments.unwrap_or_else(PoisonError::into_inner);
        RevokedSet::of(Writer::of(
            self.mixer,
            parts,
            apps,
            subjects,
            version.into(),
        ))
    }

    fn part(&self, index: usize) -> MutexGuard<'_, Part> {
        let mut part = lock(&self.parts[index]);
        part.make_room(self.buckets);
        part
    }

    fn add_moment(&self, entry: Entry) {
        let [apps, subjects] = &mut *lock(&self.moments);
        match entry {
            Entry::Token { .. } => {}
            Entry::App { id, revoked_at } => {
                let app = |revoked_at| Entry::App { id, revoked_at };
                merge_moment(apps, id, revoked_at, app);
            }
            Entry::Subject { id, revoked_at } => {
                let subject = |revoked_at| Entry::Subject { id, revoked_at };
                merge_moment(subjects, id, revoked_at, subject);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
