//! The client's log lines, at a rate a person can read: a reason once, then again when it changes or each 30 s.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use tracing::{debug, info, warn};

#[derive(Debug, Default)]
pub(super) struct Journal {
    lost: Topic,
    rejected: Topic,
    held: Topic,
    foreign: Topic,
    connected: Topic,
}

/// What was said last, by address.
#[derive(Debug, Default)]
struct Topic(HashMap<String, (String, Instant)>);

impl Topic {
    /// Whether this is worth a line now.
    fn is_news(&mut self, address: &str, text: &str, now: Instant) -> bool {
        let news = self
            .0
            .get(address)
            .is_none_or(|(said, at)| said != text || now >= *at + QUIET);
        if news {
            self.0.insert(address.to_owned(), (text.to_owned(), now));
        }
        news
    }
}

impl Journal {
    pub(super) fn connected(&mut self, address: &str, version: &str) {
        if self.connected.is_news(address, "", Instant::now()) {
            info!(address, version, "subscribed to the adapter");
        }
    }

    pub(super) fn lost(&mut self, address: &str, reason: &str) {
        if self.lost.is_news(address, reason, Instant::now()) {
            // The next connection is news again.
            self.connected.0.clear();
            warn!(address, reason, "no link to the adapter; trying again");
        } else {
            debug!(address, reason, "no link to the adapter");
        }
    }

    pub(super) fn rejected(&mut self, address: &str, version: &str, reason: &str) {
        if self.rejected.is_news(address, reason, Instant::now()) {
            warn!(
                address,
                version, reason, "update refused; the last good set stays"
            );
        }
    }

    pub(super) fn held(&mut self, address: &str, version: &str) {
        if self.held.is_news(address, "", Instant::now()) {
            warn!(
                address,
                version, "update applied, and not acknowledged: it would not outlive this process"
            );
        }
    }

    pub(super) fn foreign(&mut self, address: &str, type_url: &str) {
        if self.foreign.is_news(address, type_url, Instant::now()) {
            warn!(
                address,
                type_url, "response of a type that was not asked for; ignored"
            );
        }
    }
}

const QUIET: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_news_once_and_again_when_it_changes_or_after_a_while() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut topic = Topic::default();
        assert!(topic.is_news("a:1", "refused", start));
        assert!(!topic.is_news("a:1", "refused", after(29)));
        assert!(topic.is_news("b:1", "refused", after(29)));
        assert!(topic.is_news("a:1", "timed out", after(29)));
        assert!(!topic.is_news("a:1", "timed out", after(58)));
        assert!(topic.is_news("a:1", "timed out", after(59)));
    }
}
