//! How a catch-up is asked for, and which subscription it was asked for by.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

/// A list read before a subscription stood may lack what was published until then: each reading remembers after how many
/// subscriptions it began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked(Arc<State>);

#[derive(Debug, Default)]
struct State {
    notify: Notify,
    subscriptions: AtomicU64,
}

impl Asked {
    /// Asks for the list. Asking again before it is read asks for nothing more.
    pub(crate) fn ask(&self) {
        self.0.notify.notify_one();
    }

    /// A subscription stands anew: asks for the list.
    pub(crate) fn subscribed(&self) {
        self.0.subscriptions.fetch_add(1, Ordering::AcqRel);
        self.ask();
    }

    /// How many subscriptions have stood so far.
    pub(crate) fn subscriptions(&self) -> u64 {
        self.0.subscriptions.load(Ordering::Acquire)
    }

    /// Waits until somebody asks.
    pub(crate) async fn asked(&self) {
        self.0.notify.notified().await;
    }
}
