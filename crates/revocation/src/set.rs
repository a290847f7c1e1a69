//! The set that a gateway asks: published a batch at a time, each with the version it brings.
//!
//! One writer applies batches; any number of readers ask. A reader holds one version for all its questions: it sees the
//! whole of a batch or nothing of it.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::{Arc, PoisonError, RwLock},
};

use crate::{Entry, Expiry, TokenId, UnixMillis};

/// What is revoked, shared between one writer and its readers.
#[derive(Debug, Default)]
pub struct RevokedSet {
    published: RwLock<View>,
}

/// One version of the set.
#[derive(Debug, Default)]
pub struct View {
    version: Arc<str>,
    tokens: HashMap<TokenId, Expiry>,
    apps: HashMap<TokenId, UnixMillis>,
    subjects: HashMap<TokenId, UnixMillis>,
}

/// What a batch changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Entries that were not in the set before, or say more than before.
    pub changed: usize,
    /// Entries in the set now.
    pub total: usize,
}

impl RevokedSet {
    /// An empty set without a version.
    pub fn new() -> Self {
        Self::default()
    }

    /// Merges `batch` and publishes it together with `version`, in one step.
    ///
    /// The merge is a union: of two entries for one thing the later expiry, or the later moment of revocation, stays. An
    /// entry is never taken out, so the order of batches does not matter to what the set holds.
    pub fn apply(&self, batch: &[Entry], version: &str) -> Applied {
        let mut view = self
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = batch.iter().filter(|entry| view.merge(entry)).count();
        view.version = version.into();
        Applied {
            changed,
            total: view.len(),
        }
    }

    /// Answers any number of questions from one version.
    ///
    /// Keep `ask` short and free of effects: it may run again where a batch is published meanwhile.
    pub fn read<R>(&self, ask: impl Fn(&View) -> R) -> R {
        ask(&self
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

impl View {
    /// The version that the newest batch brought; empty before the first.
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Whether this token is revoked. Presence decides: no clock is read.
    pub fn has_token(&self, id: TokenId) -> bool {
        self.tokens.contains_key(&id)
    }

    /// When the application with this consumer key was revoked last.
    pub fn app_revoked_at(&self, id: TokenId) -> Option<UnixMillis> {
        self.apps.get(&id).copied()
    }

    /// When the subject with this entity id was revoked last.
    pub fn subject_revoked_at(&self, id: TokenId) -> Option<UnixMillis> {
        self.subjects.get(&id).copied()
    }

    /// How many things are revoked.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.apps.len() + self.subjects.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn merge(&mut self, entry: &Entry) -> bool {
        match *entry {
            Entry::Token { id, expiry } => keep_later(&mut self.tokens, id, expiry),
            Entry::App { id, revoked_at } => keep_later(&mut self.apps, id, revoked_at),
            Entry::Subject { id, revoked_at } => keep_later(&mut self.subjects, id, revoked_at),
        }
    }
}

fn keep_later<T: Ord>(map: &mut HashMap<TokenId, T>, id: TokenId, value: T) -> bool {
    match map.entry(id) {
        Slot::Vacant(slot) => {
            slot.insert(value);
            true
        }
        Slot::Occupied(mut slot) if *slot.get() < value => {
            slot.insert(value);
            true
        }
        Slot::Occupied(_) => false,
    }
}

#[cfg(test)]
mod tests;
