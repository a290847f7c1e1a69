//! Whether the other adapters hold the same set: each is asked for its digest and count from the later of both horizons.
//!
//! ```text
//! every 30 s: ask ──> equal                                   ──> so it stands
//!              │       └ different: ask again each 2 s         ──> so it stands, once that has been so for 10 s:
//!              │                                                   what is under way reaches one before the other,
//!              │                                                   see `Pace` for what takes longer
//!              └──> no answer: not reachable; nothing is known of its set
//! ```
//!
//! Nothing else depends on a peer: one that is away harms nothing.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rescind_ledger::{Checkpoint, LedgerReader};
use rescind_revocation::UnixSeconds;
use rescind_runtime::time::unix_now_millis;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{LedgerSection, Seconds};

mod client;
mod metrics;
mod service;

pub(crate) use client::PeerClient;
use client::Statement;
pub(crate) use metrics::PeerMetrics;
pub(crate) use service::{Statements, service};

/// When a peer is asked, and when a difference counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    every: Duration,
    /// While it seems to differ.
    again: Duration,
    /// For how long it must, to be said to.
    settle: Duration,
    /// The same while there are as many entries here as there, which differ in their ends alone, most likely.
    settle_ends: Duration,
}

impl Pace {
    /// For ledgers that are kept so.
    pub(crate) fn of(ledger: &LedgerSection) -> Self {
        match ledger.retain_unknown {
            Seconds(0) => Self::default(),
            _ => Self::moving_ends(),
        }
    }

    /// Where what has no known expiry is given an end: each adapter moves those when it reads the list, every five minutes,
    /// and not when the other one does.
    fn moving_ends() -> Self {
        Self {
            settle_ends: Duration::from_secs(600),
            ..Self::default()
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(30),
            again: Duration::from_secs(2),
            settle: Duration::from_secs(10),
            settle_ends: Duration::from_secs(10),
        }
    }
}

/// What is known of all peers: a handle, cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peers {
    known: Arc<Mutex<BTreeMap<String, Peer>>>,
    metrics: Arc<PeerMetrics>,
}

/// What is known of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Whether it answered when it was asked last.
    pub(crate) reachable: bool,
    /// Why not.
    pub(crate) error: Option<String>,
    /// What was compared last, since it is reachable.
    pub(crate) compared: Option<Compared>,
    /// Milliseconds since the epoch since when the sets differ.
    pub(crate) differs_since: Option<u64>,
}

/// Two statements about the same part of both sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    /// When, in milliseconds since the epoch.
    pub(crate) at: u64,
    /// The peer's ledger.
    pub(crate) ledger: String,
    /// Where that ends.
    pub(crate) cursor: String,
    /// Whether the peer's set may be called whole.
    pub(crate) complete: bool,
    /// From this second of expiry on both were looked at.
    pub(crate) horizon: UnixSeconds,
    /// Entries here and there.
    pub(crate) ours: u64,
    pub(crate) theirs: u64,
    /// Whether digest and count are the same. A difference counts only when it stands.
    pub(crate) equal: bool,
}

impl Peers {
    pub(crate) fn new(addresses: &[String], metrics: Arc<PeerMetrics>) -> Self {
        let known = addresses.iter().map(|peer| (peer.clone(), Peer::default()));
        Self {
            known: Arc::new(Mutex::new(known.collect())),
            metrics,
        }
    }

    /// Each, by its address.
    pub(crate) fn all(&self) -> BTreeMap<String, Peer> {
        self.known().clone()
    }

