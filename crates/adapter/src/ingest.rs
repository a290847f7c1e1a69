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
use rescind_eventhub::{Delivery, Event, HubMessage, settle_all};
use rescind_revocation::{Revocation, UnixMillis};
use rescind_runtime::{Health, time::unix_now_millis};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Duration, Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

mod lines;
mod unreadable;
mod writer;

use lines::EventLines;
use unreadable::Unreadable;
pub(crate) use writer::Writer;

use crate::Metrics;

/// Entries of one commit. One transaction of that size takes some 10 ms, so nobody waits long behind it.
pub(crate) const GROUP: usize = 10_000;

/// The hub's channel: the broker's whole window of unacknowledged deliveries fits in.
pub(crate) const HUB_MESSAGES: usize = 1024;

/// Commands wait for their answers, so their senders are few.
pub(crate) const COMMANDS: usize = 4;

/// How often it is stored that the source is good.
const SOURCE_GOOD: Duration = Duration::from_secs(60);

/// The health conditions that this task answers for.
pub(crate) const HUB: &str = "event hub";
pub(crate) const COMPLETE: &str = "completeness";

/// What others ask of the writer.
#[derive(Debug)]
pub(crate) enum Command {
    /// Take in a part of the list. Answered with what was new, once that is durable and published.
    Merge(Vec<Revocation>, oneshot::Sender<usize>),
    /// The whole list is in. Answered once that is durable and published.
    Complete(oneshot::Sender<()>),
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
    catchup: Arc<Notify>,
    health: Health,
    metrics: Arc<Metrics>,
    lines: EventLines,
    unreadable: Unreadable,
    source: SourceState,
}

/// Whether the source is good: a subscription stands, and the list was read since it does.
#[derive(Debug, Default)]
struct SourceState {
    subscribed: bool,
    caught_up: bool,
}

/// What the messages of one group hold.
#[derive(Debug, Default)]
struct Group {
    revocations: Vec<Revocation>,
    deliveries: Vec<Delivery>,
}

impl Ingest {
    pub(crate) fn new(
        writer: Writer,
        hub: Option<mpsc::Receiver<HubMessage>>,
        commands: mpsc::Receiver<Command>,
        catchup: Arc<Notify>,
        health: Health,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            writer,
            hub,
            commands,
            catchup,
            health,
            metrics,
            lines: EventLines::default(),
            unreadable: Unreadable::default(),
            source: SourceState::default(),
        }
    }

    /// Runs until `cancel`. An error is one that only a new start can mend.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> anyhow::Result<()> {
        let mut minutes = interval(SOURCE_GOOD);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                _ = minutes.tick() => self.source_good().await?,
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
                HubMessage::Subscribed { endpoint } => self.subscribed(&endpoint),
                HubMessage::Lost { reason } => self.lost(reason),
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
        let Some(changed) = self.append(revocations, cancel).await? else {
            return Ok(());
        };
        let now = Instant::now();
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
        revocations: Vec<Revocation>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Option<usize>> {
        if revocations.is_empty() {
            return Ok(Some(0));
        }
        self.writer.append(Arc::new(revocations), cancel).await
    }

    async fn command(
        &mut self,
        command: Command,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        // Whoever asked may be gone by the time of the answer: the process is ending.
        match command {
            Command::Merge(revocations, answer) => {
                if let Some(changed) = self.append(revocations, cancel).await? {
                    self.published(changed);
                    let _ = answer.send(changed);
                }
            }
            Command::Complete(answer) => {
                let now = now();
                let marked = self
                    .writer
                    .write(move |ledger| ledger.mark_complete(now), cancel);
                if marked.await?.is_some() {
                    self.source.caught_up = true;
                    self.health.recover(COMPLETE);
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
                self.catchup.notify_one();
            }
        }
        Ok(())
    }

    fn subscribed(&mut self, endpoint: &str) {
        info!(endpoint, "Subscribed to the event hub");
        self.source = SourceState {
            subscribed: true,
            caught_up: false,
        };
        self.health.recover(HUB);
        self.catchup.notify_one();
    }

    fn lost(&mut self, reason: String) {
        self.source = SourceState::default();
        self.health.degrade(HUB, reason);
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
                    self.catchup.notify_one();
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

    async fn source_good(&mut self) -> anyhow::Result<()> {
        if self.source.subscribed && self.source.caught_up {
            let now = now();
            let stored = self
                .writer
                .try_write(move |ledger| ledger.source_good(now))
                .await?;
            if let Err(error) = stored {
                warn!(error = %error, "Cannot store that the source is good");
            }
        }
        Ok(())
    }
}

impl Group {
    fn take(&mut self, delivery: Delivery) {
        if let Ok(Event::Revoked { revocation, .. }) = &delivery.event {
            self.revocations.push(revocation.clone());
        }
        self.deliveries.push(delivery);
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

fn now() -> UnixMillis {
    UnixMillis(unix_now_millis())
}

#[cfg(test)]
mod tests;
