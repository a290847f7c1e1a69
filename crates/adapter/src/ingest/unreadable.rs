//! Events that cannot be read: one line a second for each kind of error, with its count.

use std::collections::BTreeMap;

use rescind_eventhub::DecodeError;
use tokio::time::{Duration, Instant};
use tracing::warn;

const SECOND: Duration = Duration::from_secs(1);

/// What was told when, and what waits to be told, by [`DecodeError::reason`].
#[derive(Debug, Default)]
pub(super) struct Unreadable {
    kinds: BTreeMap<&'static str, Kind>,
}

#[derive(Debug)]
struct Kind {
    told: Instant,
    waiting: u64,
    latest: DecodeError,
}

impl Unreadable {
    /// Logs the error, or counts it where its kind was logged within the last second.
    pub(super) fn record(&mut self, error: &DecodeError, now: Instant) {
        match self.kinds.get_mut(error.reason()) {
            Some(kind) if now < kind.told + SECOND => {
                kind.waiting += 1;
                kind.latest = error.clone();
            }
            known => {
                let waited = known.map_or(0, |kind| kind.waiting);
                tell(error, waited + 1);
                let kind = Kind {
                    told: now,
                    waiting: 0,
                    latest: error.clone(),
                };
                self.kinds.insert(error.reason(), kind);
            }
        }
    }

    /// When something that was counted is to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.kinds.values().filter(|kind| kind.waiting > 0);
        waiting.map(|kind| kind.told + SECOND).min()
    }

    /// Tells what is due.
    pub(super) fn flush(&mut self, now: Instant) {
        for kind in self.kinds.values_mut() {
            if kind.waiting > 0 && now >= kind.told + SECOND {
                tell(&kind.latest, kind.waiting);
                kind.told = now;
                kind.waiting = 0;
            }
        }
    }
}

fn tell(error: &DecodeError, count: u64) {
    warn!(
        kind = error.reason(),
        count,
        "Error occurred while unmarshalling revoked token event data: {error}. Hence dropping the event."
    );
}
