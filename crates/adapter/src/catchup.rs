//! Reads the control plane's whole list after each subscription, and merges it while it comes. A list never removes
//! anything.
//!
//! ```text
//! asked ────────┐                                 ┌──> once more `again_after` later
//! `every` ──────┴─> read, merging group by group ─┴──> complete
//!                     │ empty, and the ledger is not complete: read again `empty_list_wait` later, then it counts
//!                     │ breaks off, or has a list of which no row can be read: what it had stays merged, it does not count
//!                     └ fails: degraded, again `retry_interval` later and ever less often, or `unauthorized_retry`
//!                       where we are not let in
//! ```
//!
//! What asking hastens says `pace`.

use std::sync::Arc;

use rescind_eventhub::{Catchup, CatchupError, Part, Rows};
use rescind_ledger::LedgerReader;
use rescind_revocation::UnixMillis;
use rescind_runtime::{Health, time::unix_now_millis};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

mod asked;
mod clock;
mod pace;

pub(crate) use asked::Asked;
pub(crate) use clock::ControlPlaneClock;
use pace::Pace;

use crate::{
    Metrics,
    ingest::{CaughtUp, Command},
    metrics::Outcome,
};

/// The health condition of a list that cannot be read.
const LIST: &str = "catch-up";

/// The longest wait between two attempts to read a list that cannot be read, where `retry_interval` is not longer.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// When to read again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) retry_interval: Duration,
    pub(crate) unauthorized_retry: Duration,
    pub(crate) empty_list_wait: Duration,
    /// After a catch-up it is done once more: the control plane may write its list later than it publishes.
    pub(crate) again_after: Duration,
    /// After a start the list is read without being asked for: the broker may be away for long.
    pub(crate) first: Duration,
    /// And again from time to time: whatever was lost in another way is found.
    pub(crate) every: Duration,
    /// The least time from one reading to the next that somebody asks for.
    pub(crate) pause: Duration,
}

impl Timing {
    /// The two that are configured, the others as they are.
    pub(crate) fn new(retry_interval: Duration, empty_list_wait: Duration) -> Self {
        Self {
            retry_interval,
            unauthorized_retry: Duration::from_secs(30).max(retry_interval),
            empty_list_wait,
            again_after: Duration::from_secs(30),
            first: Duration::from_secs(10),
            every: Duration::from_secs(300),
            pause: Duration::from_millis(250),
        }
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct CatchupTask {
    pub(crate) list: Catchup,
    pub(crate) timing: Timing,
    pub(crate) reader: LedgerReader,
    pub(crate) asked: Asked,
    pub(crate) clock: ControlPlaneClock,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
}

/// The process is ending.
#[derive(Debug)]
struct Ended;

/// What was read of a list.
#[derive(Debug, Default)]
struct Merged {
    revocations: usize,
    changed: usize,
}

/// Where the task stands.
#[derive(Debug)]
struct State {
    pace: Pace,
    /// Since when the first list is empty.
    empty_since: Option<Instant>,
    /// Readings that failed in a row.
    failures: u32,
}

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
        let mut state = State {
            pace: Pace::new(&self.timing, Instant::now()),
            empty_since: None,
            failures: 0,
        };
        loop {
            self.wait(&mut state.pace).await;
            if let Err(ended) = self.read(&mut state).await {
                return ended;
            }
        }
    }

    /// Waits until the list is to be read.
    async fn wait(&self, pace: &mut Pace) {
        loop {
            let due = pace.due(self.asked.subscriptions(), Instant::now());
            tokio::select! {
                // Whoever asks before a reading begins is answered by it.
                biased;
                () = self.asked.asked() => pace.asked(),
                () = sleep_until(due) => return,
            }
        }
    }

    /// Reads the list once.
    async fn read(&self, state: &mut State) -> Result<(), Ended> {
        let mut merged = Merged::default();
        let caught_up = CaughtUp {
            subscriptions: self.asked.subscriptions(),
            began: UnixMillis(unix_now_millis()),
        };
        let began = Instant::now();
        let timing = &self.timing;
        state.pace.begins(caught_up.subscriptions, timing, began);
        match self.merge(caught_up.began, &mut merged).await? {
            Ok(rows) => {
                state.failures = 0;
                let wait = self.merged(rows, &merged, caught_up, state).await?;
                let took = began.elapsed();
                state.pace.read(took, wait, timing, Instant::now());
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let wait = self.failed(&error, &merged, state.failures);
                match error {
                    CatchupError::Unauthorized(_) => state.pace.refused(wait, Instant::now()),
                    _ => state.pace.failed(wait, timing, Instant::now()),
                }
            }
        }
        Ok(())
    }

