//! Credentials whose signature was verified before, so that it need not be done again.
//!
//! What is remembered is that a signature was good under one set of keys, and what the text says of names and times: no
//! decision. Revocation is asked before, and time is looked at after, each time. A credential is known by the SHA-256 of its
//! whole text with its kind and the revision of the keys, so nothing of it is kept that could be used in its place, another
//! text with the same `jti` is another credential, and keys that change forget everything.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest::{Context, SHA256};
use rescind_revocation::UnixSeconds;

use crate::{CredentialKind, facts::Facts};

/// Credentials that share a lock, and may take each other's place.
const WAYS: usize = 8;

/// A bounded number of credentials.
pub struct VerifiedTokens {
    sets: Box<[Mutex<Ways>]>,
}

/// What a credential is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

struct Known {
    fingerprint: Fingerprint,
    facts: Arc<Facts>,
    /// The last second in which it is worth anything, with the skew.
    until: u64,
}

#[derive(Default)]
struct Ways {
    known: [Option<Known>; WAYS],
    /// Which one goes next where none has expired.
    next: usize,
}

impl VerifiedTokens {
    /// Room for at least `capacity` credentials: 48 bytes each, taken at once, and some 350 more for each that is known.
    pub fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS).max(1);
        Self {
            sets: (0..sets).map(|_| Mutex::default()).collect(),
        }
    }

    /// How many credentials have room.
    pub fn capacity(&self) -> usize {
        self.sets.len() * WAYS
    }

    /// What is known of a credential, if its signature is known to be good.
    pub(crate) fn get(&self, fingerprint: &Fingerprint, now: UnixSeconds) -> Option<Arc<Facts>> {
        let ways = self.ways(fingerprint);
        let mut known = ways.known.iter().flatten();
        let is_it = |known: &&Known| known.fingerprint == *fingerprint && known.until > now.0;
        known.find(is_it).map(|known| Arc::clone(&known.facts))
    }

    /// Remembers a credential, for one that has expired, else for the one that has been there longest.
    pub(crate) fn insert(
        &self,
        fingerprint: Fingerprint,
        facts: Arc<Facts>,
        until: u64,
        now: UnixSeconds,
    ) {
        if !facts.are_small() {
            return;
        }
        let mut ways = self.ways(&fingerprint);
        let is_free = |known: &Option<Known>| {
            known
                .as_ref()
                .is_none_or(|known| known.until <= now.0 || known.fingerprint == fingerprint)
        };
        let at = ways.known.iter().position(is_free).unwrap_or_else(|| {
            ways.next = (ways.next + 1) % WAYS;
            ways.next
        });
        ways.known[at] = Some(Known {
            fingerprint,
            facts,
            until,
        });
    }

    fn ways(&self, fingerprint: &Fingerprint) -> std::sync::MutexGuard<'_, Ways> {
        let bits = fingerprint.0.first_chunk().copied().map(u64::from_le_bytes);
        let at = bits.unwrap_or(0) % self.sets.len() as u64;
        // Each slot is written in one step: a panic elsewhere cannot have left one half done.
        self.sets[at as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

impl Fingerprint {
    pub(crate) fn of(kind: CredentialKind, revision: u64, text: &str) -> Self {
        let mut context = Context::new(&SHA256);
        let mut prefix = [kind as u8; 9];
        prefix[1..].copy_from_slice(&revision.to_le_bytes());
        context.update(&prefix);
        context.update(text.as_bytes());
        let digest = context.finish();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CredentialKind::{ApiKey, Bearer};

    const NOW: UnixSeconds = UnixSeconds(100);

    impl VerifiedTokens {
        fn contains(&self, fingerprint: &Fingerprint, now: UnixSeconds) -> bool {
            self.get(fingerprint, now).is_some()
        }

        fn remember(&self, fingerprint: Fingerprint, until: u64, now: UnixSeconds) {
            self.insert(fingerprint, Arc::default(), until, now);
        }
    }

    #[test]
    fn a_credential_is_known_by_text_kind_and_keys() {
        let tokens = VerifiedTokens::new(100);
        tokens.remember(Fingerprint::of(Bearer, 1, "a.b.c"), 200, NOW);
        for (kind, revision, text, known) in [
            (Bearer, 1, "a.b.c", true),
            (Bearer, 2, "a.b.c", false),
            (ApiKey, 1, "a.b.c", false),
            (Bearer, 1, "a.b.d", false),
            (Bearer, 1, "a.b.c=", false),
        ] {
            let fingerprint = Fingerprint::of(kind, revision, text);
            assert_eq!(tokens.contains(&fingerprint, NOW), known, "{text}");
        }
    }

    #[test]
    fn it_is_forgotten_when_it_expires() {
        let tokens = VerifiedTokens::new(1);
        let fingerprint = Fingerprint::of(Bearer, 1, "a.b.c");
        tokens.remember(fingerprint, 101, NOW);
        assert!(tokens.contains(&fingerprint, NOW));
        assert!(!tokens.contains(&fingerprint, UnixSeconds(101)));
    }

    #[test]
    fn there_is_never_more_than_has_room_and_the_oldest_go_first() {
        let tokens = VerifiedTokens::new(8);
        assert_eq!(tokens.capacity(), 8);
        let fingerprint = |n: usize| Fingerprint::of(Bearer, 1, &n.to_string());
        for n in 0..100 {
            tokens.remember(fingerprint(n), 200, NOW);
            tokens.remember(fingerprint(n), 200, NOW);
            assert!(tokens.contains(&fingerprint(n), NOW));
        }
        let known = (0..100).filter(|n| tokens.contains(&fingerprint(*n), NOW));
        assert_eq!(known.collect::<Vec<_>>().len(), 8);
        // What has expired makes room before what has not.
        let tokens = VerifiedTokens::new(8);
        tokens.remember(fingerprint(0), 200, NOW);
        tokens.remember(fingerprint(1), 101, NOW);
        for n in 2..9 {
            tokens.remember(fingerprint(n), 200, UnixSeconds(150));
        }
        assert!(tokens.contains(&fingerprint(0), UnixSeconds(150)));
    }
}
