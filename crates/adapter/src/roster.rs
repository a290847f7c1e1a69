//! Who subscribes here, and how far each of them is: the receipts.
//!
//! A row is one enforcer: the name in its certificate and its `instanceIdentifier`. Rows outlive streams and restarts, so
//! that "dead everywhere" counts those that are away too. The streams tell each ACK; a task writes what has changed.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rescind_ledger::LedgerReader;
use rescind_revocation::UnixMillis;
use rescind_runtime::time::unix_now_millis;
use rescind_xds::server::{Client, Method};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

mod pending;
mod places;
mod row;
mod standing;
mod store;
mod watch;

use pending::Pending;
use places::Places;
pub(crate) use row::{Named, Row};
pub(crate) use standing::{Asked, Receipt, Standing};
pub(crate) use store::{Store, StoreError};

use crate::Metrics;

/// How often changed rows are written.
const WRITE: Duration = Duration::from_secs(1);

/// How often it is looked who has been away for too long.
const FORGET: Duration = Duration::from_secs(3600);

/// Rows of one certificate identity. Beyond that whoever is away longest is forgotten.
const ROWS: usize = 10_000;

/// The receipts. A clone is the same roster.
#[derive(Debug, Clone)]
pub(crate) struct Roster(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The rows that were written before could not be read: somebody may be away whom nobody knows.
    forgetful: bool,
    reader: LedgerReader,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    rows: HashMap<u64, Row>,
    ids: HashMap<Named, u64>,
    next_id: u64,
    live: HashMap<u64, Live>,
    /// By row.
    places: HashMap<u64, Places>,
    pending: Pending,
    forgotten: Vec<u64>,
}

/// An open stream.
#[derive(Debug, Clone, Copy)]
struct Live {
    stream: u64,
    row: u64,
    acked: u64,
    /// Up to here it came without a word, the last time that it did: it is no time to an ACK.
    passed: u64,
    /// Where the head was when it opened: what was published before is not counted as pushed to it.
    head: u64,
    method: Method,
    /// Whether it takes applications and subjects: two parts of one name may differ in that.
    takes_all: bool,
    subscription: Subscription,
    address: Option<SocketAddr>,
    opened_at: Instant,
    /// When it answered last.
    heard_at: Instant,
}

impl Live {
    /// Whether its client may have come again by `later`: nothing was heard of it since that opened.
    fn may_be_again(&self, later: &Self) -> bool {
        self.row == later.row
            && self.subscription != Subscription::Part
            && self.method == later.method
            && self.heard_at < later.opened_at
    }
}

/// What a stream asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    /// All that there is.
    All,
    /// It did, and then left that: what its client held it may have dropped.
    Left,
    /// Checkpoints, or some names, and never more. It says nothing of what its client enforces.
    Part,
}

/// Why a row cannot be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forget {
    Done,
    Unknown,
    /// It is connected now.
    Connected,
}

impl Roster {
    /// Goes on with the rows that were written before. Places in another ledger say nothing about this one.
    pub(crate) fn new(rows: Vec<Row>, reader: LedgerReader, metrics: Arc<Metrics>) -> Self {
        Self::with(State::going_on(rows, &reader), false, reader, metrics)
    }

    /// Knows nobody who is away: what was written before cannot be read.
    pub(crate) fn forgetful(reader: LedgerReader, metrics: Arc<Metrics>) -> Self {
        Self::with(State::default(), true, reader, metrics)
    }

