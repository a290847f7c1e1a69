//! The ledger's writer, off the async threads: a commit waits for the disk.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use rescind_ledger::{Cursor, Ledger, LedgerError, LedgerReader, Origin, Swept};
use rescind_revocation::{Revocation, UnixMillis, UnixSeconds};
use rescind_runtime::{Health, time::unix_now_millis};
use rescind_xds::{Head, Position};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::Metrics;

/// The health condition of a ledger that cannot be written to.
const LEDGER: &str = "ledger";

/// Between two attempts at a commit: this, then twice as long each time, up to [`LONGEST_RETRY`]. Room on a disk comes back
/// within seconds or not for a long while.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Writes to the ledger and publishes what is durable.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `None` while a write is at work on another thread.
    ledger: Option<Ledger>,
    reader: LedgerReader,
    head: watch::Sender<Head>,
    /// Without a control plane the ledger is complete by itself.
    complete_by_itself: bool,
    health: Health,
    metrics: Arc<Metrics>,
}

impl Writer {
    pub(crate) fn new(
        ledger: Ledger,
        complete_by_itself: bool,
        health: Health,
        metrics: Arc<Metrics>,
    ) -> Self {
        if !ledger.is_writable() {
            health.degrade(LEDGER, "it cannot be written to; the log says why");
        }
        let writer = Self {
            reader: ledger.reader(),
            ledger: Some(ledger),
            head: watch::Sender::new(Head::default()),
            complete_by_itself,
            health,
            metrics,
        };
        writer.publish();
        writer
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(crate) fn reader(&self) -> LedgerReader {
        self.reader.clone()
    }

    pub(crate) fn is_complete_by_itself(&self) -> bool {
        self.complete_by_itself
    }

    /// The durable head.
    pub(crate) fn head(&self) -> Cursor {
        self.reader.head()
    }

    /// Commits one group that came from `source`, again and again until it works, and publishes it. How many revocations
    /// said something new; `None` when cancelled, and then nothing was committed.
    pub(crate) async fn append(
        &mut self,
        group: Arc<Vec<Revocation>>,
        source: Arc<str>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<usize>> {
        let append = move |ledger: &mut Ledger| {
            let origin = Origin {
                at: UnixMillis(unix_now_millis()),
                source: source.to_string(),
            };
            ledger.append_from(&group, &origin)
        };
        let appended = self.write(append, cancel).await?;
        Ok(appended.map(|appended| {
            self.metrics.changes.inc_by(appended.changed as u64);
            appended.changed
        }))
    }

    /// Writes, again and again until it works, and publishes. `None` when cancelled.
    pub(crate) async fn write<T: Send + 'static>(
        &mut self,
        write: impl Fn(&mut Ledger) -> Result<T, LedgerError> + Clone + Send + 'static,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<T>> {
        let mut retry = FIRST_RETRY;
        loop {
            match self.try_write(write.clone()).await? {
                Ok(written) => {
                    self.health.recover(LEDGER);
                    return Ok(Some(written));
                }
                // Only a new opening, in a new epoch, can go on from there: this ends the process, and what is not committed
                // is not acknowledged either.
                Err(error) if error.needs_opening() => return Err(error.into()),
                Err(error) => self.failed(error, retry),
            }
            tokio::select! {
                () = cancel.cancelled() => return Ok(None),
                () = sleep(retry) => retry = LONGEST_RETRY.min(retry * 2),
            }
        }
    }

    /// Writes once, and publishes what that changed.
    pub(crate) async fn try_write<T: Send + 'static>(
        &mut self,
        write: impl FnOnce(&mut Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> anyhow::Result<Result<T, LedgerError>> {
        let began = std::time::Instant::now();
        let written = self.on_its_thread(write).await?;
        match &written {
            Ok(_) => {
                self.metrics.commits.inc();
                self.metrics
                    .commit_seconds
                    .observe(began.elapsed().as_secs_f64());
            }
            Err(_) => {
                self.metrics.commit_failures.inc();
            }
        }
        self.publish();
        Ok(written)
    }

    /// Moves the horizon, if it is known where to, and joins at most `joins` runs of rows. `Err` where that could not be
    /// written: it is told, and tried again later.
    pub(crate) async fn keep_up(
        &mut self,
        horizon: Option<UnixSeconds>,
        joins: usize,
    ) -> anyhow::Result<Result<(), ()>> {
        let horizon = horizon.filter(|horizon| *horizon != self.reader.horizon());
        let kept = self
            .on_its_thread(move |ledger| {
                let swept = horizon.map(|horizon| ledger.sweep(horizon)).transpose()?;
                for _ in 0..joins {
                    if !ledger.tidy()? {
                        break;
                    }
                }
                Ok(swept)
            })
            .await?;
        self.publish();
        match kept {
            Ok(swept) => {
                self.health.recover(LEDGER);
                if let Some(Swept { horizon, dropped }) = swept {
                    self.metrics.swept.inc_by(dropped as u64);
                    debug!(%horizon, dropped, "The horizon is moved");
                }
                Ok(Ok(()))
            }
            Err(error) if error.needs_opening() => Err(error.into()),
            Err(error) => {
                self.metrics.commit_failures.inc();
                let reason = format!("{:#}", anyhow::Error::from(error));
                warn!(reason, "Cannot write to the ledger");
                self.health.degrade(LEDGER, reason);
                Ok(Err(()))
            }
        }
    }

    async fn on_its_thread<T: Send + 'static>(
        &mut self,
        write: impl FnOnce(&mut Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> anyhow::Result<Result<T, LedgerError>> {
        let mut ledger = self
            .ledger
            .take()
            .context("the ledger's writer was lost to a cancelled write")?;
        let (ledger, written) = tokio::task::spawn_blocking(move || {
            let written = write(&mut ledger);
            (ledger, written)
        })
        .await
        .context("a write to the ledger panicked")?;
        self.ledger = Some(ledger);
        Ok(written)
    }

    fn failed(&self, error: LedgerError, retry: Duration) {
        let reason = format!("{:#}", anyhow::Error::from(error));
        error!(
            reason,
            retry_seconds = retry.as_secs_f64(),
            "Cannot commit: nothing is acknowledged until it works"
        );
        self.health.degrade(LEDGER, reason);
    }

    /// Moves the head to what is durable, and wakes whoever waits for that.
    fn publish(&self) {
        let head = Head {
            position: Position(self.reader.head().sequence),
            complete: self.complete_by_itself || self.reader.is_complete(),
        };
        self.head
            .send_if_modified(|published| std::mem::replace(published, head) != head);
        self.metrics.entries.set(self.reader.len() as i64);
        self.metrics.head.set(head.position.0.cast_signed());
        self.metrics.complete.set(head.complete.into());
        let horizon = self.reader.horizon().0;
        self.metrics.horizon.set(horizon.cast_signed());
        let good = self.reader.source_good_at().unwrap_or_default().second();
        self.metrics.source_good.set(good.0.cast_signed());
    }
}
