//! The set that a gateway asks: published a batch at a time, each with the version it brings.
//!
//! One writer applies batches; any number of readers ask. A reader holds one version for all its questions: it sees the
//! whole of a batch or nothing of it. It never waits for the writer, and the writer never waits for it.
//!
//! # How a batch is published
//!
//! Tokens stand in one table that is changed in place. The keys of a batch go into free slots, marked *pending*: they
//! carry the parity of the batch's sequence, and a reader of another version passes over them. One store, of the pointer
//! to a new [`View`], publishes them all together with apps, subjects and version. A shard that is full is built anew
//! beside the old one, and becomes visible by the same store.
//!
//! Before the next batch the marks of the last one are taken off. From then on a reader that still holds the version
//! *before* it could be misled, so the writer first raises `floor`, the oldest sequence that can be read. A reader looks
//! at the floor when it has its answer, and asks again if its version has sunk below:
//!
//! ```text
//! writer   floor = n;  release fence;  take marks off n, write batch n + 1 (relaxed);  publish view n + 1
//! reader   load view n (acquire);  ask (relaxed);  acquire fence;  floor > n ? again : done
//! ```
//!
//! The two fences are what makes it right: a reader that saw any word written after `floor = n` also sees that floor. It
//! asks again only if a batch was published *and* the next one begun meanwhile, so each repetition stands for progress of
//! the writer. The models in `tests/loom` check this under all orders that the memory model allows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Entry, UnixSeconds};

mod load;
mod meta;
mod mix;
mod part;
mod shard;
mod sizes;
mod sync;
mod tags;
mod view;
mod writer;

pub use load::{Loader, Placement};
pub use view::View;

use sync::{AtomicU64, Ordering, Published, fence};
use writer::{PARTS, Writer};

/// What is revoked, shared between one writer and its readers.
#[derive(Debug)]
pub struct RevokedSet {
    published: Published<View>,
    /// The oldest sequence whose view can still be read; see the module's description.
    floor: AtomicU64,
    writer: Mutex<Writer>,
}

/// What a batch changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Entries that were not in the set before, or say more than before.
    pub changed: usize,
    /// Entries in the set now.
    pub total: usize,
}

/// One entry that a batch brought in, and what it took the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What the set held for the same thing.
    pub before: Option<Entry>,
    /// What it holds now, with its expiry [capped](crate::Expiry::capped).
    pub after: Entry,
}

/// What came of one entry of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// It was not in the set.
    New,
    /// It was there with this, which said less.
    Raised(Entry),
    /// It says no more than what is held.
    Kept {
        /// That.
        held: Entry,
        /// Whether a batch had named it before, since [`RevokedSet::begin_naming`]. Apps and subjects always count as named.
        named: bool,
    },
}

/// What came of sweeping a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Tokens that were in it.
    pub looked_at: usize,
    /// Those that were taken out.
    pub swept: usize,
}

/// What a set takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes on the heap, without what the allocator adds.
    pub bytes: usize,
    /// Slots for tokens. A shard grows when 98.4 % of its own are taken.
    pub slots: usize,
    /// Tokens in it.
    pub tokens: usize,
}

impl RevokedSet {
    /// An empty set without a version.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty set without a version, with room for so many tokens: chance may still let one shard of it grow.
    pub fn with_capacity(tokens: usize) -> Self {
        Self::of(Writer::new(tokens))
    }

    fn of(writer: Writer) -> Self {
        Self {
            published: Published::new(Arc::new(writer.view())),
            floor: AtomicU64::new(0),
            writer: Mutex::new(writer),
        }
    }

    /// Merges `batch` and publishes it together with `version`, in one step.
    ///
    /// The merge is a union: of two entries for one thing the later expiry, or the later moment of revocation, stays. An
    /// entry is never taken out, so the order of batches does not matter to what the set holds.
    pub fn apply(&self, batch: &[Entry], version: &str) -> Applied {
        self.apply_observed(batch.iter().copied(), version, |_| ())
    }

    /// As [`Self::apply`]; `observe` is told each change before the batch is published, so that digests can follow.
    ///
    /// If it panics, what it was told of is published with the next batch.
    pub fn apply_observed(
        &self,
        batch: impl IntoIterator<Item = Entry>,
        version: &str,
        mut observe: impl FnMut(Change),
    ) -> Applied {
        self.apply_each(batch, version, |after, merged| match merged {
            Merged::New => observe(Change {
                before: None,
                after,
            }),
            Merged::Raised(before) => observe(Change {
                before: Some(before),
                after,
            }),
            Merged::Kept { .. } => {}
        })
    }

