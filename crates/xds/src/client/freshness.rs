//! Which adapter hears its own source best.
//!
//! An adapter whose source has not been good for a while is left for the next one, until each was asked; then the one whose
//! source is youngest is stayed with, and after a pause it all begins again.
//!
//! For a client that is not complete only that counts: an adapter that is not either is left for the one that was asked
//! longest ago, round and round.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};

use super::ClientConfig;

#[derive(Debug)]
pub(super) struct Freshness {
    endpoints: Vec<String>,
    bound: Duration,
    pause: Duration,
    /// How old the source of each adapter was when it was asked, and when that was.
    seen: HashMap<String, (Duration, Instant)>,
    chosen: Option<String>,
    /// When each adapter was last found not complete, or was gone to for that.
    incomplete: HashMap<String, Instant>,
    incomplete_pause: Duration,
}

impl Freshness {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            endpoints: config.endpoints.clone(),
            bound: config.source_age,
            pause: config.source_age_pause,
            seen: HashMap::new(),
            chosen: None,
            incomplete: HashMap::new(),
            incomplete_pause: config.incomplete_pause,
        }
    }

    /// The adapter at `address` says how old its source is. `true` where another one is to be asked: see
    /// [`chosen`](Self::chosen).
    pub(super) fn heard(&mut self, address: &str, age: Duration, now: Instant) -> bool {
        if age <= self.bound {
            self.seen.clear();
            return false;
        }
        let first = !self.seen.contains_key(address);
        if first {
            self.seen.insert(address.to_owned(), (age, now));
        }
        let again = self.is_over(now);
        if again {
            self.seen.retain(|other, _| other == address);
            self.seen.insert(address.to_owned(), (age, now));
        }
        let next = self.next(address, now);
        let leaves = next != address && (first || again);
        self.chosen = leaves.then_some(next);
        leaves
    }

    /// Neither the adapter at `address` is complete nor the client. `true` where another one is to be asked: see
    /// [`chosen`](Self::chosen).
    pub(super) fn incomplete(&mut self, address: &str, now: Instant) -> bool {
        self.incomplete.insert(address.to_owned(), now);
        let others = self.endpoints.iter().filter(|other| *other != address);
        let next = others.min_by_key(|other| self.incomplete.get(*other));
        let pause = self.incomplete_pause;
        let next = next.filter(|next| match self.incomplete.get(*next) {
            Some(asked) => now >= *asked + pause,
            None => true,
        });
        self.chosen = next.cloned();
        // It counts as asked also where it does not answer.
        if let Some(next) = &self.chosen {
            self.incomplete.insert(next.clone(), now);
        }
        self.chosen.is_some()
    }

    /// Where to go, if it was to be left for that; once.
    pub(super) fn chosen(&mut self) -> Option<String> {
        self.chosen.take()
    }

    /// One that was not asked yet, else the youngest.
    fn next(&mut self, address: &str, now: Instant) -> String {
        let unasked = self
            .endpoints
            .iter()
            .find(|other| !self.seen.contains_key(*other));
        if let Some(unasked) = unasked {
            return unasked.clone();
        }
        // Ages grow alike: what counts is when the source was good.
        let youngest = self
            .seen
            .iter()
            .min_by_key(|(_, (age, at))| age.saturating_add(now.saturating_duration_since(*at)));
        youngest.map_or_else(|| address.to_owned(), |(youngest, _)| youngest.clone())
    }

    /// Whether each is to be asked again.
    fn is_over(&self, now: Instant) -> bool {
        let last = self.seen.values().map(|(_, at)| *at).max();
        last.is_some_and(|last| now >= last + self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Security;

    fn freshness(endpoints: &[&str]) -> Freshness {
        let endpoints = endpoints.iter().map(|e| (*e).to_owned()).collect();
        Freshness::new(&ClientConfig::new(
            endpoints,
            Security::Plain,
            String::new(),
        ))
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_is_asked_once_and_the_youngest_is_stayed_with() {
        let mut freshness = freshness(&["a", "b", "c"]);
        let start = Instant::now();
        assert!(!freshness.heard("a", seconds(60), start));
        assert!(freshness.heard("a", seconds(90), start));
        let next = freshness.chosen().expect("another");
        assert!(freshness.heard(&next, seconds(70), start));
        let last = freshness.chosen().expect("another");
        assert_ne!(next, last);
        // The last one asked is older than the one before: back to that.
        assert!(freshness.heard(&last, seconds(300), start));
        assert_eq!(freshness.chosen(), Some(next.clone()));
        for later in [0, 100, 299] {
            assert!(!freshness.heard(&next, seconds(70 + later), start + seconds(later)));
        }
        assert!(freshness.heard(&next, seconds(370), start + seconds(300)));
    }

    #[test]
    fn a_single_one_is_never_left_and_a_good_one_ends_the_search() {
        let mut alone = freshness(&["a"]);
        let start = Instant::now();
        for later in [0, 400, 800] {
            assert!(!alone.heard("a", seconds(1000), start + seconds(later)));
        }
        let mut two = freshness(&["a", "b"]);
        assert!(two.heard("a", seconds(90), start));
        assert!(!two.heard("b", seconds(1), start));
        assert!(two.seen.is_empty());
    }
    #[test]
    fn who_is_not_complete_asks_each_at_once_and_then_each_in_turn_after_a_pause() {
        let mut freshness = freshness(&["a", "b", "c"]);
        let start = Instant::now();
        let mut at = "a".to_owned();
        let mut went = Vec::new();
        for second in 0..40 {
            if freshness.incomplete(&at, start + seconds(second)) {
                at = freshness.chosen().expect("another");
                went.push((second, at.clone()));
            }
        }
        let went: Vec<_> = went.iter().map(|(at, to)| (*at, &**to)).collect();
        let (first, then) = went.split_at(2);
        assert_eq!(first, [(0, "b"), (1, "c")]);
        assert_eq!(then, [(15, "a"), (16, "b"), (30, "c"), (31, "a")]);
        let mut alone = self::freshness(&["a"]);
        assert!(!alone.incomplete("a", start) && !alone.incomplete("a", start + seconds(60)));
    }
}
