//! Whether the next enforcer answers, as an operator sees it: a gauge and a degraded state.
//!
//! It is good again when nothing has failed for a while, so that one that fails now and then is said to fail once.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rescind_runtime::health::Health;
use tokio::time::Instant;

use super::Failure;
use crate::metrics::Metrics;

/// The degraded state while it does not answer.
const HEALTH: &str = "next enforcer";

/// How long nothing may have failed before it is good again.
const QUIET: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Standing {
    health: Health,
    metrics: Metrics,
    /// The last failure, while it is said to fail.
    failed_at: Mutex<Option<Instant>>,
}

impl Standing {
    pub(super) fn new(health: Health, metrics: Metrics) -> Self {
        Self {
            health,
            metrics,
            failed_at: Mutex::default(),
        }
    }

    /// It has answered.
    pub(super) fn good(&self) {
        let mut failed_at = self
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if failed_at.is_some_and(|at| at.elapsed() < QUIET) {
            return;
        }
        self.metrics.next_answers.set(1);
        if failed_at.take().is_some() {
            self.health.recover(HEALTH);
        }
    }

    /// It has not.
    pub(super) fn bad(&self, failure: &Failure) {
        let mut failed_at = self
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.metrics.next_answers.set(0);
        if failed_at.replace(Instant::now()).is_none() {
            let reason =
                format!("requests that are not refused here are refused with 503: {failure}");
            self.health.degrade(HEALTH, reason);
        }
    }
}