    fn set(&self, address: &str, peer: Peer) {
        self.metrics.show(address, &peer);
        self.known().insert(address.to_owned(), peer);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Peer>> {
        // One map operation at a time: a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks one peer, for ever. One task for each.
#[derive(Debug)]
pub(crate) struct PeerTask {
    pub(crate) client: PeerClient,
    pub(crate) peers: Peers,
    pub(crate) reader: LedgerReader,
    pub(crate) pace: Pace,
}

/// What was seen of a peer so far.
#[derive(Debug, Default)]
struct Seen {
    peer: Peer,
    /// Since when every answer differed.
    different: Option<(Instant, u64)>,
    /// The same of how many entries there are.
    more_or_less: Option<Instant>,
    /// The first answer, or the first failure, is told.
    asked: bool,
}

impl Seen {
    /// Since when the sets differ, by the wall clock, once that has been so for long enough; `None` before.
    fn differs(&mut self, compared: &Compared, pace: Pace, now: Instant) -> Option<u64> {
        let (since, at) = *self.different.get_or_insert((now, compared.at));
        if compared.ours == compared.theirs {
            self.more_or_less = None;
        } else {
            self.more_or_less.get_or_insert(now);
        }
        let has_been = |since, settle| now.saturating_duration_since(since) >= settle;
        let stands = has_been(since, pace.settle_ends)
            || self
                .more_or_less
                .is_some_and(|since| has_been(since, pace.settle));
        stands.then_some(at)
    }
}

impl PeerTask {
    /// Runs until `cancel`.
    pub(crate) async fn run(self, cancel: CancellationToken) -> anyhow::Result<()> {
        cancel.run_until_cancelled(self.for_ever()).await;
        Ok(())
    }

    async fn for_ever(self) {
        let mut seen = Seen::default();
        loop {
            let wait = match self.client.ask(self.reader.horizon()).await {
                Ok(statement) => self.answered(statement, &mut seen),
                Err(error) => self.failed(&error, &mut seen),
            };
            seen.asked = true;
            self.peers.set(self.client.address(), seen.peer.clone());
            sleep(wait).await;
        }
    }

    /// Compares. How long to wait before the next.
    fn answered(&self, theirs: Statement, seen: &mut Seen) -> Duration {
        let peer = self.client.address();
        if !seen.peer.reachable {
            info!(peer, "The other adapter answers");
        }
        seen.peer.reachable = true;
        seen.peer.error = None;
        let ours = self.reader.checkpoint_from(theirs.horizon);
        if ours.horizon != theirs.horizon {
            // Our horizon has moved meanwhile.
            return self.pace.again;
        }
        let (compared, now) = (compare(&ours, theirs), Instant::now());
        if compared.equal {
            if seen.peer.differs_since.take().is_some() {
                info!(peer, "The other adapter holds the same set again");
            }
            (seen.different, seen.more_or_less) = (None, None);
            seen.peer.compared = Some(compared);
            return self.pace.every;
        }
        let Some(at) = seen.differs(&compared, self.pace, now) else {
            return self.pace.again;
        };
        if seen.peer.differs_since.is_none() {
            let (here, there) = (compared.ours, compared.theirs);
            warn!(peer, here, there, "The other adapter holds another set");
        }
        seen.peer.differs_since = Some(at);
        seen.peer.compared = Some(compared);
        self.pace.every
    }

    fn failed(&self, error: &dyn fmt::Display, seen: &mut Seen) -> Duration {
        let reason = error.to_string();
        let peer = self.client.address();
        if seen.peer.reachable || !seen.asked {
            warn!(peer, reason, "The other adapter does not answer");
        }
        *seen = Seen {
            peer: Peer {
                error: Some(reason),
                ..Peer::default()
            },
            ..Seen::default()
        };
        self.pace.every
    }
}

fn compare(ours: &Checkpoint, theirs: Statement) -> Compared {
    Compared {
        at: unix_now_millis(),
        equal: (ours.digest, ours.entries) == (theirs.digest, theirs.entries),
        ours: ours.entries,
        theirs: theirs.entries,
        horizon: theirs.horizon,
        ledger: theirs.ledger,
        cursor: theirs.cursor,
        complete: theirs.complete,
    }
}

#[cfg(test)]
mod tests;
