//! One enforcer, whether it is connected or not.

use std::time::Instant;

use rescind_revocation::UnixMillis;
use rescind_xds::{
    Audience,
    server::{Client, ClientState, Declared, Method, Proof, StreamStatus},
};

/// What tells enforcers apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Named {
    /// The name in its certificate.
    pub(crate) identity: String,
    /// Its `instanceIdentifier`; empty where it sends none, and then all such are one row.
    pub(crate) instance: String,
}

/// What is known of it, and counts while it is away. Several may have one name: then it is what the weakest of them has, in
/// whatever order they came and went, until all of them are back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) named: Named,
    pub(crate) address: String,
    pub(crate) method: String,
    /// Whether it takes applications and subjects, not tokens alone.
    pub(crate) takes_all: bool,
    /// Whether what it ACKed outlives its process.
    pub(crate) durable: bool,
    pub(crate) declared: Declared,
    pub(crate) state: String,
    pub(crate) last_error: Option<String>,
    /// Entries that it does not enforce because it refused them.
    pub(crate) not_enforced: u64,
    /// The ledger that `acked` is a place in.
    pub(crate) ledger: String,
    /// Where the one of those that are away is that holds least.
    pub(crate) acked: u64,
    /// Where the one of those that are connected is that holds least.
    pub(crate) lowest: Option<u64>,
    pub(crate) first_seen_at: UnixMillis,
    pub(crate) seen_at: UnixMillis,
    /// The same by a steady clock, not written: after a restart the moment of that, since what was written may be older
    /// than what was heard.
    pub(crate) heard_at: Instant,
    /// Whether it has ever subscribed to all that there is: only then can it hold, or lack, a version.
    pub(crate) subscribes_to_all: bool,
    /// How many of those that subscribe to all under this name are away. Written together with those that are connected:
    /// after a restart all of them are away, and the one that comes first must not stand for the others.
    pub(crate) away: usize,
    /// Those that are connected and do; not written.
    pub(crate) here: usize,
    /// When one of them left last; not written.
    pub(crate) left_at: UnixMillis,
    /// Its open streams, whatever they subscribe to; not written.
    pub(crate) streams: usize,
    /// It has changed since it was written.
    pub(crate) dirty: bool,
}

impl Row {
    pub(super) fn new(id: u64, named: Named, now: UnixMillis) -> Self {
        Self {
            id,
            named,
            address: String::new(),
            method: String::new(),
            takes_all: false,
            durable: false,
            declared: Declared::default(),
            state: ClientState::NotSent.name().to_owned(),
            last_error: None,
            not_enforced: 0,
            ledger: String::new(),
            acked: 0,
            lowest: None,
            first_seen_at: now,
            seen_at: now,
            heard_at: Instant::now(),
            subscribes_to_all: false,
            away: 0,
            here: 0,
            left_at: now,
            streams: 0,
            dirty: true,
        }
    }

    /// A stream of it is open. What it holds counts when it [joins](Self::joined).
    pub(super) fn opened(&mut self, client: &Client, acked: u64, now: UnixMillis) {
        if !self.subscribes_to_all {
            self.describe(client);
            self.acked = acked;
        }
        self.streams += 1;
        self.seen(now);
    }

    /// A stream of it subscribes to all, beside so many others that do. Nobody of them has less than `lowest`.
    pub(super) fn joined(
        &mut self,
        client: &Client,
        others: usize,
        lowest: Option<u64>,
        ledger: &str,
    ) {
        // It is one of those that were away, if there are such. If more than one were, nobody knows which.
        self.away = self.away.saturating_sub(1);
        if self.subscribes_to_all && others + self.away > 0 {
            self.weaken(client);
        } else {
            self.describe(client);
            if lowest == Some(0) {
                self.not_enforced = 0;
            }
        }
        self.lowest = lowest;
        self.subscribes_to_all = true;
        self.here = others + 1;
        self.ledger = ledger.to_owned();
        self.dirty = true;
    }

    fn describe(&mut self, client: &Client) {
        self.address = address(client);
        self.method = client.method.name().to_owned();
        self.takes_all = takes_all(client);
        self.durable = is_durable(client);
        self.declared = client.declared.clone();
    }

    fn weaken(&mut self, client: &Client) {
        let (takes_all, durable) = (takes_all(client), is_durable(client));
        self.address = address(client);
        if (self.takes_all && !takes_all) || (self.durable && !durable) {
            self.method = client.method.name().to_owned();
        }
        self.takes_all &= takes_all;
        self.durable &= durable;
        self.declared = weaker_of(&self.declared, &client.declared);
    }

