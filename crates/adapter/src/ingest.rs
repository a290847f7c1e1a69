//! One task owns the ledger's writer: what arrives is committed, then published, then written to the log, then
//! acknowledged.
//!
//! ```text
//! hub ──────> what arrived while the last commit ran ──┐
//!                                                      ├─> commit ──> head moves ──> log lines ──> acknowledgement
//! catch-up ─> one group of the list ───────────────────┘     │
//!                     ^ live events go first                 └─ fails: degraded, again until it works
//! ```

use std::sync::Arc;

use anyhow::bail;
use rescind_eventhub::{Delivery, Event, HubMessage, Place, settle_all};
use rescind_revocation::{Revocation, UnixMillis};
use rescind_runtime::{Health, time::unix_now_millis};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

mod group;
mod lines;
mod source;
mod sweep;
mod unknown;
mod unreadable;
mod writer;

use group::Group;
use lines::EventLines;
pub(crate) use source::CaughtUp;
use source::Source;
pub(crate) use sweep::SweepClock;
pub(crate) use unknown::RetainUnknown;
use unreadable::Unreadable;
pub(crate) use writer::Writer;

use crate::{Metrics, catchup::Asked, publication::SourceFlag, roster::Roster};

/// Messages of one commit. One transaction of that size takes some 10 ms, so nobody waits long behind it.
const GROUP: usize = 10_000;

/// The hub's channel: the broker's whole window of unacknowledged deliveries fits in.
pub(crate) const HUB_MESSAGES: usize = 1024;

/// Commands wait for their answers, so their senders are few.
pub(crate) const COMMANDS: usize = 4;

/// How often it is stored that the source is good.
const SOURCE_GOOD: Duration = Duration::from_secs(60);

/// How often the ledger is looked after: what expired is dropped, small rows are joined.
const UPKEEP: Duration = Duration::from_secs(1);

/// Rows that are joined in one go, each in a commit of at most 10 000 entries; live events go between.
const JOINS: usize = 4;

/// How long the upkeep rests after it could not write.
const UPKEEP_RETRY: Duration = Duration::from_secs(30);

/// The health conditions that this task answers for.
pub(crate) const HUB: &str = "event hub";
pub(crate) const COMPLETE: &str = "completeness";

/// What others ask of the writer.
#[derive(Debug)]
pub(crate) enum Command {
    /// Take in a part of the list, which is where the text says. Answered with what was new, once that is durable and
    /// published.
    Merge(Vec<Revocation>, Arc<str>, oneshot::Sender<usize>),
    /// The whole list is in. Answered once that is durable and published.
    Complete(CaughtUp, oneshot::Sender<()>),
    /// The ledger is an old copy of itself.
    SetBack,
}

/// The task.
#[derive(Debug)]
pub(crate) struct Ingest {
    writer: Writer,
    /// `None` without a hub.
    hub: Option<mpsc::Receiver<HubMessage>>,
    commands: mpsc::Receiver<Command>,
    catchup: Asked,
    sweep: SweepClock,
    retain_unknown: RetainUnknown,
    health: Health,
    metrics: Arc<Metrics>,
    lines: EventLines,
    unreadable: Unreadable,
    source: Source,
    /// Hears whether the source is good.
    told: SourceFlag,
    /// Hears what was published; `None` in tests.
    roster: Option<Roster>,
    /// The upkeep rests until then.
    upkeep_rests: Option<Instant>,
}

