//! What the enforcer counts.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use rescind_authz::Lacking;

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
    /// The set is too old, and the policy refuses.
    Stale,
    /// The check lacks what a decision needs.
    BadCheck,
    /// `OPTIONS`, answered in the place of the API.
    Options,
}

impl Outcome {
    const ALL: [Self; 8] = [
        Self::Allowed,
        Self::Revoked,
        Self::Invalid,
        Self::Missing,
        Self::NotReady,
        Self::Stale,
        Self::BadCheck,
        Self::Options,
    ];
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Allowed => "allowed",
            Self::Revoked => "revoked",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::NotReady => "not_ready",
            Self::Stale => "stale",
            Self::BadCheck => "bad_check",
            Self::Options => "options",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

/// What came of asking the next enforcer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NextOutcome {
    /// It has answered, whatever it said.
    Answered,
    /// It could not be reached.
    Unavailable,
    /// It took too long.
    Late,
    /// What it answered is no answer.
    Failed,
    /// Too many calls were waiting for it.
    Busy,
}

impl NextOutcome {
    const ALL: [Self; 5] = [
        Self::Answered,
        Self::Unavailable,
        Self::Late,
        Self::Failed,
        Self::Busy,
    ];
}

impl EncodeLabelValue for NextOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Answered => "answered",
            Self::Unavailable => "unavailable",
            Self::Late => "late",
            Self::Failed => "failed",
            Self::Busy => "busy",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NextLabels {
    outcome: NextOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClaimLabels {
    claim: &'static str,
}

/// All metrics of the enforcer, below `rescind_enforcer_`. A clone is the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// By [`Outcome`], in its order: looking one up by its label costs a lock.
    checks: [Counter; Outcome::ALL.len()],
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
    /// 1 while the set is not the adapter's, and has not been for a while.
    pub(crate) set_diverged: Gauge,
    /// Entries that the present adapter's ledger does not have.
    pub(crate) surplus_entries: Gauge,
    /// Walks over everything that were asked for.
    pub(crate) walks: Counter,
    link_age: Gauge<f64, AtomicU64>,
    source_age: Gauge<f64, AtomicU64>,
    /// 1 while the set is stale and the policy decides.
    pub(crate) set_stale: Gauge,
    /// Requests that the policy let through on a stale set.
    pub(crate) stale_passed: Counter,
    /// By claim, in the order of [`Lacking::ALL`].
    lacking: [Counter; Lacking::ALL.len()],
    /// Credentials whose signature had been verified before.
    pub(crate) known_tokens: Counter,
    /// Bytes of the own log; 0 while there is none.
    pub(crate) journal_bytes: Gauge<u64, AtomicU64>,
    /// Attempts to write the own log or its image that failed.
    pub(crate) journal_failures: Counter,
    /// Images written.
    pub(crate) images_written: Counter,
    /// By [`NextOutcome`], in its order.
    next_calls: [Counter; NextOutcome::ALL.len()],
    next_seconds: Histogram,
    /// 1 while the next enforcer answers; 0 where there is none.
    pub(crate) next_answers: Gauge,
}

fn counter<L>(family: &Family<L, Counter>, labels: L) -> Counter
where
    L: Clone + std::hash::Hash + Eq,
{
    family.get_or_create_owned(&labels)
}