    /// Merges the list while it comes. A part of it may be merged although it fails.
    async fn merge(
        &self,
        now: UnixMillis,
        merged: &mut Merged,
    ) -> Result<Result<Rows, CatchupError>, Ended> {
        let mut listing = match self.list.fetch(now).await {
            Ok(listing) => listing,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(date) = listing.date() {
            self.clock.heard(date, Instant::now());
            self.metrics.clock_offset(date, now);
        }
        let source: Arc<str> = format!("list {}", self.list.service_url()).into();
        loop {
            match listing.next().await {
                Ok(Part::Group(group)) => {
                    merged.revocations += group.len();
                    let source = Arc::clone(&source);
                    let merge = |answer| Command::Merge(group, source, answer);
                    merged.changed += self.ask(merge).await?;
                }
                Ok(Part::End(rows)) => return Ok(Ok(rows)),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// The list is in, if it counts. How long to wait before the next.
    async fn merged(
        &self,
        rows: Rows,
        merged: &Merged,
        caught_up: CaughtUp,
        state: &mut State,
    ) -> Result<Duration, Ended> {
        let wait = self.doubtful(rows, &mut state.empty_since);
        if !wait.is_zero() {
            self.metrics.catchup(Outcome::empty_first);
            return Ok(wait);
        }
        state.empty_since = None;
        self.ask(|answer| Command::Complete(caught_up, answer))
            .await?;
        self.metrics.catchup(Outcome::merged);
        self.show_unreadable(rows);
        let Merged {
            revocations: entries,
            changed,
        } = *merged;
        let skipped = rows.skipped;
        info!(
            entries,
            changed, skipped, "Revoked tokens are retrieved from control plane"
        );
        Ok(self.timing.every)
    }

    /// The list counts, but what the rows name that could not be read is not refused: that stays in sight.
    fn show_unreadable(&self, rows: Rows) {
        let Rows { total, skipped } = rows;
        self.metrics.unreadable_rows(skipped);
        if skipped == 0 {
            self.health.recover(LIST);
            return;
        }
        let reason = format!(
            "{skipped} of {total} rows of the control plane's list cannot be read: what they name is not refused"
        );
        self.health.degrade(LIST, reason);
    }

    /// How long to wait before an empty list counts. A control plane whose database fails answers 200 and an empty list.
    fn doubtful(&self, rows: Rows, empty_since: &mut Option<Instant>) -> Duration {
        if rows.total > 0 || self.reader.is_complete() {
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
    fn failed(&self, error: &CatchupError, merged: &Merged, failures: u32) -> Duration {
        self.metrics.catchup(outcome(error));
        let wait = match error {
            CatchupError::Unauthorized(_) => {
                error!("Error occurred when retrieving revoked token from control plane: {error}");
                self.timing.unauthorized_retry
            }
            _ => {
                warn!("Error occurred while fetching revoked tokens from control plane: {error}");
                let longest = LONGEST_RETRY.max(self.timing.retry_interval);
                let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
                longest.min(self.timing.retry_interval.saturating_mul(doubled))
            }
        };
        if let CatchupError::Unreadable { rows, .. } = error {
            self.metrics.unreadable_rows(rows.skipped);
        }
        if merged.revocations > 0 {
            let why = match error {
                CatchupError::Unreadable { .. } => "has rows of an unknown form",
                _ => "broke off",
            };
            warn!(
                entries = merged.revocations,
                changed = merged.changed,
                "The list {why}: what it had is kept, and it does not count as read"
            );
        }
        self.health.degrade(LIST, error.to_string());
        wait
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

fn outcome(error: &CatchupError) -> Outcome {
    match error {
        CatchupError::Unauthorized(_) => Outcome::unauthorized,
        CatchupError::Unreadable { .. } => Outcome::unreadable,
        CatchupError::Status(_) | CatchupError::Transport(_) | CatchupError::Body(_) => {
            Outcome::failed
        }
    }
}

#[cfg(test)]
mod tests;
