//! Entries that count otherwise than they are held.

use std::collections::{HashMap, HashSet};

use rescind_revocation::{Entry, UnixSeconds, packed};

use super::{Key, key};

/// The exceptions, of one ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    ledger: String,
    by_key: HashMap<Key, Mark>,
}

/// One exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// What the set holds.
    pub(super) held: Entry,
    /// What the ledger named; `None` is surplus.
    pub(super) named: Option<Entry>,
}

impl Marks {
    pub(super) fn ledger(&self) -> &str {
        &self.ledger
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn surplus(&self) -> usize {
        let marks = self.by_key.values();
        marks.filter(|mark| mark.named.is_none()).count()
    }

    /// Goes over to another ledger: there are no marks in it. Returns those that were.
    pub(super) fn enter(&mut self, ledger: &str) -> Vec<Mark> {
        self.ledger = ledger.to_owned();
        self.by_key.drain().map(|(_, mark)| mark).collect()
    }

    /// The ledger names an entry: what a marked one counted as before, and as what from now on.
    pub(super) fn named(&mut self, key: Key, entry: &Entry) -> Option<(Option<Entry>, Entry)> {
        let mark = self.by_key.get_mut(&key)?;
        let before = mark.named;
        let after = before.map_or(*entry, |before| union(&before, entry));
        mark.named = Some(after);
        mark.held = union(&mark.held, entry);
        Some((before, after))
    }

    /// Drops those of `keys` that count as they are held. Whether there were any.
    pub(super) fn settle(&mut self, keys: &HashSet<Key>) -> bool {
        let before = self.by_key.len();
        for key in keys {
            if self
                .by_key
                .get(key)
                .is_some_and(|mark| mark.named == Some(mark.held))
            {
                self.by_key.remove(key);
            }
        }
        self.by_key.len() != before
    }

    /// Marks an entry.
    pub(super) fn insert(&mut self, key: Key, held: Entry, named: Option<Entry>) {
        self.by_key.insert(key, Mark { held, named });
    }

    /// Leaves none, in the same ledger. Returns those that were.
    pub(super) fn take(&mut self) -> Self {
        Self {
            ledger: self.ledger.clone(),
            by_key: std::mem::take(&mut self.by_key),
        }
    }

    pub(super) fn differ(&self, other: &Self) -> bool {
        self.by_key != other.by_key
    }

    /// What an entry that is held counts as.
    pub(super) fn value_of(&self, held: &Entry) -> Option<Entry> {
        match self.by_key.is_empty() {
            true => Some(*held),
            false => self
                .by_key
                .get(&key(held))
                .map_or(Some(*held), |mark| mark.named),
        }
    }

    /// Drops those whose entries are gone. Whether there were any.
    pub(super) fn sweep(&mut self, is_gone: impl Fn(&Entry) -> bool) -> bool {
        let before = self.by_key.len();
        self.by_key.retain(|_, mark| !is_gone(&mark.held));
        self.by_key.len() != before
    }

    /// As bytes: the ledger, then what is held of all, then what was named of some, packed.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let held = packed::encode(self.by_key.values().map(|mark| &mark.held));
        let named = packed::encode(self.by_key.values().filter_map(|m| m.named.as_ref()));
        let mut bytes = Vec::new();
        for part in [self.ledger.as_bytes(), &held, &named] {
            let length = u32::try_from(part.len()).unwrap_or(0);
            bytes.extend(length.to_be_bytes());
            bytes.extend(&part[..length as usize]);
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote; from anything else, none: a walk finds them again.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or_default()
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut part = || {
            let (length, rest) = bytes.split_first_chunk()?;
            let length = u32::from_be_bytes(*length) as usize;
            let (part, rest) = rest.split_at_checked(length)?;
            bytes = rest;
            Some(part)
        };
        let (ledger, held, named) = (part()?, part()?, part()?);
        let entries = |part| packed::decode(part, UnixSeconds(0)).ok();
        let mut marks = Self {
            ledger: std::str::from_utf8(ledger).ok()?.to_owned(),
            by_key: HashMap::new(),
        };
        for held in entries(held)? {
            marks.by_key.insert(key(&held), Mark { held, named: None });
        }
        for named in entries(named)? {
            marks.by_key.get_mut(&key(&named))?.named = Some(named);
        }
        Some(marks)
    }
}

/// Of two entries for one thing, the one that says more.
fn union(one: &Entry, other: &Entry) -> Entry {
    let later = match (one, other) {
        (Entry::Token { expiry: one, .. }, Entry::Token { expiry: other, .. }) => other > one,
        (
            Entry::App {
                revoked_at: one, ..
            },
            Entry::App {
                revoked_at: other, ..
            },
        )
        | (
            Entry::Subject {
                revoked_at: one, ..
            },
            Entry::Subject {
                revoked_at: other, ..
            },
        ) => other > one,
        _ => false,
    };
    if later { *other } else { *one }
}