    /// Of those that are connected and subscribe to all nobody has less than `lowest` now.
    pub(super) fn acked(&mut self, lowest: Option<u64>, now: UnixMillis) {
        self.lowest = lowest;
        self.answered(now);
    }

    /// Where all of them are that are, or after a restart would be, away.
    pub(super) fn weakest(&self) -> u64 {
        match self.lowest {
            Some(lowest) if self.away > 0 => self.acked.min(lowest),
            Some(lowest) => lowest,
            None => self.acked,
        }
    }

    /// The same without a word from any of them.
    pub(super) fn passed(&mut self, lowest: Option<u64>) {
        self.lowest = lowest;
        self.dirty = true;
    }

    /// One that takes a part has answered.
    pub(super) fn acked_a_part(&mut self, to: u64, now: UnixMillis) {
        if self.subscribes_to_all {
            return self.seen(now);
        }
        self.acked = to;
        self.answered(now);
    }

    fn answered(&mut self, now: UnixMillis) {
        // What came of comparing stands until it is compared again; the rest is over with an ACK.
        let over = [ClientState::NotSent, ClientState::Stale, ClientState::Error];
        if over.iter().any(|state| state.name() == self.state) {
            self.state = ClientState::Synced.name().to_owned();
        }
        self.seen(now);
    }

    /// Where one is that counts as back when the next one joins, if it might be one of the `others` that came again.
    pub(super) fn away_beside(&self, others: usize) -> Option<u64> {
        (others > 0 && self.away > 0).then_some(self.acked)
    }

    /// One of those that subscribe to all has ended; where one is `away` now, if it did not come again already. So many
    /// are still here, and nobody of them has less.
    pub(super) fn left(
        &mut self,
        away: Option<u64>,
        (here, lowest): (usize, Option<u64>),
        now: UnixMillis,
    ) {
        if let Some(away) = away {
            self.acked = match self.away {
                0 => away,
                _ => self.acked.min(away),
            };
            self.away += 1;
            self.left_at = now;
        }
        (self.here, self.lowest) = (here, lowest);
        self.seen(now);
    }

    pub(super) fn closed(&mut self, now: UnixMillis) {
        self.streams = self.streams.saturating_sub(1);
        self.seen(now);
    }

    /// Those that are away are gone for good; whether others of them are `here`.
    pub(super) fn forget_away(&mut self, here: bool) {
        self.away = 0;
        self.subscribes_to_all &= here;
        self.dirty = true;
    }

    /// Whether a stream of it is open.
    pub(crate) fn is_connected(&self) -> bool {
        self.streams > 0
    }

    pub(super) fn changed(&mut self, status: &StreamStatus) {
        self.state = status.state.name().to_owned();
        self.last_error.clone_from(&status.last_error);
        // Who holds exactly what is here has taken what it once refused, and speaks for nobody else of its name.
        self.not_enforced = match status.proof {
            Some(Proof::Proven) if self.streams <= 1 && self.away == 0 => 0,
            _ => self.not_enforced.max(status.not_enforced as u64),
        };
        self.dirty = true;
    }

    pub(super) fn seen(&mut self, now: UnixMillis) {
        self.seen_at = now;
        self.heard_at = Instant::now();
        self.dirty = true;
    }
}

/// Whether a stream takes applications and subjects, not tokens alone.
pub(super) fn takes_all(client: &Client) -> bool {
    client.audience == Audience::Rescind && client.method != Method::DeltaNames
}

/// Whether what it ACKed outlives its process.
fn is_durable(client: &Client) -> bool {
    client.method == Method::DeltaRange
}

fn address(client: &Client) -> String {
    let address = client.address;
    address.map_or_else(String::new, |address| address.to_string())
}

/// What holds for two of one name together: what one does not say is not known.
fn weaker_of(one: &Declared, other: &Declared) -> Declared {
    let larger = |one: Option<u64>, other: Option<u64>| Some(one?.max(other?));
    Declared {
        adapters: larger(one.adapters, other.adapters),
        stale_after_s: larger(one.stale_after_s, other.stale_after_s),
        stale_policy: one
            .stale_policy
            .clone()
            .filter(|policy| other.stale_policy.as_ref() == Some(policy)),
    }
}
