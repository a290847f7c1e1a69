//! What readers see: the live entries, their digests, and what is known of the ledger as a whole. Everything in it is
//! durable.

use std::{collections::HashMap, sync::OnceLock};

use rescind_revocation::{Digest, Digests, Expiry, Revocation, UnixMillis, UnixSeconds};

use crate::{
    Cursor,
    codec::{EntryRef, Value},
    epochs::Epochs,
    log::{Key, Log},
};

/// What readers see.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) log: Log,
    digests: Digests,
    /// Their sum, once somebody has asked: every stream asks after each change, and there may be thousands of buckets.
    sum: OnceLock<(Digest, u64)>,
    head: u64,
    pub(crate) epochs: Epochs,
    pub(crate) complete: bool,
    pub(crate) source_good_at: Option<UnixMillis>,
    horizon: UnixSeconds,
}

impl Memory {
    /// `digests` are those of `log`.
    pub(crate) fn new(log: Log, digests: Digests, head: u64, epochs: Epochs) -> Self {
        Self {
            log,
            digests,
            sum: OnceLock::new(),
            head,
            epochs,
            complete: false,
            source_good_at: None,
            horizon: UnixSeconds(0),
        }
    }

    pub(crate) fn head(&self) -> Cursor {
        Cursor {
            sequence: self.head,
            epoch: self.epochs.current().epoch,
        }
    }

    /// Before this expiry entries were dropped.
    pub(crate) fn horizon(&self) -> UnixSeconds {
        self.horizon
    }

    /// The digest of what is live from `horizon` on, and how many entries that is. It is not before this ledger's own.
    pub(crate) fn digest(&self, horizon: UnixSeconds) -> (Digest, u64) {
        if horizon == self.horizon {
            return *self.sum.get_or_init(|| self.digests.from(horizon));
        }
        self.digests.from(horizon)
    }

    /// What of `group` says more than what is held, in order; of several entries for one thing their union. A token that
    /// expired before the horizon says nothing.
    pub(crate) fn changes(&self, group: &[Revocation]) -> Vec<Revocation> {
        let mut changes: Vec<Revocation> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        for revocation in group {
            if is_before(revocation, self.horizon) {
                continue;
            }
            let key = (revocation.kind(), revocation.identifier().id());
            if let Some(place) = places.get(&key) {
                if let Some(union) = revocation.over(&changes[*place]) {
                    changes[*place] = union;
                }
                continue;
            }
            let change = match self.log.find(key) {
                Some((_, held)) => over(revocation, &held),
                None => Some(revocation.clone()),
            };
            if let Some(change) = change {
                places.insert(key, changes.len());
                changes.push(change);
            }
        }
        changes
    }

    /// Takes in what is durable by now, and moves the head. `superseded` is told each sequence that is live no more.
    pub(crate) fn merge(
        &mut self,
        entries: &[(u64, Revocation)],
        head: u64,
        mut superseded: impl FnMut(u64),
    ) {
        for (sequence, revocation) in entries {
            let before = self.log.push(*sequence, revocation);
            let entry = before.as_ref().map(|before| &before.entry);
            self.digests.replace(entry, &revocation.entry());
            if let Some(before) = before {
                superseded(before.sequence);
            }
        }
        self.head = self.head.max(head);
        self.sum = OnceLock::new();
    }

    /// Moves the horizon. The digests follow at once, the entries by [`drop`](Self::drop_entries).
    pub(crate) fn set_horizon(&mut self, horizon: UnixSeconds) {
        self.horizon = horizon;
        self.digests.drop_before(horizon);
        self.sum = OnceLock::new();
    }

    /// The tokens after `after` that expired before `horizon`: of at most `scanned` entries, and how far that reached;
    /// `None` where it reached the end.
    pub(crate) fn expired(
        &self,
        after: u64,
        horizon: UnixSeconds,
        scanned: usize,
    ) -> (Vec<u64>, Option<u64>) {
        let mut expired = Vec::new();
        let mut last = None;
        let mut entries = self.log.range(after, u64::MAX);
        for (sequence, entry) in entries.by_ref().take(scanned) {
            if entry
                .expiry()
                .is_some_and(|expiry| expiry < Expiry::Known(horizon))
            {
                expired.push(sequence);
            }
            last = Some(sequence);
        }
        let more = entries.next().is_some();
        (expired, last.filter(|_| more))
    }

    /// Drops entries that lie before the horizon.
    pub(crate) fn drop_entries(&mut self, sequences: &[u64]) {
        for sequence in sequences {
            self.log.remove(*sequence);
        }
    }
}

/// Whether it is a token that expired before `horizon`.
fn is_before(revocation: &Revocation, horizon: UnixSeconds) -> bool {
    match revocation {
        Revocation::Token { expiry, .. } => *expiry < Expiry::Known(horizon),
        Revocation::App { .. } | Revocation::Subject { .. } => false,
    }
}

/// The union of both, where `new` says something new. The usual case, a token that is held already, copies nothing.
fn over(new: &Revocation, held: &EntryRef<'_>) -> Option<Revocation> {
    match (new, held.value) {
        (Revocation::Token { expiry, .. }, Value::Token(held)) if *expiry <= held => None,
        _ => new.over(&held.revocation()),
    }
}
