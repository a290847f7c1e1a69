//! The live entries in memory: in sequence order, with an index by what they name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rescind_revocation::{Kind, Revocation, TokenId};

use crate::{Cursor, epochs::Epochs};

/// What readers see. Everything in it is durable.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) log: BTreeMap<u64, Arc<Revocation>>,
    index: HashMap<(Kind, TokenId), u64>,
    head: u64,
    pub(crate) epochs: Epochs,
    pub(crate) complete: bool,
}

impl Memory {
    pub(crate) fn new(
        entries: Vec<(u64, Revocation)>,
        head: u64,
        epochs: Epochs,
        complete: bool,
    ) -> Self {
        let mut memory = Self {
            log: BTreeMap::new(),
            index: HashMap::with_capacity(entries.len()),
            head: 0,
            epochs,
            complete,
        };
        memory.merge(entries, head);
        memory
    }

    pub(crate) fn head(&self) -> Cursor {
        Cursor {
            sequence: self.head,
            epoch: self.epochs.current().epoch,
        }
    }

    pub(crate) fn find(&self, key: (Kind, TokenId)) -> Option<(u64, &Arc<Revocation>)> {
        let sequence = *self.index.get(&key)?;
        self.log.get(&sequence).map(|entry| (sequence, entry))
    }

    /// What of `group` says more than what is held, in order; of several entries for one thing the one that says most.
    pub(crate) fn changes(&self, group: &[Revocation]) -> Vec<Revocation> {
        let mut changes: Vec<Revocation> = Vec::new();
        let mut places = HashMap::new();
        for revocation in group {
            let key = key(revocation);
            match places.get(&key) {
                Some(place) => {
                    let change: &mut Revocation = &mut changes[*place];
                    if says_more(revocation, change) {
                        change.clone_from(revocation);
                    }
                }
                None if self
                    .find(key)
                    .is_none_or(|(_, held)| says_more(revocation, held)) =>
                {
                    places.insert(key, changes.len());
                    changes.push(revocation.clone());
                }
                None => {}
            }
        }
        changes
    }

    /// Takes in what is durable by now, and moves the head. An entry for what is already held supersedes it.
    pub(crate) fn merge(&mut self, entries: Vec<(u64, Revocation)>, head: u64) {
        for (sequence, revocation) in entries {
            let superseded = self.index.insert(key(&revocation), sequence);
            if let Some(superseded) = superseded {
                self.log.remove(&superseded);
            }
            self.log.insert(sequence, Arc::new(revocation));
        }
        self.head = self.head.max(head);
    }
}

fn key(revocation: &Revocation) -> (Kind, TokenId) {
    (revocation.kind(), revocation.identifier().id())
}

/// Whether `new` says more than `held` about the same thing: a later expiry, or a later moment of revocation.
fn says_more(new: &Revocation, held: &Revocation) -> bool {
    match (new, held) {
        (Revocation::Token { expiry: new, .. }, Revocation::Token { expiry: held, .. }) => {
            new > held
        }
        (
            Revocation::App {
                revoked_at: new, ..
            },
            Revocation::App {
                revoked_at: held, ..
            },
        )
        | (
            Revocation::Subject {
                revoked_at: new, ..
            },
            Revocation::Subject {
                revoked_at: held, ..
            },
        ) => new > held,
        _ => unreachable!("entries of one key have one kind"),
    }
}
