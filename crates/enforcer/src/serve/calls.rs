//! The calls of one connection, between their coming and their answers.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use hyper::rt::Executor;

/// Where the HTTP/2 library leaves calls, and whoever moves the connection takes them. A clone is the same place.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<VecDeque<Call>>>);

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How many are begun before their answers go out: the first one waits for the last.
const AT_ONCE: usize = 16;

impl Calls {
    /// Begins what has come, and says whether there was anything.
    pub(super) fn begin(&self) -> bool {
        let mut begun = 0;
        while begun < AT_ONCE
            && let Some(mut call) = self.next()
        {
            begun += 1;
            // Nobody is woken by a call that goes on later: the task polls it anew.
            if call.as_mut().now_or_never().is_none() {
                tokio::spawn(call);
            }
        }
        begun > 0
    }

    fn next(&self) -> Option<Call> {
        self.waiting().pop_front()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Call>> {
        // Nothing panics between its locking and its unlocking.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Calls
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        // A call that panics ends by itself, as if it were a task: the others on its connection do not end with it.
        let call = AssertUnwindSafe(call).catch_unwind().map(drop);
        self.waiting().push_back(Box::pin(call));
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}
