//! What the set's threads meet on: the standard library's atomics, or loom's where its models are checked.
//!
//! With the feature `loom` the set works within `loom::model` only. Nobody but this crate's own tests switches it on.

#[cfg(not(feature = "loom"))]
mod real {
    use std::sync::Arc;

    use arc_swap::{ArcSwap, Guard};
    pub(in crate::set) use std::sync::atomic::{AtomicU32, AtomicU64, fence};

    /// The place where the newest value is published. Who loads it never waits.
    #[derive(Debug)]
    pub(in crate::set) struct Published<T>(ArcSwap<T>);

    impl<T> Published<T> {
        pub(in crate::set) fn new(value: Arc<T>) -> Self {
            Self(ArcSwap::new(value))
        }

        pub(in crate::set) fn load(&self) -> Guard<Arc<T>> {
            self.0.load()
        }

        /// Publishes `value` and hands back what it takes the place of; readers may still hold that.
        pub(in crate::set) fn swap(&self, value: Arc<T>) -> Arc<T> {
            self.0.swap(value)
        }
    }
}

#[cfg(feature = "loom")]
mod model {
    use std::{
        fmt,
        sync::{Arc, Mutex, PoisonError},
    };

    pub(in crate::set) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
    use loom::sync::atomic::{AtomicUsize, Ordering};

    /// Every value that was published, and which is the newest: the weakest order that a published pointer may have.
    pub(in crate::set) struct Published<T> {
        values: Mutex<Vec<Arc<T>>>,
        newest: AtomicUsize,
    }

    impl<T> Published<T> {
        pub(in crate::set) fn new(value: Arc<T>) -> Self {
            Self {
                values: Mutex::new(vec![value]),
                newest: AtomicUsize::new(0),
            }
        }

        pub(in crate::set) fn load(&self) -> Arc<T> {
            let at = self.newest.load(Ordering::Acquire);
            let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&values[at])
        }

        pub(in crate::set) fn swap(&self, value: Arc<T>) -> Arc<T> {
            let (at, before) = {
                let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
                let before = Arc::clone(&values[values.len() - 1]);
                values.push(value);
                (values.len() - 1, before)
            };
            self.newest.store(at, Ordering::Release);
            before
        }
    }

    impl<T> fmt::Debug for Published<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Published").finish_non_exhaustive()
        }
    }
}

#[cfg(feature = "loom")]
pub(super) use model::{AtomicU32, AtomicU64, Published, fence};
#[cfg(not(feature = "loom"))]
pub(super) use real::{AtomicU32, AtomicU64, Published, fence};
pub(super) use std::sync::atomic::Ordering;
