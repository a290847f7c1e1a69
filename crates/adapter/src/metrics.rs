//! What the adapter counts beside what `eventhub` and `xds` count themselves.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use rescind_revocation::UnixMillis;

/// The way from an event to its publication.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) events: Counter,
    pub(crate) commits: Counter,
    pub(crate) commit_failures: Counter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) publication_seconds: Histogram,
    pub(crate) changes: Counter,
    pub(crate) entries: Gauge,
    pub(crate) head: Gauge,
    pub(crate) complete: Gauge,
    pub(crate) catchups: Family<OutcomeLabel, Counter>,
    pub(crate) unreadable_rows: Gauge,
    pub(crate) delivery_seconds: Histogram,
    pub(crate) last_ack_seconds: Histogram,
    pub(crate) enforcers: Gauge,
    pub(crate) swept: Counter,
    pub(crate) horizon: Gauge,
    pub(crate) source_good: Gauge,
    pub(crate) clock_offset: Gauge<f64, AtomicU64>,
}

/// How an attempt to read the list ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabel {
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the label values")]
pub(crate) enum Outcome {
    merged,
    empty_first,
    unauthorized,
    unreadable,
    failed,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            events: Counter::default(),
            commits: Counter::default(),
            commit_failures: Counter::default(),
            // 50 us to 1.6 s: an fsync takes 0.1 ms on a good disk and a second on a bad one.
            commit_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            // 0.1 ms to 105 s: one commit, or a disk that was full for a while.
            publication_seconds: Histogram::new(exponential_buckets(0.000_1, 4.0, 11)),
            changes: Counter::default(),
            entries: Gauge::default(),
            head: Gauge::default(),
            complete: Gauge::default(),
            catchups: Family::default(),
            unreadable_rows: Gauge::default(),
            // 0.5 ms to 131 s: from an idle push to a stream that is closed for not ACKing.
            delivery_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 19)),
            last_ack_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 19)),
            enforcers: Gauge::default(),
            swept: Counter::default(),
            horizon: Gauge::default(),
            source_good: Gauge::default(),
            clock_offset: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Names everything in `registry`, under the registry's own prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "ingest_events",
            "Events of the hub that were taken in, readable or not",
            self.events.clone(),
        );
        registry.register(
            "ingest_publication_seconds",
            "Time from the receipt of an event to its publication",
            self.publication_seconds.clone(),
        );
        registry.register(
            "delivery_seconds",
            "Time from the receipt of an event to the ACK of an enforcer",
            self.delivery_seconds.clone(),
        );
        registry.register(
            "last_ack_seconds",
            "Time from the receipt of an event to the last ACK of all enforcers that are connected",
            self.last_ack_seconds.clone(),
        );
        registry.register(
            "enforcers",
            "Enforcers in the roster, connected or not",
            self.enforcers.clone(),
        );
        registry.register(
            "ledger_commits",
            "Writes to the ledger that worked, those that had nothing new included",
            self.commits.clone(),
        );
        registry.register(
            "ledger_commit_failures",
            "Writes to the ledger that failed; each is tried again",
            self.commit_failures.clone(),
        );
        registry.register(
            "ledger_commit_seconds",
            "Time that a write to the ledger took",
            self.commit_seconds.clone(),
        );
        registry.register(
            "ledger_changes",
            "Revocations that said something new",
            self.changes.clone(),
        );
        registry.register("ledger_entries", "Live entries", self.entries.clone());
        registry.register("ledger_head", "Sequence of the head", self.head.clone());
        registry.register(
            "ledger_complete",
            "Whether a catch-up has finished in this ledger",
            self.complete.clone(),
        );
        registry.register(
            "catchup_attempts",
            "Attempts to read the control plane's list, by how they ended",
            self.catchups.clone(),
        );
        registry.register(
            "catchup_unreadable_rows",
            "Rows of the control plane's list, when it was last read to its end, that could not be read",
            self.unreadable_rows.clone(),
        );
        registry.register(
            "ledger_swept",
            "Tokens that were dropped a while after their expiry",
            self.swept.clone(),
        );
        registry.register(
            "ledger_horizon_timestamp_seconds",
            "Expiry before which tokens were dropped",
            self.horizon.clone(),
        );
        registry.register(
            "source_good_timestamp_seconds",
            "When the control plane was last heard in full; 0 if never",
            self.source_good.clone(),
        );
        registry.register(
            "control_plane_clock_offset_seconds",
            "How far the control plane's clock is ahead of ours",
            self.clock_offset.clone(),
        );
    }

    /// The control plane's clock showed `date` when ours showed `now`.
    pub(crate) fn clock_offset(&self, date: UnixMillis, now: UnixMillis) {
        self.clock_offset
            .set((date.0 as f64 - now.0 as f64) / 1000.0);
    }

    /// So many rows of a list that was read to its end could not be read.
    pub(crate) fn unreadable_rows(&self, rows: usize) {
        self.unreadable_rows
            .set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    pub(crate) fn catchup(&self, outcome: Outcome) {
        self.catchups.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
