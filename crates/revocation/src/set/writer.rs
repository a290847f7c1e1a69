//! The one who changes the set: what it knows beside the table, and the steps from one version to the next.

use std::{fmt, sync::Arc};

use super::{
    Memory, Merged,
    meta::Meta,
    mix::Mixer,
    part::{Merge, Part},
    shard::{SHARDS, Shard, shard_of},
    sizes,
    view::{Directory, Moments, View},
};
use crate::{Entry, Expiry, TokenId, UnixMillis, UnixSeconds};

/// What can be visited by itself: the shards, then apps and subjects together.
pub(super) const PARTS: usize = SHARDS + 1;

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

impl Writer {
    pub(super) fn new(tokens: usize) -> Self {
        let buckets = sizes::fitting(per_shard(tokens));
        let parts = (0..SHARDS).map(|_| Part::new(buckets)).collect();
        let (apps, subjects) = (Moments::default(), Moments::default());
        Self::of(Mixer::new(), parts, apps, subjects, Arc::default())
    }

    /// With what these hold. No reader has seen any of it.
    pub(super) fn of(
        mixer: Mixer,
        mut parts: Vec<Part>,
        apps: Moments,
        subjects: Moments,
        version: Arc<str>,
    ) -> Self {
        parts.iter_mut().for_each(Part::published);
        Self {
            mixer,
            unsettled: Vec::new(),
            published: 0,
            sequence: 0,
            tokens: parts.iter().map(Part::used).sum(),
            apps,
            subjects,
            version,
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

    pub(super) fn mixer(&self) -> Mixer {
        self.mixer
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
            self.parts.iter_mut().for_each(Part::published);
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

    /// Takes in an entry, if it says more than what is there. Gives it back as it would be held, and what came of it.
    pub(super) fn merge(&mut self, entry: &Entry) -> (Entry, Merged) {
        match *entry {
            Entry::Token { id, expiry } => self.merge_token(id, expiry),
            Entry::App { id, revoked_at } => {
                let app = |revoked_at| Entry::App { id, revoked_at };
                (*entry, merge_moment(&mut self.apps, id, revoked_at, app))
            }
            Entry::Subject { id, revoked_at } => {
                let subject = |revoked_at| Entry::Subject { id, revoked_at };
                let merged = merge_moment(&mut self.subjects, id, revoked_at, subject);
                (*entry, merged)
            }
        }
    }

    fn merge_token(&mut self, id: TokenId, expiry: Expiry) -> (Entry, Merged) {
        let key = self.mixer.mix(id);
        let meta = Meta::settled(expiry);
        let index = shard_of(key);
        let part = &mut self.parts[index];
        let token = |meta: Meta| Entry::Token {
            id,
            expiry: meta.expiry(),
        };
        let merged = match part.merge(key, meta, self.sequence) {
            Merge::New {
                grown,
                first_pending,
            } => {
                self.tokens += 1;
                self.grown |= grown;
                if first_pending {
                    self.unsettled.push(index);
                }
                Merged::New
            }
            Merge::Raised(before) => Merged::Raised(token(before)),
            Merge::Kept { held, named } => Merged::Kept {
                held: token(held),
                named,
            },
        };
        (token(meta), merged)
    }

    /// Builds shard `index` anew without what expires before `horizon`, and says how many keys that were.
    /// The part behind the shards has nothing that expires.
    pub(super) fn sweep(&mut self, index: usize, horizon: UnixSeconds) -> usize {
        let part = self.parts.get_mut(index);
        let expired = part.map_or(0, |part| part.sweep(horizon));
        self.tokens -= expired;
        self.grown |= expired > 0;
        expired
    }

    /// How many tokens a part has.
    pub(super) fn tokens_in(&self, index: usize) -> usize {
        self.parts.get(index).map_or(0, Part::used)
    }

    /// From now on it is remembered which tokens were merged.
    pub(super) fn begin_naming(&mut self) {
        self.parts.iter_mut().for_each(Part::begin_naming);
    }

    pub(super) fn end_naming(&mut self) {
        self.parts.iter_mut().for_each(Part::end_naming);
    }

    /// Visits every entry, of the batch that is being put together too.
    pub(super) fn for_each(&self, mut visit: impl FnMut(Entry)) {
        for index in 0..PARTS {
            self.visit(index, |entry, _| visit(entry));
        }
    }

    /// Visits the entries of one part: a shard's, or the apps and subjects, which are the last part and count as named.
    pub(super) fn visit(&self, index: usize, mut visit: impl FnMut(Entry, bool)) {
        if let Some(part) = self.parts.get(index) {
            return part.for_each(|key, meta, named| {
                let entry = Entry::Token {
                    id: self.mixer.unmix(key),
                    expiry: meta.expiry(),
                };
                visit(entry, named);
            });
        }
        for (&id, &revoked_at) in self.apps.iter() {
            visit(Entry::App { id, revoked_at }, true);
        }
        for (&id, &revoked_at) in self.subjects.iter() {
            visit(Entry::Subject { id, revoked_at }, true);
        }
    }

    pub(super) fn memory(&self) -> Memory {
        let moment = size_of::<(TokenId, UnixMillis)>() + 1;
        let moments = self.apps.capacity() + self.subjects.capacity();
        let parts = self.parts.iter().map(Part::heap_bytes).sum::<usize>();
        Memory {
            bytes: parts + moments * moment + self.parts.len() * size_of::<Arc<Shard>>(),
            slots: self.parts.iter().map(Part::slots).sum(),
            tokens: self.tokens,
        }
    }
}

fn directory(parts: &[Part]) -> Directory {
    parts.iter().map(Part::shard).collect()
}

/// Keys in the fullest of all shards: the mean and three times what chance adds to it.
pub(super) fn per_shard(tokens: usize) -> usize {
    let mean = tokens / SHARDS;
    mean + 3 * mean.isqrt()
}

pub(super) fn merge_moment(
    moments: &mut Moments,
    id: TokenId,
    revoked_at: UnixMillis,
    entry: impl Fn(UnixMillis) -> Entry,
) -> Merged {
    let before = moments.get(&id).copied();
    match before {
        Some(held) if held >= revoked_at => {
            return Merged::Kept {
                held: entry(held),
                named: true,
            };
        }
        _ => Arc::make_mut(moments).insert(id, revoked_at),
    };
    before.map_or(Merged::New, |before| Merged::Raised(entry(before)))
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
