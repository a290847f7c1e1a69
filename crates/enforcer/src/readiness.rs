//! Whether the revoked set is whole, so that a request may be decided on it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rescind_runtime::health::{Condition, Health};

/// The name of the condition on `/readyz`.
const CONDITION: &str = "revoked tokens";

/// Shared by the subscription, which says so, and the checks, which ask. Once whole it stays so: what comes later only
/// adds, and a set that is not the newest is still a superset of what was whole.
#[derive(Debug, Clone)]
pub struct Readiness {
    complete: Arc<AtomicBool>,
    condition: Condition,
}

impl Readiness {
    /// Not whole yet, and a condition of `health`.
    pub fn new(health: &Health) -> Self {
        Self {
            complete: Arc::default(),
            condition: health.require(CONDITION),
        }
    }

    /// The set is whole from now on. Returns whether that is new.
    pub fn complete(&self) -> bool {
        let new = !self.complete.swap(true, Ordering::AcqRel);
        if new {
            self.condition.done();
        }
        new
    }

    /// Whether requests may be decided.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }
}
