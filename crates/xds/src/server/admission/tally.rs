//! How much each identity holds of something that is bounded for each.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// By identity; who holds nothing is not in it.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<HashMap<String, usize>>);

impl Tally {
    /// Adds `more`, unless that goes beyond `most`.
    pub(super) fn take(&self, identity: &str, more: usize, most: usize) -> bool {
        let mut held = self.held();
        let before = held.get(identity).copied().unwrap_or_default();
        let Some(sum) = before.checked_add(more).filter(|sum| *sum <= most) else {
            return false;
        };
        held.insert(identity.to_owned(), sum);
        true
    }

    pub(super) fn give_back(&self, identity: &str, less: usize) {
        let mut held = self.held();
        if let Some(sum) = held.get_mut(identity) {
            *sum -= less;
            if *sum == 0 {
                held.remove(identity);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
