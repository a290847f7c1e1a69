//! Whether the source is good: every subscription stands, and the list was read since they do.

use std::collections::BTreeMap;

use rescind_eventhub::Place;
use rescind_revocation::UnixMillis;

/// A list that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaughtUp {
    /// How many subscriptions had stood when its reading began.
    pub(crate) subscriptions: u64,
    /// When that was.
    pub(crate) began: UnixMillis,
}

/// What is known of the hub's subscriptions and of the list.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// How many subscriptions there should be; 0 before the first was heard of.
    count: usize,
    /// Why one does not stand; `None` where it stands.
    places: BTreeMap<usize, Option<String>>,
    /// The number of the newest subscription.
    newest: u64,
    caught_up: bool,
}

impl Source {
    /// One stands, the `number`th of all.
    pub(super) fn subscribed(&mut self, place: Place, number: u64) {
        self.count = place.count;
        self.places.insert(place.index, None);
        self.newest = number;
        self.caught_up = false;
    }

    pub(super) fn lost(&mut self, place: Place, reason: String) {
        self.count = place.count;
        self.places.insert(place.index, Some(reason));
    }

    pub(super) fn caught_up(&mut self, list: CaughtUp) {
        self.caught_up |= list.subscriptions >= self.newest;
    }

    pub(super) fn is_good(&self) -> bool {
        let standing = self.places.values().filter(|lost| lost.is_none()).count();
        self.count > 0 && standing == self.count && self.caught_up
    }

    /// Which subscriptions do not stand, and why.
    pub(super) fn trouble(&self) -> Option<String> {
        let lost: Vec<_> = self.places.values().flatten().map(String::as_str).collect();
        match (lost.len(), self.count) {
            (0, _) => None,
            (_, 0 | 1) => Some(lost.join("; ")),
            (few, count) => Some(format!("{few} of {count} brokers: {}", lost.join("; "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(index: usize, count: usize) -> Place {
        Place { index, count }
    }

    fn list(subscriptions: u64) -> CaughtUp {
        CaughtUp {
            subscriptions,
            began: UnixMillis(0),
        }
    }

    #[test]
    fn it_is_good_once_a_list_was_read_that_was_begun_after_the_subscription() {
        let mut source = Source::default();
        source.caught_up(list(0));
        assert!(!source.is_good());
        source.subscribed(place(0, 1), 1);
        source.caught_up(list(0));
        assert!(!source.is_good());
        source.caught_up(list(1));
        assert!(source.is_good());
        source.lost(place(0, 1), "gone".into());
        assert!(!source.is_good());
        source.subscribed(place(0, 1), 2);
        assert!(!source.is_good());
        source.caught_up(list(2));
        assert!(source.is_good());
    }

    #[test]
    fn of_several_brokers_all_must_stand_and_the_lost_ones_are_named() {
        let mut source = Source::default();
        source.subscribed(place(0, 3), 1);
        source.caught_up(list(1));
        assert!(!source.is_good());
        assert_eq!(source.trouble(), None);
        source.lost(place(1, 3), "b: refused".into());
        source.lost(place(2, 3), "c: refused".into());
        let trouble = source.trouble();
        assert_eq!(
            trouble.as_deref(),
            Some("2 of 3 brokers: b: refused; c: refused")
        );
        source.subscribed(place(1, 3), 2);
        source.subscribed(place(2, 3), 3);
        source.caught_up(list(2));
        assert!(!source.is_good());
        source.caught_up(list(3));
        assert!(source.is_good());
        assert_eq!(source.trouble(), None);
    }
}
