//! What a walk over everything has named.

use std::collections::HashMap;

use rescind_revocation::{Entry, Merged, UnixMillis};

use super::{Key, key};

/// What a walk has named so far, beside what the set itself remembers of it: a bit for each token.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Tokens that it named with an earlier end than the one that is held.
    lesser: HashMap<Key, Entry>,
    rules: HashMap<Key, UnixMillis>,
}

impl Walk {
    /// It named an entry, which was merged into the set.
    pub(super) fn named(&mut self, entry: &Entry, merged: &Merged) {
        let key = key(entry);
        match *entry {
            Entry::Token { expiry, .. } => match merged {
                Merged::Kept { held, .. } if held == entry => drop(self.lesser.remove(&key)),
                // It was named before with all that is held.
                Merged::Kept { named: true, .. } if !self.lesser.contains_key(&key) => {}
                Merged::Kept { .. } => {
                    let lesser = self.lesser.entry(key).or_insert(*entry);
                    if matches!(lesser, Entry::Token { expiry: before, .. } if *before < expiry) {
                        *lesser = *entry;
                    }
                }
                Merged::New | Merged::Raised(_) => drop(self.lesser.remove(&key)),
            },
            Entry::App { revoked_at, .. } | Entry::Subject { revoked_at, .. } => {
                let held = self.rules.entry(key).or_insert(revoked_at);
                *held = revoked_at.max(*held);
            }
        }
    }

    /// What is held, as the walk named it; `named` is what the set remembers of it.
    pub(super) fn value_of(&self, held: &Entry, named: bool) -> Option<Entry> {
        match *held {
            Entry::Token { .. } if !named => None,
            Entry::Token { .. } => Some(self.lesser.get(&key(held)).copied().unwrap_or(*held)),
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
