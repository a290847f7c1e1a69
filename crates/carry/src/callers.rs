//! Who makes the calls: none may take more than its share of the places.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use crate::Busy;

/// Who makes a call, and on which connection: an extension of the request. A call without one counts for nobody.
#[derive(Debug, Clone)]
pub struct Caller {
    name: Arc<str>,
    busy: Busy,
}

/// The calls of each caller that has any.
#[derive(Debug)]
pub(crate) struct Callers {
    most: usize,
    calls: Mutex<HashMap<Arc<str>, usize>>,
}

/// A call that counts for its caller, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    callers: Arc<Callers>,
    caller: Caller,
}

impl Caller {
    /// Callers of the same `name` share a share. The call counts on the connection of `busy`.
    pub fn new(name: impl Into<Arc<str>>, busy: Busy) -> Self {
        let name = name.into();
        Self { name, busy }
    }

    /// Whom the call counts for.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Callers {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            calls: Mutex::default(),
        }
    }

    /// One call more for `caller`; `None` where it has its share already.
    pub(crate) fn share(self: &Arc<Self>, caller: &Caller) -> Option<Share> {
        let mut calls = self.calls();
        let count = calls.entry(Arc::clone(&caller.name)).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        caller.busy.0.fetch_add(1, Ordering::Relaxed);
        Some(Share {
            callers: Arc::clone(self),
            caller: caller.clone(),
        })
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        // A panic elsewhere leaves nothing half done: each change is one assignment.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.caller.busy.0.fetch_sub(1, Ordering::Relaxed);
        let mut calls = self.callers.calls();
        if let Entry::Occupied(mut count) = calls.entry(Arc::clone(&self.caller.name)) {
            match *count.get() {
                0 | 1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_its_share_whatever_the_others_have_and_gets_it_back() {
        let callers = Arc::new(Callers::new(2));
        let [one, other] = ["one", "other"].map(|name| Caller::new(name, Busy::default()));
        let again = Caller::new("one", Busy::default());
        let (first, second) = (callers.share(&one), callers.share(&again));
        assert!(first.is_some() && second.is_some());
        assert!(callers.share(&one).is_none() && callers.share(&again).is_none());
        assert!(callers.share(&other).is_some());
        drop(first);
        let third = callers.share(&again);
        assert!(third.is_some() && callers.share(&one).is_none());
        assert_eq!(one.busy.0.load(Ordering::Relaxed), 0);
        assert_eq!(again.busy.0.load(Ordering::Relaxed), 2);
        drop((second, third));
        assert!(callers.calls().is_empty());
    }
}