    fn with(state: State, forgetful: bool, reader: LedgerReader, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            forgetful,
            reader,
            metrics,
        }))
    }

    /// Whether somebody may be away whom it does not know: then nothing is everywhere.
    pub(crate) fn is_forgetful(&self) -> bool {
        self.0.forgetful
    }

    /// The ledger has published what it received at `received_at`; its head is at `position`.
    pub(crate) fn published(&self, position: u64, received_at: Instant) {
        let mut state = self.state();
        let State { live, pending, .. } = &mut *state;
        let all = live
            .values()
            .filter(|stream| stream.subscription == Subscription::All);
        pending.publish(position, received_at, all.copied());
        self.observe(pending);
    }

    /// The same for what the head has reached by now.
    pub(crate) fn published_now(&self, received_at: Instant) {
        self.published(self.0.reader.head().sequence, received_at);
    }

    /// Every row with the receipts of its streams for what was `asked`.
    pub(crate) fn receipts(&self, asked: Option<Asked>) -> Vec<Receipt> {
        self.receipts_at(asked, Instant::now())
    }

    fn receipts_at(&self, asked: Option<Asked>, now: Instant) -> Vec<Receipt> {
        let state = self.state();
        let mut live: HashMap<u64, Vec<Live>> = HashMap::new();
        for stream in state.live.values() {
            live.entry(stream.row).or_default().push(*stream);
        }
        let mut receipts = Vec::with_capacity(state.rows.len());
        for row in state.rows.values() {
            let live = live.get(&row.id).map_or(&[][..], Vec::as_slice);
            receipts.extend(standing::receipts(row, live, asked, now));
        }
        drop(state);
        receipts.sort_by(|one, other| one.row.named.cmp(&other.row.named));
        receipts
    }

    /// Forgets a row; of one that is connected, those of its name that are away.
    pub(crate) fn forget(&self, id: u64) -> Forget {
        let mut state = self.state();
        let State { rows, places, .. } = &mut *state;
        let Some(row) = rows.get_mut(&id) else {
            return Forget::Unknown;
        };
        if !row.is_connected() {
            state.remove(id);
            return Forget::Done;
        }
        if row.away == 0 {
            return Forget::Connected;
        }
        row.forget_away(places.contains_key(&id));
        Forget::Done
    }

    /// Writes what changes, and forgets who has been away for longer than `away`, until `cancel`.
    pub(crate) async fn keep(
        self,
        store: Store,
        away: Duration,
        cancel: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut writes = tokio::time::interval(WRITE);
        let mut forgets = tokio::time::interval(FORGET);
        let mut store = Some(store);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = writes.tick() => {}
                _ = forgets.tick() => self.forget_who_is_away(away),
            }
            self.write(&mut store).await;
        }
        self.write(&mut store).await;
        Ok(())
    }

    async fn write(&self, store: &mut Option<Store>) {
        let (rows, forgotten) = self.state().changed();
        if rows.is_empty() && forgotten.is_empty() {
            return;
        }
        let Some(mut writer) = store.take() else {
            return;
        };
        let written = tokio::task::spawn_blocking(move || {
            let written = writer.write(&rows, &forgotten);
            (writer, written, rows, forgotten)
        });
        let Ok((writer, written, rows, forgotten)) = written.await else {
            return warn!("The roster is written no more: its writer has failed");
        };
        *store = Some(writer);
        if let Err(error) = written {
            warn!(%error, "The roster cannot be written; tried again");
            self.state().again(rows, forgotten);
        }
    }

    fn forget_who_is_away(&self, away: Duration) {
        let now = unix_now_millis();
        let away = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
        let mut state = self.state();
        let gone: Vec<_> = state
            .rows
            .values()
            .filter(|row| now.saturating_sub(row.seen_at.0) > away)
            .filter(|row| !row.is_connected())
            .map(|row| row.id)
            .collect();
        let State { rows, places, .. } = &mut *state;
        for row in rows.values_mut() {
            if row.is_connected() && row.away > 0 && now.saturating_sub(row.left_at.0) > away {
                row.forget_away(places.contains_key(&row.id));
            }
        }
        for id in gone {
            if let Some(row) = state.remove(id) {
                info!(
                    identity = row.named.identity,
                    instance = row.named.instance,
                    "Enforcer forgotten: it has been away for too long"
                );
            }
        }
    }

    /// Takes what the pending events have come to into the metrics.
    fn observe(&self, pending: &mut Pending) {
        for took in pending.delivered() {
            self.0.metrics.delivery_seconds.observe(took.as_secs_f64());
        }
        for took in pending.completed() {
            self.0.metrics.last_ack_seconds.observe(took.as_secs_f64());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn going_on(rows: Vec<Row>, reader: &LedgerReader) -> Self {
        let mut state = Self::default();
        let (ledger, head) = (reader.ledger_id().to_string(), reader.head().sequence);
        for mut row in rows {
            if row.ledger != ledger || row.acked > head {
                row.ledger.clone_from(&ledger);
                row.acked = 0;
            }
            state.next_id = state.next_id.max(row.id + 1);
            state.ids.insert(row.named.clone(), row.id);
            state.rows.insert(row.id, row);
        }
        state
    }

    /// The row of a client, made where there is none.
    fn row_of(&mut self, client: &Client, now: UnixMillis) -> u64 {
        let named = Named {
            identity: client.identity.clone(),
            instance: client.instance.clone(),
        };
        if let Some(id) = self.ids.get(&named) {
            return *id;
        }
        self.make_room(&named.identity);
        let id = self.next_id;
        self.next_id += 1;
        self.ids.insert(named.clone(), id);
        self.rows.insert(id, Row::new(id, named, now));
        id
    }

    /// One identity does not fill the roster.
    fn make_room(&mut self, identity: &str) {
        if self.rows.len() < ROWS {
            return;
        }
        let own = |row: &&Row| row.named.identity == identity;
        if self.rows.values().filter(own).count() < ROWS {
            return;
        }
        let away = self
            .rows
            .values()
            .filter(own)
            .filter(|row| !row.is_connected());
        if let Some(id) = away.min_by_key(|row| row.seen_at).map(|row| row.id) {
            self.remove(id);
            warn!(
                identity,
                "More than {ROWS} enforcers of one certificate: the one away longest is forgotten"
            );
        }
    }

    fn remove(&mut self, id: u64) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        self.ids.remove(&row.named);
        self.forgotten.push(id);
        Some(row)
    }

    /// What is to be written.
    fn changed(&mut self) -> (Vec<Row>, Vec<u64>) {
        let rows = self.rows.values_mut().filter(|row| row.dirty);
        let rows = rows.map(|row| {
            row.dirty = false;
            row.clone()
        });
        (rows.collect(), std::mem::take(&mut self.forgotten))
    }

    /// It was not written.
    fn again(&mut self, rows: Vec<Row>, forgotten: Vec<u64>) {
        for row in rows {
            if let Some(row) = self.rows.get_mut(&row.id) {
                row.dirty = true;
            }
        }
        self.forgotten.extend(forgotten);
    }
}

#[cfg(test)]
mod tests;
