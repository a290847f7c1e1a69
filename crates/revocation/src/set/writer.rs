//! The one who changes the set: what it knows beside the table, and the steps from one version to the next.

use std::{fmt, sync::Arc};

use super::{
    Change, Memory,
    meta::Meta,
    mix::{Mixed, Mixer},
    shard::{SHARDS, Shard, shard_of},
    sizes,
    view::{Directory, Moments, View},
};
use crate::{Entry, Expiry, TokenId, UnixMillis, UnixSeconds};

/// How many keys of one batch wait in a shard that readers see. With more it is cheaper to build the shard anew, and what
/// waits has a bound.
pub(super) const MOST_PENDING: usize = 4096;

/// The writer's side of the set.
pub(super) struct Writer {
    mixer: Mixer,
    parts: Vec<Part>,
    /// Shards with pending keys.
    unsettled: Vec<usize>,
    /// The sequence of the newest view that was published.
    published: u64,
    /// The sequence of the batch that is being put together: the one after, once that has begun. Pending keys are of it.
    sequence: u64,
    tokens: usize,
    apps: Moments,
    subjects: Moments,
    version: Arc<str>,
    directory: Directory,
    grown: bool,
    /// Versions that were published before. Freeing a shard takes long enough to show: it is not left to a reader.
    retired: Vec<Arc<View>>,
}

/// A shard, and what only the writer knows of it.
struct Part {
    shard: Arc<Shard>,
    used: usize,
    /// No reader sees it yet: its keys need not be pending.
    fresh: bool,
    pending: Vec<Pending>,
}

/// A key of a batch that is not published yet, or was not settled yet.
#[derive(Clone, Copy)]
struct Pending {
    slot: u32,
    meta: Meta,
}

impl Writer {
    pub(super) fn new(tokens: usize) -> Self {
        let buckets = sizes::fitting(per_shard(tokens));
        let parts: Vec<_> = (0..SHARDS).map(|_| Part::new(buckets)).collect();
        Self {
            mixer: Mixer::new(),
            unsettled: Vec::new(),
            published: 0,
            sequence: 0,
            tokens: 0,
            apps: Moments::default(),
            subjects: Moments::default(),
            version: Arc::default(),
            directory: directory(&parts),
            grown: false,
            parts,
            retired: Vec::new(),
        }
    }

    /// The version as it would be published now.
    pub(super) fn view(&self) -> View {
        View {
            directory: Arc::clone(&self.directory),
            sequence: self.sequence,
            mixer: self.mixer,
            tokens: self.tokens,
            apps: Arc::clone(&self.apps),
            subjects: Arc::clone(&self.subjects),
            version: Arc::clone(&self.version),
        }
    }

    pub(super) fn published(&self) -> u64 {
        self.published
    }

    pub(super) fn version(&self) -> &Arc<str> {
        &self.version
    }

    pub(super) fn len(&self) -> usize {
        self.tokens + self.apps.len() + self.subjects.len()
    }

    /// Begins the batch after the published one, which is settled: its keys stop being pending.
    ///
    /// The caller has told readers that what they see in older versions may change from now on. A batch that was begun and
    /// never published (its observer panicked) goes on: what it brought is published with the next.
    pub(super) fn begin(&mut self) {
        if self.sequence != self.published {
            return;
        }
        for index in self.unsettled.drain(..) {
            self.parts[index].settle();
        }
        self.sequence += 1;
    }

    /// Makes the version that readers shall see next.
    pub(super) fn finish(&mut self, version: Option<Arc<str>>) -> Arc<View> {
        if let Some(version) = version {
            self.version = version;
        }
        if self.grown {
            self.directory = directory(&self.parts);
            self.parts.iter_mut().for_each(|part| part.fresh = false);
            self.grown = false;
        }
        self.published = self.sequence;
        Arc::new(self.view())
    }

    /// Keeps a version that is published no longer, until its last reader has left it.
    pub(super) fn retire(&mut self, view: Arc<View>) {
        self.retired.push(view);
        self.retired.retain(|view| Arc::strong_count(view) > 1);
    }

    /// Takes in an entry, if it says more than what is there.
    pub(super) fn merge(&mut self, entry: &Entry) -> Option<Change> {
        match *entry {
            Entry::Token { id, expiry } => self.merge_token(id, expiry),
            Entry::App { id, revoked_at } => {
                let app = |revoked_at| Entry::App { id, revoked_at };
                merge_moment(&mut self.apps, id, revoked_at, app)
            }
            Entry::Subject { id, revoked_at } => {
                let subject = |revoked_at| Entry::Subject { id, revoked_at };
                merge_moment(&mut self.subjects, id, revoked_at, subject)
            }
        }
    }

    fn merge_token(&mut self, id: TokenId, expiry: Expiry) -> Option<Change> {
        let key = self.mixer.mix(id);
        let meta = Meta::settled(expiry);
        let index = shard_of(key);
        let part = &mut self.parts[index];
        let before = match part.shard.find(key) {
            Some(slot) => {
                let before = part.raise(slot, meta)?;
                Some(before)
            }
            None => {
                if part.used >= sizes::room(part.shard.buckets()) {
                    part.rebuild(sizes::next(part.shard.buckets()), |_| true);
                    self.grown = true;
                } else if part.pending.len() >= MOST_PENDING {
                    part.rebuild(part.shard.buckets(), |_| true);
                    self.grown = true;
                }
                if !part.fresh && part.pending.is_empty() {
                    self.unsettled.push(index);
                }
                part.insert(key, meta, self.sequence);
                self.tokens += 1;
                None
            }
        };
        let token = |meta: Meta| Entry::Token {
            id,
            expiry: meta.expiry(),
        };
        Some(Change {
            before: before.map(token),
            after: token(meta),
        })
    }

