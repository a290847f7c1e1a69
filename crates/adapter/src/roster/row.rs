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

/// What is known of it, and counts while it is away. Of several streams of one name that are open together it is the
/// weakest, in whatever order they came: all of them are away when the last one ends.
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
    pub(crate) acked: u64,
    pub(crate) first_seen_at: UnixMillis,
    pub(crate) seen_at: UnixMillis,
    /// The same by a steady clock, not written: after a restart the moment of that, since what was written may be older
    /// than what was heard.
    pub(crate) heard_at: Instant,
    /// Its open streams; not written.
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
            first_seen_at: now,
            seen_at: now,
            heard_at: Instant::now(),
            streams: 0,
            dirty: true,
        }
    }

    /// A stream of it is open, and says where it is.
    pub(super) fn opened(&mut self, client: &Client, ledger: &str, acked: u64, now: UnixMillis) {
        self.address = client
            .address
            .map_or_else(String::new, |address| address.to_string());
        let (takes_all, durable) = (takes_all(client), client.method == Method::DeltaRange);
        if self.is_connected() {
            let weaker = (self.takes_all && !takes_all) || (self.durable && !durable);
            if weaker {
                self.method = client.method.name().to_owned();
            }
            self.takes_all &= takes_all;
            self.durable &= durable;
            self.declared = weaker_of(&self.declared, &client.declared);
        } else {
            self.method = client.method.name().to_owned();
            self.takes_all = takes_all;
            self.durable = durable;
            self.declared = client.declared.clone();
            if acked == 0 {
                self.not_enforced = 0;
            }
        }
        self.streams += 1;
        // What an enforcer says that it holds counts, also where it is less than what it held.
        self.acked = acked;
        self.ledger = ledger.to_owned();
        self.seen(now);
    }

    pub(super) fn acked(&mut self, to: u64, now: UnixMillis) {
        self.acked = to;
        // What came of comparing stands until it is compared again; the rest is over with an ACK.
        let over = [ClientState::NotSent, ClientState::Stale, ClientState::Error];
        if over.iter().any(|state| state.name() == self.state) {
            self.state = ClientState::Synced.name().to_owned();
        }
        self.seen(now);
    }

    pub(super) fn closed(&mut self, acked: u64, now: UnixMillis) {
        self.acked = acked;
        self.streams = self.streams.saturating_sub(1);
        self.seen(now);
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
            Some(Proof::Proven) if self.streams <= 1 => 0,
            _ => self.not_enforced.max(status.not_enforced as u64),
        };
        self.dirty = true;
    }

    fn seen(&mut self, now: UnixMillis) {
        self.seen_at = now;
        self.heard_at = Instant::now();
        self.dirty = true;
    }
}

/// Whether a stream takes applications and subjects, not tokens alone.
pub(super) fn takes_all(client: &Client) -> bool {
    client.audience == Audience::Rescind && client.method != Method::DeltaNames
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
