//! Whether a way leads back to where it began: an address that has come to mean ourselves, or two of ours that point at each
//! other. A call would go round until the places are full.
//!
//! Only probes are marked, by a list of who has sent them on; what is carried stays as it is. Who finds itself in the list
//! says so, and whoever has sent the probe on says that again, so that it comes back to where it began.

use std::{
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The list, one id for each that has sent the probe on.
const HOPS: HeaderName = HeaderName::from_static("rescind-hops");

/// Stands in the answer to a probe that has come back.
const LOOP: HeaderName = HeaderName::from_static("rescind-loop");

/// More of ours behind each other than anybody has: whatever sends a probe on beyond this goes round too.
const MOST: usize = 16;

/// Who sends probes, and what the last one has found. A clone is the same.
#[derive(Clone)]
pub struct Hops {
    shared: Arc<Shared>,
}

struct Shared {
    id: String,
    looped: AtomicBool,
}

impl Hops {
    /// Somebody whom nobody else is.
    pub fn new() -> Self {
        // Two seeds of the operating system's.
        let half = || RandomState::new().build_hasher().finish();
        Self {
            shared: Arc::new(Shared {
                id: format!("{:016x}{:016x}", half(), half()),
                looped: AtomicBool::new(false),
            }),
        }
    }

    /// Whether these are a probe's headers.
    pub fn is_probe(headers: &HeaderMap) -> bool {
        headers.contains_key(HOPS)
    }

    /// Whether the answer to a probe says that it has come back.
    pub fn is_loop(answer: &HeaderMap) -> bool {
        answer.contains_key(LOOP)
    }

    /// Says in the answer to a probe that it has come back.
    pub fn say(answer: &mut HeaderMap) {
        answer.insert(LOOP, HeaderValue::from_static("1"));
    }

    /// Whether a probe with these headers has been here, or has been sent on too often.
    pub fn has_been_here(&self, probe: &HeaderMap) -> bool {
        let mut ids = ids(probe);
        ids.clone().count() >= MOST || ids.any(|id| id == self.shared.id)
    }

    /// Marks a probe as ours: one of our own, or the one that has come with the headers `from`.
    pub fn mark(&self, probe: &mut HeaderMap, from: Option<&HeaderMap>) {
        let mut list = self.shared.id.clone();
        for id in from.into_iter().flat_map(ids) {
            list.push(',');
            list.push_str(id);
        }
        // Ids are texts of a header already.
        if let Ok(list) = HeaderValue::try_from(list) {
            probe.insert(HOPS, list);
        }
    }

    /// Whether the way is known to lead back.
    pub fn is_looped(&self) -> bool {
        self.shared.looped.load(Ordering::Relaxed)
    }

    /// What a probe of our own has found.
    pub fn found(&self, looped: bool) {
        self.shared.looped.store(looped, Ordering::Relaxed);
    }
}

impl Default for Hops {
    fn default() -> Self {
        Self::new()
    }
}

fn ids(probe: &HeaderMap) -> impl Iterator<Item = &str> + Clone {
    let list = probe.get(HOPS).and_then(|list| list.to_str().ok());
    list.into_iter().flat_map(|list| list.split(','))
}

impl fmt::Debug for Hops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hops")
            .field("id", &self.shared.id)
            .field("looped", &self.is_looped())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_to_whom_it_has_passed() {
        let (first, second, third) = (Hops::new(), Hops::new(), Hops::new());
        let (mut probe, mut further) = (HeaderMap::new(), HeaderMap::new());
        assert!(!Hops::is_probe(&probe) && !first.has_been_here(&probe));
        first.mark(&mut probe, None);
        assert!(Hops::is_probe(&probe) && first.has_been_here(&probe));
        assert!(!second.has_been_here(&probe));
        second.mark(&mut further, Some(&probe));
        assert!(first.has_been_here(&further) && second.has_been_here(&further));
        assert!(!third.has_been_here(&further));
    }

    #[test]
    fn one_that_was_sent_on_too_often_goes_nowhere() {
        let mut probe = HeaderMap::new();
        for _ in 0..MOST {
            assert!(!Hops::new().has_been_here(&probe));
            let from = probe.clone();
            Hops::new().mark(&mut probe, Some(&from));
        }
        assert!(Hops::new().has_been_here(&probe));
    }
}
