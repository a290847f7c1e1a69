//! Reads the control plane's whole list after each subscription, and merges it. A list never removes anything.
//!
//! ```text
//! asked ──> read ──> merge in groups ──> complete ──> once more `again_after` later
//!             │ empty, and the ledger is not complete: read again `empty_list_wait` later, then it counts
//!             └ fails: degraded, again `retry_interval` later, or `unauthorized_retry` where we are not let in
//! ```

use std::sync::Arc;

use rescind_eventhub::{Catchup, CatchupError, RevokedList};
use rescind_ledger::LedgerReader;
use rescind_revocation::UnixMillis;
use rescind_runtime::{Health, time::unix_now_millis};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Duration, Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    Metrics,
    ingest::{Command, GROUP},
    metrics::Outcome,
};

/// The health condition of a list that cannot be read.
const LIST: &str = "catch-up";

/// When to read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) retry_interval: Duration,
    pub(crate) unauthorized_retry: Duration,
    pub(crate) empty_list_wait: Duration,
    /// After a catch-up it is done once more: the control plane may write its list later than it publishes.
    pub(crate) again_after: Duration,
}

impl Timing {
    /// The two that are configured, the others as they are.
    pub(crate) fn new(retry_interval: Duration, empty_list_wait: Duration) -> Self {
        Self {
            retry_interval,
            unauthorized_retry: Duration::from_secs(30).max(retry_interval),
            empty_list_wait,
            again_after: Duration::from_secs(30),
        }
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct CatchupTask {
    pub(crate) list: Catchup,
    pub(crate) timing: Timing,
    pub(crate) reader: LedgerReader,
    pub(crate) asked: Arc<Notify>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
}

/// The process is ending.
#[derive(Debug)]
struct Ended;

impl CatchupTask {
    /// Runs until `cancel`.
    pub(crate) async fn run(self, cancel: CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = cancel.cancelled() => {}
            Ended = self.for_ever() => {}
        }
        Ok(())
    }

    async fn for_ever(&self) -> Ended {
        let mut again = None;
        loop {
            tokio::select! {
                () = self.asked.notified() => again = Some(Instant::now() + self.timing.again_after),
                () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => again = None,
            }
            let list = self.read().await;
            if self.merge(list).await.is_err() {
                return Ended;
            }
        }
    }

    /// Reads the list until there is one that counts.
    async fn read(&self) -> RevokedList {
        let mut empty_since = None;
        loop {
            match self.list.fetch(UnixMillis(unix_now_millis())).await {
                Ok(list) => {
                    let wait = self.doubtful(&list, &mut empty_since);
                    if wait.is_zero() {
                        return list;
                    }
                    self.metrics.catchup(Outcome::empty_first);
                    sleep(wait).await;
                }
                Err(error) => sleep(self.failed(&error)).await,
            }
        }
    }

    /// How long to wait before an empty list counts. A control plane whose database fails answers 200 and an empty list.
    fn doubtful(&self, list: &RevokedList, empty_since: &mut Option<Instant>) -> Duration {
        let empty = list.revocations.is_empty() && list.skipped == 0;
        if !empty || self.reader.is_complete() {
            return Duration::ZERO;
        }
        let wait = self.timing.empty_list_wait;
        if empty_since.is_none() {
            warn!(
                seconds = wait.as_secs(),
                "The control plane's list is empty: it is read once more before that counts"
            );
        }
        let since = *empty_since.get_or_insert_with(Instant::now);
        wait.saturating_sub(since.elapsed())
    }

    /// Tells what went wrong, and how long to wait.
    fn failed(&self, error: &CatchupError) -> Duration {
        let wait = match error {
            CatchupError::Unauthorized(_) => {
                self.metrics.catchup(Outcome::unauthorized);
                error!("Error occurred when retrieving revoked token from control plane: {error}");
                self.timing.unauthorized_retry
            }
            _ => {
                self.metrics.catchup(Outcome::failed);
                warn!("Error occurred while fetching revoked tokens from control plane: {error}");
                self.timing.retry_interval
            }
        };
        self.health.degrade(LIST, error.to_string());
        wait
    }

    async fn merge(&self, list: RevokedList) -> Result<(), Ended> {
        let RevokedList {
            revocations,
            skipped,
            date: _,
        } = list;
        let entries = revocations.len();
        let mut changed = 0;
        let mut rest = revocations.into_iter();
        loop {
            let group: Vec<_> = rest.by_ref().take(GROUP).collect();
            if group.is_empty() {
                break;
            }
            changed += self.ask(|answer| Command::Merge(group, answer)).await?;
        }
        self.ask(Command::Complete).await?;
        self.metrics.catchup(Outcome::merged);
        self.health.recover(LIST);
        info!(
            entries,
            changed, skipped, "Revoked tokens are retrieved from control plane"
        );
        if skipped > 0 {
            warn!(
                skipped,
                "Rows of the control plane's list could not be read: what they name is not refused"
            );
        }
        Ok(())
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Ended> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| Ended)?;
        answered.await.map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests;
