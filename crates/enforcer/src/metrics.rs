//! What the enforcer counts.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The request passes.
    Allowed,
    /// A credential is revoked.
    Revoked,
    /// A credential does not verify, or cannot be decoded.
    Invalid,
    /// There is no usable credential.
    Missing,
    /// The set is not complete yet.
    NotReady,
    /// The check lacks what a decision needs.
    BadCheck,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Allowed => "allowed",
            Self::Revoked => "revoked",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::NotReady => "not_ready",
            Self::BadCheck => "bad_check",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

/// All metrics of the enforcer, below `rescind_enforcer_`. A clone is the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    checks: Family<Labels, Counter>,
    check_seconds: Histogram,
    /// Things in the revoked set.
    pub(crate) set_entries: Gauge,
    /// The sequence of the set's version.
    pub(crate) set_version: Gauge<u64, AtomicU64>,
    /// Entries of applied updates, repeated ones included.
    pub(crate) applied_entries: Counter,
    /// Updates that could not be decoded and were refused whole.
    pub(crate) rejected_updates: Counter,
    /// 1 while a stream to an adapter is open.
    pub(crate) adapter_connected: Gauge,
    /// When the keys that are oldest were loaded; 0 while one has never been.
    pub(crate) keys_loaded: Gauge<u64, AtomicU64>,
    /// Attempts to load keys that failed.
    pub(crate) key_failures: Counter,
}

impl Metrics {
    /// Makes the metrics and hangs them into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            checks: Family::default(),
            // A decision takes microseconds; what takes a millisecond has waited for a core.
            check_seconds: Histogram::new([
                5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2, 0.1, 1.0,
            ]),
            set_entries: Gauge::default(),
            set_version: Gauge::default(),
            applied_entries: Counter::default(),
            rejected_updates: Counter::default(),
            adapter_connected: Gauge::default(),
            keys_loaded: Gauge::default(),
            key_failures: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("enforcer");
        registry.register("checks", "Checks answered", metrics.checks.clone());
        registry.register_with_unit(
            "check",
            "Time from the request's receipt to its decision",
            Unit::Seconds,
            metrics.check_seconds.clone(),
        );
        registry.register(
            "set_entries",
            "Things that are revoked",
            metrics.set_entries.clone(),
        );
        registry.register(
            "set_version",
            "Sequence of the revoked set's version",
            metrics.set_version.clone(),
        );
        registry.register(
            "applied_entries",
            "Entries of applied updates",
            metrics.applied_entries.clone(),
        );
        registry.register(
            "rejected_updates",
            "Updates refused because they could not be decoded",
            metrics.rejected_updates.clone(),
        );
        registry.register(
            "adapter_connected",
            "Whether a stream to an adapter is open",
            metrics.adapter_connected.clone(),
        );
        registry.register_with_unit(
            "keys_loaded_timestamp",
            "When the oldest keys were loaded, 0 while some never were",
            Unit::Seconds,
            metrics.keys_loaded.clone(),
        );
        registry.register(
            "key_failures",
            "Failed attempts to load keys",
            metrics.key_failures.clone(),
        );
        metrics
    }

    /// Counts a check.
    pub(crate) fn checked(&self, outcome: Outcome, seconds: f64) {
        self.checks.get_or_create(&Labels { outcome }).inc();
        self.check_seconds.observe(seconds);
    }

    /// How many checks ended so.
    #[cfg(test)]
    pub(crate) fn checks(&self, outcome: Outcome) -> u64 {
        self.checks.get_or_create(&Labels { outcome }).get()
    }
}