    /// As [`Self::apply`]; `observe` is told of each entry, with its expiry [capped](crate::Expiry::capped), before the
    /// batch is published. If it panics, what it was told of is published with the next batch.
    pub fn apply_each(
        &self,
        batch: impl IntoIterator<Item = Entry>,
        version: &str,
        mut observe: impl FnMut(Entry, Merged),
    ) -> Applied {
        let mut writer = self.begin();
        let mut changed = 0;
        for entry in batch {
            let (entry, merged) = writer.merge(&entry);
            changed += usize::from(!matches!(merged, Merged::Kept { .. }));
            observe(entry, merged);
        }
        self.publish(&mut writer, Some(version.into()));
        Applied {
            changed,
            total: writer.len(),
        }
    }

    /// Takes out the tokens whose known expiry is before `horizon`, and says how many they were. The version stays.
    pub fn sweep(&self, horizon: UnixSeconds) -> usize {
        (0..PARTS)
            .map(|part| self.sweep_part(part, horizon).swept)
            .sum()
    }

    /// [Sweeps](Self::sweep) one part of the set, so that who has more to do can go on in between.
    ///
    /// Each part is published by itself, so that at no time two of them are held twice.
    ///
    /// # Panics
    ///
    /// Where `part` is not below [`Self::PARTS`].
    pub fn sweep_part(&self, part: usize, horizon: UnixSeconds) -> Swept {
        assert!(part < PARTS, "there is no such part");
        let mut writer = self.begin();
        let looked_at = writer.tokens_in(part);
        let swept = writer.sweep(part, horizon);
        if swept > 0 {
            self.publish(&mut writer, None);
        }
        // Else the batch that was begun has nothing in it and is left to the next one.
        Swept { looked_at, swept }
    }

    /// Answers any number of questions from one version.
    ///
    /// Keep `ask` short and free of effects: it may run again where batches are published meanwhile, and what it was
    /// answered before that may be wrong and is thrown away.
    #[inline]
    pub fn read<R>(&self, ask: impl Fn(&View) -> R) -> R {
        loop {
            let view = self.published.load();
            let answer = ask(&view);
            // Whoever has seen a word that was written after the floor was raised, sees that floor below.
            fence(Ordering::Acquire);
            if self.floor.load(Ordering::Relaxed) <= view.sequence {
                return answer;
            }
            // And whoever asks again because of a floor, finds the view that it stands for or a newer one.
            fence(Ordering::Acquire);
        }
    }

    /// How many parts the set can be visited in.
    pub const PARTS: usize = PARTS;

    /// Visits every entry of one version, in no order, and returns that version. A batch that comes meanwhile waits;
    /// readers do not.
    pub fn for_each(&self, visit: impl FnMut(Entry)) -> Arc<str> {
        let writer = self.writer();
        writer.for_each(visit);
        Arc::clone(writer.version())
    }

    /// Visits the entries of one part, each with whether it was named since [`Self::begin_naming`] (`true` where nobody
    /// asked). A batch that comes meanwhile waits.
    ///
    /// An entry never changes its part. So who visits one after the other meets everything that was there when he began and
    /// was not swept since, and some of what came since.
    ///
    /// # Panics
    ///
    /// Where `part` is not below [`Self::PARTS`].
    pub fn visit_part(&self, part: usize, visit: impl FnMut(Entry, bool)) {
        assert!(part < PARTS, "there is no such part");
        self.writer().visit(part, visit);
    }

    /// From now on it is remembered which tokens a batch has named, changed or not: a bit for each slot.
    pub fn begin_naming(&self) {
        self.writer().begin_naming();
    }

    /// Forgets it.
    pub fn end_naming(&self) {
        self.writer().end_naming();
    }

    /// Where its entries have their places, for a [`Loader`] that shall be quick.
    pub fn placement(&self) -> Placement {
        Placement(self.writer().mixer())
    }

    /// What the set takes now.
    pub fn memory(&self) -> Memory {
        self.writer().memory()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> MutexGuard<'_, Writer> {
        let mut writer = self.writer();
        self.begin_next(&mut writer);
        writer
    }

    /// Begins a batch: from here on words change under readers of versions older than the one that is published.
    fn begin_next(&self, writer: &mut Writer) {
        self.floor.store(writer.published(), Ordering::Release);
        // Whoever sees a word that is written from here on, sees the floor above.
        fence(Ordering::Release);
        writer.begin();
    }

    fn publish(&self, writer: &mut Writer, version: Option<Arc<str>>) {
        let before = self.published.swap(writer.finish(version));
        writer.retire(before);
    }
}

impl Default for RevokedSet {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(all(test, not(feature = "loom")))]
mod tests;