impl Ingest {
    pub(crate) fn new(
        writer: Writer,
        hub: Option<mpsc::Receiver<HubMessage>>,
        commands: mpsc::Receiver<Command>,
        catchup: Asked,
        sweep: SweepClock,
        health: Health,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            writer,
            hub,
            commands,
            catchup,
            sweep,
            retain_unknown: RetainUnknown::default(),
            health,
            metrics,
            lines: EventLines::default(),
            unreadable: Unreadable::default(),
            source: Source::default(),
            told: SourceFlag::default(),
            roster: None,
            upkeep_rests: None,
        }
    }

    /// Tells `flag` whether the source is good, and `roster` what was published.
    pub(crate) fn telling(self, flag: SourceFlag, roster: Roster) -> Self {
        Self {
            told: flag,
            roster: Some(roster),
            ..self
        }
    }

    /// Keeps what has no known expiry for so long.
    pub(crate) fn retaining_unknown(self, retain_unknown: RetainUnknown) -> Self {
        Self {
            retain_unknown,
            ..self
        }
    }

    /// Runs until `cancel`. An error is one that only a new start can mend.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> anyhow::Result<()> {
        let mut minutes = interval(SOURCE_GOOD);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut upkeep = interval(UPKEEP);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut messages = Vec::new();
        loop {
            let due = self.unreadable.due();
            tokio::select! {
                // Live events go before the list, whatever else is there.
                biased;
                () = cancel.cancelled() => return Ok(()),
                received = receive(&mut self.hub, &mut messages) => {
                    if received == 0 && !cancel.is_cancelled() {
                        bail!("the subscription to the event hub has ended");
                    }
                    self.take(std::mem::take(&mut messages), &cancel).await?;
                    // A hub that is never silent must not keep the list out.
                    if let Ok(command) = self.commands.try_recv() {
                        self.command(command, &cancel).await?;
                    }
                }
                Some(command) = self.commands.recv() => self.command(command, &cancel).await?,
                _ = minutes.tick() => self.source_good(Instant::now()).await?,
                _ = upkeep.tick() => self.upkeep().await?,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.unreadable.flush(Instant::now());
                }
            }
        }
    }

    /// Takes in what the hub brought: one group.
    async fn take(
        &mut self,
        messages: Vec<HubMessage>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut group = Group::default();
        for message in messages {
            match message {
                HubMessage::Delivery(delivery) => group.take(delivery),
                HubMessage::Subscribed { place, endpoint } => self.subscribed(place, &endpoint),
                HubMessage::Lost { place, reason, at } => {
                    // Until then it was good: its age must not count from the last full minute, nor from now, which is
                    // long after where commits had to wait.
                    self.source_good(at).await?;
                    self.source.lost(place, reason);
                    self.show_source();
                }
            }
        }
        let Group {
            revocations,
            deliveries,
        } = group;
        if deliveries.is_empty() {
            return Ok(());
        }
        self.metrics.events.inc_by(deliveries.len() as u64);
        let mut changed = 0;
        for (source, revocations) in revocations {
            let source = format!("event hub {source}").into();
            match self.append(revocations, source, cancel).await? {
                Some(more) => changed += more,
                None => return Ok(()),
            }
        }
        let now = Instant::now();
        if let Some(roster) = self.roster.as_ref().filter(|_| changed > 0) {
            let first = deliveries.iter().map(|delivery| delivery.received_at).min();
            let received = first.unwrap_or(now).into_std();
            roster.published(self.writer.head().sequence, received);
        }
        for delivery in &deliveries {
            let waited = now.saturating_duration_since(delivery.received_at);
            self.metrics
                .publication_seconds
                .observe(waited.as_secs_f64());
        }
        self.tell(&deliveries, now);
        self.published(changed);
        settle_all(deliveries).await;
        Ok(())
    }

    /// Commits and publishes. `None` when cancelled. What holds nothing to commit does not wait for the disk.
    async fn append(
        &mut self,
        mut revocations: Vec<Revocation>,
        source: Arc<str>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<usize>> {
        if revocations.is_empty() {
            return Ok(Some(0));
        }
        // Once, and not again with each attempt: what a failed commit has written all the same must be the same.
        self.retain_unknown
            .apply(&mut revocations, &self.writer.reader());
        self.writer
            .append(Arc::new(revocations), source, cancel)
            .await
    }

    async fn command(
        &mut self,
        command: Command,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        // Whoever asked may be gone by the time of the answer: the process is ending.
        match command {
            Command::Merge(revocations, source, answer) => {
                if let Some(changed) = self.append(revocations, source, cancel).await? {
                    self.published(changed);
                    let _ = answer.send(changed);
                }
            }
            Command::Complete(caught_up, answer) => {
                if self.complete(caught_up, cancel).await? {
                    let _ = answer.send(());
                }
            }
            // Without a control plane there is nobody to ask.
            Command::SetBack if self.writer.is_complete_by_itself() => {}
            Command::SetBack => {
                // Its readers know it also where it cannot be stored.
                let _ = self
                    .writer
                    .try_write(|ledger| ledger.mark_incomplete())
                    .await?;
                self.health.degrade(
                    COMPLETE,
                    "the ledger was set back to an old copy; waiting for the control plane's list",
                );
                self.catchup.ask();
            }
        }
        Ok(())
    }

    /// The list is in: the ledger is complete. `false` when cancelled.
    async fn complete(
        &mut self,
        caught_up: CaughtUp,
        cancel: &CancellationToken,
    ) -> anyhow::Result<bool> {
        self.source.caught_up(caught_up);
        self.told.set(self.source.is_good());
        // What was revoked since the reading began may be missing where no subscription brings it. What waits may be that
        // one was lost.
        let good = if self.source.is_good() && !self.hub_waits() {
            now()
        } else {
            caught_up.began
        };
        let marked = self
            .writer
            .write(move |ledger| ledger.mark_complete(good), cancel);
        let marked = marked.await?.is_some();
        if marked {
            self.health.recover(COMPLETE);
        }
        Ok(marked)
    }

    fn subscribed(&mut self, place: Place, endpoint: &str) {
        info!(endpoint, "Subscribed to the event hub");
        self.catchup.subscribed();
        self.source.subscribed(place, self.catchup.subscriptions());
        self.show_source();
    }

    fn hub_waits(&self) -> bool {
        self.hub.as_ref().is_some_and(|hub| !hub.is_empty())
    }

    fn show_source(&self) {
        self.told.set(self.source.is_good());
        match self.source.trouble() {
            Some(reason) => self.health.degrade(HUB, reason),
            None => self.health.recover(HUB),
        }
    }

    /// The lines for the events of a group.
    fn tell(&mut self, deliveries: &[Delivery], now: Instant) {
        let mut kinds = Vec::new();
        for delivery in deliveries {
            match &delivery.event {
                Ok(Event::Revoked {
                    kind_name,
                    revocation,
                }) => {
                    kinds.push(&**kind_name);
                    let identifier = revocation.identifier();
                    debug!("RevokedToken: {identifier}, Token Type: {kind_name}");
                }
                Ok(Event::Refetch { kind_name }) => {
                    kinds.push(&**kind_name);
                    self.catchup.ask();
                }
                Err(error) => self.unreadable.record(error, now),
            }
        }
        for line in self.lines.of(&kinds, now) {
            info!("{line}");
        }
    }

    /// The line that operators know, once for each group that changed something.
    fn published(&self, changed: usize) {
        if changed > 0 {
            let version = self.writer.head().sequence;
            info!(
                "New Revoked token cache update for the label: commonEnforcerLabel version: {version}"
            );
        }
    }

    /// Stores that the source was good at `at`, where it is not known to be lost.
    async fn source_good(&mut self, at: Instant) -> anyhow::Result<()> {
        if self.source.is_good() {
            let good = ago(at.elapsed());
            let stored = self
                .writer
                .try_write(move |ledger| ledger.source_good(good))
                .await?;
            if let Err(error) = stored {
                warn!(error = %error, "Cannot store that the source is good");
            }
        }
        Ok(())
    }

    /// Drops what expired and joins small rows, a little at a time.
    async fn upkeep(&mut self) -> anyhow::Result<()> {
        let rests = self
            .upkeep_rests
            .is_some_and(|until| Instant::now() < until);
        if rests {
            return Ok(());
        }
        let horizon = self.sweep.horizon(now(), Instant::now());
        let kept = self.writer.keep_up(horizon, JOINS).await?;
        self.upkeep_rests = match kept {
            Ok(()) => None,
            Err(()) => Some(Instant::now() + UPKEEP_RETRY),
        };
        Ok(())
    }
}

/// Waits for messages and takes all that are there. 0 when the hub's task is gone.
async fn receive(
    hub: &mut Option<mpsc::Receiver<HubMessage>>,
    messages: &mut Vec<HubMessage>,
) -> usize {
    match hub {
        Some(hub) => hub.recv_many(messages, GROUP).await,
        None => std::future::pending().await,
    }
}

fn ago(elapsed: Duration) -> UnixMillis {
    let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(now().0.saturating_sub(elapsed))
}

fn now() -> UnixMillis {
    UnixMillis(unix_now_millis())
}

#[cfg(test)]
mod tests;
