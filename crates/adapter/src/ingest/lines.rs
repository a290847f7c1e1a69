//! The line for each event that operators grep for; in a storm one for each group, with its count.

use std::collections::BTreeMap;

use tokio::time::{Duration, Instant};

/// Beyond so many events in a second their groups have one line for each type.
const LINES: usize = 100;
const SECOND: Duration = Duration::from_secs(1);

/// Types that get a line of their own in a group: the hub makes up the names.
const TYPES: usize = 10;

/// How many events the current second has had.
#[derive(Debug, Default)]
pub(super) struct EventLines {
    second: Option<Instant>,
    events: usize,
}

impl EventLines {
    /// The lines for events of these types.
    pub(super) fn of(&mut self, kinds: &[&str], now: Instant) -> Vec<String> {
        if self.second.is_none_or(|second| now >= second + SECOND) {
            self.second = Some(now);
            self.events = 0;
        }
        self.events += kinds.len();
        if self.events <= LINES {
            return kinds.iter().map(|kind| line(kind)).collect();
        }
        let mut counts = BTreeMap::new();
        for kind in kinds {
            *counts.entry(*kind).or_insert(0) += 1;
        }
        let others: usize = counts.values().skip(TYPES).sum();
        let mut lines: Vec<_> = counts
            .iter()
            .take(TYPES)
            .map(|(kind, count)| summary(kind, *count))
            .collect();
        if others > 0 {
            lines.push(summary("of other types", others));
        }
        lines
    }
}

fn line(kind: &str) -> String {
    format!("Event {kind} is received")
}

fn summary(kind: &str, count: usize) -> String {
    match count {
        1 => line(kind),
        _ => format!("{} (and {} more in this group)", line(kind), count - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_event_has_its_line_up_to_a_hundred_in_a_second() {
        let mut lines = EventLines::default();
        let start = Instant::now();
        assert_eq!(
            lines.of(&["JWT", "API_KEY", "JWT"], start),
            [
                "Event JWT is received",
                "Event API_KEY is received",
                "Event JWT is received"
            ]
        );
        assert_eq!(lines.of(&["JWT"; 97], start).len(), 97);
        assert_eq!(
            lines.of(&["JWT", "API_KEY", "JWT", "JWT"], start),
            [
                "Event API_KEY is received",
                "Event JWT is received (and 2 more in this group)"
            ]
        );
        assert_eq!(
            lines.of(&["JWT"], start + SECOND),
            ["Event JWT is received"]
        );
    }

    #[tokio::test]
    async fn types_that_the_hub_makes_up_do_not_fill_the_log() {
        let made_up: Vec<_> = (100..300).map(|n| n.to_string()).collect();
        let kinds: Vec<_> = made_up.iter().map(String::as_str).collect();
        let lines = EventLines::default().of(&kinds, Instant::now());
        assert_eq!(lines.len(), TYPES + 1);
        assert_eq!(
            lines.last().map(String::as_str),
            Some("Event of other types is received (and 189 more in this group)")
        );
    }
}
