//! Waiting for a condition instead of for a time.

use std::{fmt::Debug, future::Future, time::Duration};

use tokio::time::{Instant, sleep};

/// Asks until `good` accepts the answer; fails with the last answer after `patience`.
#[track_caller]
pub(crate) fn eventually<T, F>(
    patience: Duration,
    mut ask: impl FnMut() -> F,
    mut good: impl FnMut(&T) -> bool,
) -> impl Future<Output = T>
where
    T: Debug,
    F: Future<Output = T>,
{
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + patience;
        loop {
            let answer = ask().await;
            if good(&answer) {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "{caller}: not within {patience:?}; last: {answer:?}"
            );
            // The pace of the questions, not a guess at how long the answer takes.
            sleep(Duration::from_millis(20)).await;
        }
    }
}
