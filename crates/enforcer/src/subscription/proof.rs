//! Does this enforcer hold exactly what its adapter holds? Digests are kept beside the set and compared at checkpoints.
//!
//! An enforcer that was with several adapters may hold more than the present one: what the present *ledger* did not name is
//! *surplus*, what it named with less is an entry that counts with what this ledger gave it. Both are *marks*: exceptions
//! from "what is held is what was named", found by a walk over everything and kept until the ledger changes or names the
//! entry again. Surplus is enforced like the rest; it is left out of the comparison alone.
//!
//! Nothing here gates anything: a difference is shown, and mended by a walk.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher as _,
};

use rescind_revocation::{
    Change, Digest, Digests, Entry, Expiry, Kind, RevokedSet, TokenId, UnixMillis, UnixSeconds,
};
use rescind_xds::client::Checkpoint;

pub(super) use marks::Marks;

mod marks;

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
    /// There is nothing to compare now: a walk is under way.
    Walking,
}

/// The digests of what is held, as the present ledger named it.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// `None` until they are needed: they cost a look at every entry.
    digests: Option<Digests>,
    marks: Marks,
    walk: Option<Walk>,
    diverged: Option<Diverged>,
}

#[derive(Debug, Clone, Copy)]
struct Diverged {
    since: u64,
    /// When a walk may be asked for, and how long after it the next.
    retry_at: u64,
    wait: u64,
}

/// What a walk has named so far. A token takes 16 bytes and its slot.
#[derive(Debug, Default)]
struct Walk {
    hasher: RandomState,
    tokens: HashMap<u64, u32>,
    rules: HashMap<Key, UnixMillis>,
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
    pub(super) fn enter(&mut self, ledger: &str) -> bool {
        if self.marks.ledger() == ledger {
            return false;
        }
        let dropped = self.marks.enter(ledger);
        if let Some(digests) = &mut self.digests {
            for mark in dropped {
                digests.replace(mark.named.as_ref(), &mark.held);
            }
        }
        self.walk = None;
        self.diverged = None;
        true
    }

    /// The stream is gone, and a walk over it with it.
    pub(super) fn lost(&mut self) {
        self.walk = None;
    }

    /// A walk over everything begins; `entries` are expected.
    pub(super) fn walk_begins(&mut self, entries: usize) {
        let mut walk = Walk::default();
        walk.tokens.reserve(entries);
        self.walk = Some(walk);
    }

    /// An update of the present ledger is about to be applied.
    pub(super) fn named(&mut self, entries: &[Entry]) -> Batch {
        let mut batch = Batch::default();
        if let Some(walk) = &mut self.walk {
            entries.iter().for_each(|entry| walk.named(entry));
        }
        if self.marks.is_empty() {
            return batch;
        }
        for entry in entries {
            let key = key(entry);
            if let Some((before, after)) = self.marks.named(key, entry) {
                batch.marked.insert(key);
                if let Some(digests) = &mut self.digests {
                    digests.replace(before.as_ref(), &after);
                }
            }
        }
        batch
    }

    /// The set has changed by that update.
    pub(super) fn changed(&mut self, batch: &Batch, change: &Change) {
        if !batch.marked.is_empty() && batch.marked.contains(&key(&change.after)) {
            return;
        }
        if let Some(digests) = &mut self.digests {
            digests.replace(change.before.as_ref(), &change.after);
        }
    }

    /// The update was applied. Entries that count as they are held need no mark.
    pub(super) fn applied(&mut self, batch: &Batch) -> bool {
        !batch.marked.is_empty() && self.marks.settle(&batch.marked)
    }

    /// The walk has named everything: what is held beside it is marked. Whether there are other marks now.
    pub(super) fn walk_ends(&mut self, set: &RevokedSet, horizon: UnixSeconds) -> bool {
        let Some(walk) = self.walk.take() else {
            return false;
        };
        let mut digests = Digests::new();
        let mut found = Vec::new();
        set.for_each(|held| {
            let named = walk.value_of(&held);
            match named {
                Some(named) if named == held => digests.insert(&held),
                Some(named) => {
                    digests.insert(&named);
                    found.push((held, Some(named)));
                }
                None if is_before(&held, horizon) => {}
                None => found.push((held, None)),
            }
        });
        self.digests = Some(digests);
        self.marks.replace(found)
    }

    /// Tokens that expired before were dropped from the set.
    pub(super) fn swept(&mut self, horizon: UnixSeconds) -> bool {
        if let Some(digests) = &mut self.digests {
            digests.drop_before(horizon);
        }
        self.marks.sweep(|held| is_before(held, horizon))
    }

    /// Compares with what the adapter says, at `now` by the boot clock in milliseconds.
    pub(super) fn compare(&mut self, said: &Checkpoint, set: &RevokedSet, now: u64) -> Verdict {
        if self.walk.is_some() {
            return Verdict::Walking;
        }
        let marks = &self.marks;
        let digests = self.digests.get_or_insert_with(|| marks.digests_of(set));
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

impl Walk {
    fn named(&mut self, entry: &Entry) {
        match *entry {
            Entry::Token { id, expiry } => {
                let key = self.hasher.hash_one(id);
                let expiry = code(expiry);
                let held = self.tokens.entry(key).or_insert(expiry);
                *held = expiry.max(*held);
            }
            Entry::App { revoked_at, .. } | Entry::Subject { revoked_at, .. } => {
                let held = self.rules.entry(key(entry)).or_insert(revoked_at);
                *held = revoked_at.max(*held);
            }
        }
    }

    /// The entry as the walk named it.
    fn value_of(&self, held: &Entry) -> Option<Entry> {
        match *held {
            Entry::Token { id, .. } => {
                let expiry = *self.tokens.get(&self.hasher.hash_one(id))?;
                Some(Entry::Token {
                    id,
                    expiry: expiry_of(expiry),
                })
            }
            Entry::App { id, .. } => {
                let revoked_at = *self.rules.get(&key(held))?;
                Some(Entry::App { id, revoked_at })
            }
            Entry::Subject { id, .. } => {
                let revoked_at = *self.rules.get(&key(held))?;
                Some(Entry::Subject { id, revoked_at })
            }
        }
    }
}

fn key(entry: &Entry) -> Key {
    (entry.kind(), entry.id())
}

fn is_before(entry: &Entry, horizon: UnixSeconds) -> bool {
    matches!(entry, Entry::Token { expiry, .. } if *expiry < Expiry::Known(horizon))
}

const UNKNOWN: u32 = 0xffff_fffe;
const NEVER: u32 = 0xffff_ffff;

/// An expiry in four bytes, in the same order.
fn code(expiry: Expiry) -> u32 {
    match expiry.capped() {
        Expiry::Known(UnixSeconds(at)) => u32::try_from(at).unwrap_or(NEVER),
        Expiry::Unknown => UNKNOWN,
        Expiry::Never => NEVER,
    }
}

fn expiry_of(code: u32) -> Expiry {
    match code {
        UNKNOWN => Expiry::Unknown,
        NEVER => Expiry::Never,
        at => Expiry::Known(UnixSeconds(at.into())),
    }
}

#[cfg(test)]
mod tests;
