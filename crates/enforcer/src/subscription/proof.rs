//! Does this enforcer hold exactly what its adapter holds? Digests are kept beside the set and compared at checkpoints.
//!
//! An enforcer that was with several adapters may hold more than the present one: what the present *ledger* did not name is
//! *surplus*, what it named with less is an entry that counts with what this ledger gave it. Both are *marks*: exceptions
//! from "what is held is what was named", found by a walk over everything and kept until the ledger changes or names the
//! entry again. Surplus is enforced like the rest; it is left out of the comparison alone.
//!
//! Nothing here gates anything: a difference is shown, and mended by a walk.

use std::collections::HashSet;

use rescind_revocation::{
    Digest, Digests, Entry, Expiry, Kind, Merged, RevokedSet, TokenId, UnixSeconds,
};
use rescind_xds::client::Checkpoint;

mod look;
mod marks;
mod walk;

use look::Look;
pub(super) use marks::Marks;
use walk::Walk;

/// How long a difference stands before everything is asked for again: what is under way may still mend it.
const STANDS: u64 = 60_000;

/// After a walk that did not mend it, the next one follows after an hour, then two, up to a day.
const FIRST_RETRY: u64 = 3_600_000;
const LAST_RETRY: u64 = 24 * 3_600_000;

/// What names an entry.
type Key = (Kind, TokenId);

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The adapter holds the same.
    Proven,
    /// It does not; `stands` once that has been so for a while.
    Diverged {
        /// It has been so for a while.
        stands: bool,
        /// Everything shall be sent again.
        walk: bool,
    },
    /// There is nothing to compare now: a walk is under way, or a look at the whole set.
    NotYet,
}

/// The digests of what is held, as the present ledger named it.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// `None` until they are needed: they cost a look at every entry.
    digests: Option<Digests>,
    marks: Marks,
    walk: Option<Walk>,
    /// What makes the digests, in steps.
    look: Option<Look>,
    diverged: Option<Diverged>,
}

#[derive(Debug, Clone, Copy)]
struct Diverged {
    since: u64,
    /// When a walk may be asked for, and how long after it the next.
    retry_at: u64,
    wait: u64,
}

/// One update, while it is applied.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Entries with a mark: what they count as is settled already.
    marked: HashSet<Key>,
}

impl Comparison {
    pub(super) fn new(marks: Marks) -> Self {
        Self {
            marks,
            ..Self::default()
        }
    }

    /// How many entries are held that the present ledger does not have.
    pub(super) fn surplus(&self) -> usize {
        self.marks.surplus()
    }

    /// The ledger that the next updates are from. Marks of another one say nothing about it.
    pub(super) fn enter(&mut self, ledger: &str, set: &RevokedSet) -> bool {
        if self.marks.ledger() == ledger {
            return false;
        }
        let dropped = self.marks.enter(ledger);
        if let Some(digests) = &mut self.digests {
            for mark in dropped {
                digests.replace(mark.named.as_ref(), &mark.held);
            }
        }
        (self.walk, self.look) = (None, None);
        set.end_naming();
        self.diverged = None;
        true
    }

    /// The stream is gone, and a walk over it with it.
    pub(super) fn lost(&mut self, set: &RevokedSet) {
        if self.walk.take().is_some() {
            set.end_naming();
        }
    }

    /// A walk over everything begins.
    pub(super) fn walk_begins(&mut self, set: &RevokedSet) {
        // A look at what another walk has named would see what this one names; what it found is found again.
        let look = self.look.take_if(|look| look.follows_a_walk());
        if let Some((_, Some(before))) = look.map(Look::finish) {
            self.marks = before;
        }
        self.walk = Some(Walk::default());
        set.begin_naming();
    }

    /// An update of the present ledger is about to be applied.
    pub(super) fn named(&mut self, entries: &[Entry]) -> Batch {
        let mut batch = Batch::default();
        if self.marks.is_empty() {
            return batch;
        }
        for entry in entries {
            let key = key(entry);
            if let Some((before, after)) = self.marks.named(key, entry) {
                batch.marked.insert(key);
                if let Some(digests) = self.digests_with(entry) {
                    digests.replace(before.as_ref(), &after);
                }
            }
        }
        batch
    }