    /// Builds shard `index` anew without what expires before `horizon`, and says how many keys that were.
    pub(super) fn sweep(&mut self, index: usize, horizon: UnixSeconds) -> usize {
        let part = &mut self.parts[index];
        let expired = part.shard.count_expired(horizon);
        if expired > 0 {
            let buckets = sizes::fitting(part.used - expired);
            part.rebuild(buckets, |meta| !meta.expires_before(horizon));
            self.tokens -= expired;
            self.grown = true;
        }
        expired
    }

    /// Visits every entry, of the batch that is being put together too.
    pub(super) fn for_each(&self, mut visit: impl FnMut(Entry)) {
        for part in &self.parts {
            part.shard.for_each(|key, meta| {
                visit(Entry::Token {
                    id: self.mixer.unmix(key),
                    expiry: part.settled(meta).expiry(),
                });
            });
        }
        for (&id, &revoked_at) in self.apps.iter() {
            visit(Entry::App { id, revoked_at });
        }
        for (&id, &revoked_at) in self.subjects.iter() {
            visit(Entry::Subject { id, revoked_at });
        }
    }

    pub(super) fn memory(&self) -> Memory {
        let moment = size_of::<(TokenId, UnixMillis)>() + 1;
        let moments = self.apps.capacity() + self.subjects.capacity();
        let parts = self.parts.iter().map(Part::heap_bytes).sum::<usize>();
        Memory {
            bytes: parts + moments * moment + self.parts.len() * size_of::<Arc<Shard>>(),
            slots: self.parts.iter().map(|part| part.shard.slots()).sum(),
            tokens: self.tokens,
        }
    }
}

impl Part {
    fn new(buckets: usize) -> Self {
        Self {
            shard: Arc::new(Shard::new(buckets)),
            used: 0,
            fresh: false,
            pending: Vec::new(),
        }
    }

    /// Fills a slot with a key that is not there.
    fn insert(&mut self, key: Mixed, meta: Meta, sequence: u64) {
        self.used += 1;
        if self.fresh {
            self.shard.insert(key, meta);
            return;
        }
        let slot = self
            .shard
            .insert(key, Meta::pending(self.pending.len(), sequence));
        self.pending.push(Pending {
            // A shard of 2^32 slots would take 90 GB.
            slot: slot as u32,
            meta,
        });
    }

    /// Raises the expiry of a key that is there. Gives back what it was, if it was less.
    ///
    /// Readers ask whether a key is there, and the expiry does not change that: it is not kept back until the batch is
    /// published.
    fn raise(&mut self, slot: usize, meta: Meta) -> Option<Meta> {
        let word = self.shard.meta(slot);
        let before = self.settled(word);
        if before >= meta {
            return None;
        }
        match word.pending_index() {
            Some(index) => self.pending[index].meta = meta,
            None => self.shard.set_meta(slot, meta),
        }
        Some(before)
    }

    /// What a slot's word will be once its batch is settled.
    fn settled(&self, word: Meta) -> Meta {
        word.pending_index()
            .map_or(word, |index| self.pending[index].meta)
    }

    fn settle(&mut self) {
        for Pending { slot, meta } in self.pending.drain(..) {
            self.shard.set_meta(slot as usize, meta);
        }
        self.pending.shrink_to(8);
    }

    /// Takes another shard for this one, with the keys that shall be kept. Readers see the old one, which stays as it is,
    /// until the next version is published.
    fn rebuild(&mut self, buckets: usize, keep: impl Fn(Meta) -> bool) {
        let shard = Shard::new(buckets);
        let mut used = 0;
        self.shard.for_each(|key, word| {
            let meta = self.settled(word);
            if keep(meta) {
                shard.insert(key, meta);
                used += 1;
            }
        });
        self.used = used;
        self.shard = Arc::new(shard);
        self.fresh = true;
        self.pending = Vec::new();
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Shard>()
            + self.shard.heap_bytes()
            + self.pending.capacity() * size_of::<Pending>()
    }
}

fn directory(parts: &[Part]) -> Directory {
    parts.iter().map(|part| Arc::clone(&part.shard)).collect()
}

/// Keys in the fullest of all shards: the mean and three times what chance adds to it.
fn per_shard(tokens: usize) -> usize {
    let mean = tokens / SHARDS;
    mean + 3 * mean.isqrt()
}

fn merge_moment(
    moments: &mut Moments,
    id: TokenId,
    revoked_at: UnixMillis,
    entry: impl Fn(UnixMillis) -> Entry,
) -> Option<Change> {
    let before = moments.get(&id).copied();
    if before.is_some_and(|before| before >= revoked_at) {
        return None;
    }
    Arc::make_mut(moments).insert(id, revoked_at);
    Some(Change {
        before: before.map(&entry),
        after: entry(revoked_at),
    })
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("version", &self.version)
            .field("sequence", &self.sequence)
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}
