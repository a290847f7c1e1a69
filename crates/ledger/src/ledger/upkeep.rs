//! What keeps the file and the memory small: the sweep drops what expired, and rows that lost entries are joined.

use std::{collections::BTreeSet, ops::RangeInclusive};

use rescind_revocation::{Digests, UnixSeconds};

use super::Ledger;
use crate::{LedgerError, codec::Encoder, groups::Groups};

/// Entries that one lock of the memory looks at or drops.
const PAGE: usize = 10_000;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// The horizon now.
    pub horizon: UnixSeconds,
    /// Tokens that were dropped.
    pub dropped: usize,
}

impl Ledger {
    /// Moves the horizon to the boundary of ten minutes at or before `horizon`, and drops the tokens that expired before
    /// it. It may go back: then what was dropped stays dropped, and what still comes from beyond is taken again.
    ///
    /// # Errors
    ///
    /// Nothing is dropped, and the horizon is where it was.
    pub fn sweep(&mut self, horizon: UnixSeconds) -> Result<Swept, LedgerError> {
        let horizon = Digests::boundary(horizon);
        let held = self.reader.horizon();
        if horizon < held {
            // What the file still holds of what was dropped must not come back with an old sequence, which every reader
            // is past.
            for run in self.groups.holding_dropped() {
                self.join(&run)?;
            }
        }
        if horizon != held {
            self.ensure_open()?;
            self.commit("write to", |store, unsaved| {
                store.set_horizon(unsaved, horizon)
            })?;
            self.reader.memory_mut().set_horizon(horizon);
        }
        Ok(Swept {
            horizon,
            dropped: if horizon > held {
                self.drop_expired(horizon)
            } else {
                0
            },
        })
    }

    /// Writes one run of rows anew that has become small or thin. Whether there was one: call it again then, now or
    /// later. It takes no longer than the commit of a group of 10 000.
    ///
    /// # Errors
    ///
    /// The rows are as they were, or as they should be: both say the same.
    pub fn tidy(&mut self) -> Result<bool, LedgerError> {
        self.ensure_open()?;
        match self.groups.next_run() {
            None => Ok(false),
            Some(run) => self.join(&run).map(|()| true),
        }
    }

    /// Puts one row in the place of those that answer for `run`, with what of them is live.
    fn join(&mut self, run: &RangeInclusive<u64>) -> Result<(), LedgerError> {
        self.ensure_open()?;
        let mut group = Encoder::new(*run.start());
        let mut live = BTreeSet::new();
        for (sequence, entry) in self.reader.memory().log.bytes(run.start() - 1, *run.end()) {
            group.push_bytes(sequence, entry);
            live.insert(sequence);
        }
        let (bytes, entries) = group.finish();
        self.commit("write to", |store, unsaved| {
            store.rewrite(unsaved, run, &live, &bytes)
        })?;
        self.groups.joined(run, entries);
        Ok(())
    }

    /// Looks through the log a page at a time, so that readers wait for no more than one.
    fn drop_expired(&mut self, horizon: UnixSeconds) -> usize {
        let mut dropped = 0;
        let mut after = Some(0);
        while let Some(from) = after {
            let (expired, next) = self.reader.memory().expired(from, horizon, PAGE);
            if !expired.is_empty() {
                self.reader.memory_mut().drop_entries(&expired);
            }
            for sequence in &expired {
                self.groups.dropped(*sequence);
            }
            dropped += expired.len();
            after = next;
        }
        dropped
    }

    /// Accounts for the rows as they stand in the file, after a write that may have failed halfway. What they hold that is
    /// not live is unknown: a row that leaves a sequence out counts as holding such an entry.
    pub(super) fn count_rows(&mut self, keys: &[RangeInclusive<u64>]) {
        let mut groups = Groups::default();
        let memory = self.reader.memory();
        for key in keys {
            let live = memory.log.count(key.start() - 1, *key.end());
            let sequences = key.end() - key.start() + 1;
            let live = u32::try_from(live).unwrap_or(u32::MAX);
            let unsure = u64::from(live) < sequences;
            groups.push_counted(key, live.saturating_add(unsure.into()), live);
        }
        groups.review();
        drop(memory);
        self.groups = groups;
    }
}