    /// An entry of that update was merged into the set.
    pub(super) fn merged(&mut self, batch: &Batch, entry: &Entry, merged: &Merged) {
        if let Some(walk) = &mut self.walk {
            walk.named(entry, merged);
        }
        if let Some(look) = &mut self.look {
            look.named(entry, merged);
        }
        let before = match merged {
            Merged::New => None,
            Merged::Raised(before) => Some(before),
            Merged::Kept { .. } => return,
        };
        if !batch.marked.is_empty() && batch.marked.contains(&key(entry)) {
            return;
        }
        if let Some(digests) = self.digests_with(entry) {
            digests.replace(before, entry);
        }
    }

    /// The digests that count this entry already.
    fn digests_with(&mut self, entry: &Entry) -> Option<&mut Digests> {
        match &mut self.look {
            Some(look) => look.digests_with(entry),
            None => self.digests.as_mut(),
        }
    }

    /// The update was applied. Entries that count as they are held need no mark. Whether marks are to be kept anew.
    pub(super) fn applied(&mut self, batch: &Batch) -> bool {
        let settled = !batch.marked.is_empty() && self.marks.settle(&batch.marked);
        // After a look they are compared with what they were before it.
        settled && !self.look.as_ref().is_some_and(Look::follows_a_walk)
    }

    /// The walk has named everything: what is held beside it will be marked, in [steps](Self::step).
    pub(super) fn walk_ends(&mut self, set: &RevokedSet, horizon: UnixSeconds) {
        if let Some(walk) = self.walk.take() {
            let before = self.marks.take();
            self.digests = None;
            self.look = Some(Look::after(walk, horizon, before, set));
        }
    }

    /// Whether there are [steps](Self::step) to take.
    pub(super) fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Looks at the next part of the set. Whether there are other marks now.
    pub(super) fn step(&mut self, set: &RevokedSet) -> bool {
        self.step_over(set, Look::STEP)
    }

    fn step_over(&mut self, set: &RevokedSet, entries: usize) -> bool {
        let Some(look) = &mut self.look else {
            return false;
        };
        look.step(set, &mut self.marks, entries);
        let Some(look) = self.look.take_if(|look| look.is_over()) else {
            return false;
        };
        let (digests, before) = look.finish();
        self.digests = Some(digests);
        match before {
            Some(before) => {
                set.end_naming();
                self.marks.differ(&before)
            }
            None => false,
        }
    }

    /// Tokens that expired before were dropped from the set.
    pub(super) fn swept(&mut self, horizon: UnixSeconds) -> bool {
        let look = self.look.as_mut().map(Look::digests_mut);
        for digests in self.digests.iter_mut().chain(look) {
            digests.drop_before(horizon);
        }
        self.marks.sweep(|held| is_before(held, horizon))
    }

    /// Compares with what the adapter says, at `now` by the boot clock in milliseconds.
    pub(super) fn compare(&mut self, said: &Checkpoint, set: &RevokedSet, now: u64) -> Verdict {
        if self.walk.is_some() || self.look.is_some() {
            return Verdict::NotYet;
        }
        if self.digests.is_none() {
            self.look = Some(Look::at(set));
            self.step(set);
        }
        let Some(digests) = &self.digests else {
            return Verdict::NotYet;
        };
        let (digest, count) = digests.from(UnixSeconds(said.horizon));
        if (digest.to_bytes().as_slice(), count) == (&*said.digest, said.count) {
            self.diverged = None;
            return Verdict::Proven;
        }
        let diverged = self.diverged.get_or_insert(Diverged {
            since: now,
            retry_at: now + STANDS,
            wait: FIRST_RETRY,
        });
        let walk = now >= diverged.retry_at;
        if walk {
            diverged.retry_at = now + diverged.wait;
            diverged.wait = (diverged.wait * 2).min(LAST_RETRY);
        }
        Verdict::Diverged {
            stands: now >= diverged.since + STANDS,
            walk,
        }
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The digest and the count, for a log line.
    pub(super) fn shown(&self, horizon: u64) -> (Digest, u64) {
        let digests = self.digests.as_ref();
        digests.map_or_else(Default::default, |d| d.from(UnixSeconds(horizon)))
    }
}

fn key(entry: &Entry) -> Key {
    (entry.kind(), entry.id())
}

fn is_before(entry: &Entry, horizon: UnixSeconds) -> bool {
    matches!(entry, Entry::Token { expiry, .. } if *expiry < Expiry::Known(horizon))
}

#[cfg(test)]
mod tests;
