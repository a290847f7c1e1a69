//! Whether this process can do its work, and what is wrong although it can.
//!
//! *Conditions* gate readiness: each is pending until its owner says it is done, and may become undone again. *Degraded*
//! states are shown and logged but never make a process unready: taking it out of service would make things worse. The
//! drain makes it unready for good.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tracing::{info, warn};

/// The health of the process: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

/// One thing that must be so before the process is ready. Clones are the same condition; dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Condition {
    name: &'static str,
    health: Health,
}

/// A consistent picture of [`Health`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether work may be sent here.
    pub ready: bool,
    /// The conditions that are not done, and `draining` once that has begun; sorted by name.
    pub pending: Vec<&'static str>,
    /// What is wrong although work goes on, each with its reason; sorted by name.
    pub degraded: Vec<(&'static str, String)>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ready: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    done: BTreeMap<&'static str, bool>,
    degraded: BTreeMap<&'static str, String>,
    draining: bool,
}

impl Health {
    /// Ready until a condition is named: name all of them before anybody can ask.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                ready: watch::Sender::new(true),
            }),
        }
    }

    /// Names a condition, pending at first. The same name again is the same condition, pending again.
    pub fn require(&self, name: &'static str) -> Condition {
        self.change(|state| state.done.insert(name, false));
        Condition {
            name,
            health: self.clone(),
        }
    }

    /// Something is wrong but work goes on. Logged (WARN) when it is new or its reason has changed.
    pub fn degrade(&self, name: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        let before = self.change(|state| state.degraded.insert(name, reason.clone()));
        if before.as_ref() != Some(&reason) {
            warn!(condition = name, reason, "Degraded");
        }
    }

    /// What [`Health::degrade`] said is over. Logged (INFO) if it had been said.
    pub fn recover(&self, name: &'static str) {
        if self.change(|state| state.degraded.remove(name)).is_some() {
            info!(condition = name, "No longer degraded");
        }
    }

    /// From now on no work may be sent here. The supervisor calls it when the drain begins.
    pub fn drain(&self) {
        self.change(|state| state.draining = true);
    }

    /// Readiness as it changes, for `grpc.health.v1` and for tests.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.shared.ready.subscribe()
    }

    /// Whether work may be sent here.
    pub fn is_ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// All of it at one moment.
    pub fn report(&self) -> Report {
        let state = self.state();
        Report {
            ready: state.is_ready(),
            pending: state.pending(),
            degraded: state
                .degraded
                .iter()
                .map(|(name, reason)| (*name, reason.clone()))
                .collect(),
        }
    }

    /// Changes the state and publishes what follows from it, both under the lock so that watchers see changes in order.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        let ready = state.is_ready();
        self.shared
            .ready
            .send_if_modified(|published| std::mem::replace(published, ready) != ready);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one map operation: a panic elsewhere cannot have left it half done.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Condition {
    /// It is so.
    pub fn done(&self) {
        self.set(true);
    }

    /// It is not so, or no longer.
    pub fn undone(&self) {
        self.set(false);
    }

    fn set(&self, done: bool) {
        self.health
            .change(|state| state.done.insert(self.name, done));
    }
}

impl State {
    fn is_ready(&self) -> bool {
        !self.draining && self.done.values().all(|done| *done)
    }

    fn pending(&self) -> Vec<&'static str> {
        let mut pending: Vec<_> = self
            .done
            .iter()
            .filter(|(_, done)| !**done)
            .map(|(name, _)| *name)
            .collect();
        if self.draining {
            pending.push("draining");
            pending.sort_unstable();
        }
        pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_condition_is_done() {
        let health = Health::new();
        let ledger = health.require("ledger");
        let listener = health.require("listener");
        assert_eq!(health.report().pending, ["ledger", "listener"]);

        listener.done();
        assert!(!health.is_ready());
        ledger.done();
        assert!(health.is_ready());
        listener.clone().undone();
        assert_eq!(health.report().pending, ["listener"]);
    }

    #[test]
    fn degraded_is_ready_all_the_same() {
        let health = Health::new();
        health.degrade("hub", "connection refused");
        health.degrade("disk", "full");
        health.recover("disk");
        health.recover("never said");
        assert_eq!(
            health.report(),
            Report {
                ready: true,
                pending: vec![],
                degraded: vec![("hub", "connection refused".to_owned())],
            }
        );
    }

    #[test]
    fn a_draining_process_is_never_ready_again() {
        let health = Health::new();
        let condition = health.require("ledger");
        condition.done();
        health.drain();
        condition.done();
        assert_eq!(health.report().pending, ["draining"]);
        assert!(!health.is_ready());
    }

    #[tokio::test]
    async fn watchers_are_woken_by_changes_of_readiness_alone() {
        let health = Health::new();
        let condition = health.require("ledger");
        let mut watch = health.watch();
        assert!(!*watch.borrow_and_update());
        health.degrade("hub", "gone");
        assert!(!watch.has_changed().unwrap());
        condition.done();
        assert!(*watch.wait_for(|ready| *ready).await.unwrap());
    }
}