impl Metrics {
    /// Makes the metrics and hangs them into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let (checks, lacking, next) = (Family::default(), Family::default(), Family::default());
        let metrics = Self {
            checks: Outcome::ALL.map(|outcome| counter(&checks, Labels { outcome })),
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
            set_diverged: Gauge::default(),
            surplus_entries: Gauge::default(),
            walks: Counter::default(),
            link_age: Gauge::default(),
            source_age: Gauge::default(),
            set_stale: Gauge::default(),
            stale_passed: Counter::default(),
            lacking: Lacking::ALL.map(|(_, claim)| counter(&lacking, ClaimLabels { claim })),
            known_tokens: Counter::default(),
            journal_bytes: Gauge::default(),
            journal_failures: Counter::default(),
            images_written: Counter::default(),
            next_calls: NextOutcome::ALL.map(|outcome| counter(&next, NextLabels { outcome })),
            next_seconds: Histogram::new([
                1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5, 1.0, 5.0, 15.0,
            ]),
            next_answers: Gauge::default(),
        };
        metrics.show_ages(None, None);
        let registry = registry.sub_registry_with_prefix("enforcer");
        registry.register("checks", "Checks answered", checks);
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
        metrics.register_age(registry);
        metrics.register_proof(registry);
        metrics.register_tokens(lacking, registry);
        metrics.register_journal(registry);
        metrics.register_next(next, registry);
        metrics
    }

    fn register_proof(&self, registry: &mut Registry) {
        registry.register(
            "set_diverged",
            "1 while the revoked set is not the one that the adapter holds",
            self.set_diverged.clone(),
        );
        registry.register(
            "surplus_entries",
            "Entries that are enforced although the present adapter's ledger does not have them",
            self.surplus_entries.clone(),
        );
        registry.register(
            "walks",
            "Times that everything was asked for again because the set had diverged",
            self.walks.clone(),
        );
    }

    fn register_age(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "link_age",
            "Time since the adapter was known to stand where the set stands; NaN before the first time",
            Unit::Seconds,
            self.link_age.clone(),
        );
        registry.register_with_unit(
            "source_age",
            "Time since the adapter's own source was good; NaN where it is not known",
            Unit::Seconds,
            self.source_age.clone(),
        );
        registry.register(
            "set_stale",
            "1 while the revoked set is stale and the policy decides",
            self.set_stale.clone(),
        );
        registry.register(
            "stale_passed",
            "Requests that the policy let through on a stale set",
            self.stale_passed.clone(),
        );
    }

    fn register_tokens(&self, lacking: Family<ClaimLabels, Counter>, registry: &mut Registry) {
        registry.register(
            "tokens_without_claim",
            "Accepted bearer tokens without a claim by which they could be revoked",
            lacking,
        );
        registry.register(
            "known_tokens",
            "Accepted credentials whose signature had been verified before",
            self.known_tokens.clone(),
        );
    }

    fn register_journal(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "own_log",
            "Length of the enforcer's own log; 0 while there is none",
            Unit::Bytes,
            self.journal_bytes.clone(),
        );
        registry.register(
            "own_log_failures",
            "Failed attempts to write the enforcer's own log or its image",
            self.journal_failures.clone(),
        );
        registry.register(
            "images_written",
            "Images of the revoked set written",
            self.images_written.clone(),
        );
    }

    fn register_next(&self, calls: Family<NextLabels, Counter>, registry: &mut Registry) {
        registry.register(
            "next_calls",
            "Checks that went on to the next enforcer, by what came of it",
            calls,
        );
        registry.register_with_unit(
            "next",
            "Time that the next enforcer took, connecting included",
            Unit::Seconds,
            self.next_seconds.clone(),
        );
        registry.register(
            "next_answers",
            "1 while the next enforcer answers, 0 while it does not or where there is none",
            self.next_answers.clone(),
        );
    }

    /// Shows the two ages.
    pub(crate) fn show_ages(&self, link: Option<Duration>, source: Option<Duration>) {
        let seconds = |age: Option<Duration>| age.map_or(f64::NAN, |age| age.as_secs_f64());
        self.link_age.set(seconds(link));
        self.source_age.set(seconds(source));
    }

    /// Counts a check.
    pub(crate) fn checked(&self, outcome: Outcome, seconds: f64) {
        self.checks[outcome as usize].inc();
        self.check_seconds.observe(seconds);
    }

    /// Counts the claims that an accepted token lacks.
    pub(crate) fn lacking(&self, lacking: Lacking) {
        for (counter, (claim, _)) in self.lacking.iter().zip(Lacking::ALL) {
            if lacking.any_of(claim) {
                counter.inc();
            }
        }
    }

    /// Counts a call to the next enforcer.
    pub(crate) fn next_asked(&self, outcome: NextOutcome, seconds: f64) {
        self.next_calls[outcome as usize].inc();
        self.next_seconds.observe(seconds);
    }

    /// How many calls to the next enforcer ended so.
    #[cfg(test)]
    pub(crate) fn next_calls(&self, outcome: NextOutcome) -> u64 {
        self.next_calls[outcome as usize].get()
    }

    /// How many checks ended so.
    #[cfg(test)]
    pub(crate) fn checks(&self, outcome: Outcome) -> u64 {
        self.checks[outcome as usize].get()
    }
}
