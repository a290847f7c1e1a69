//! One enforcer, whether it is connected or not.

use rescind_revocation::UnixMillis;
use rescind_xds::server::{Client, ClientState, Declared, Method, Proof, StreamStatus};

use super::takes_all;

/// What tells enforcers apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Named {
    /// The name in its certificate.
    pub(crate) identity: String,
    /// Its `instanceIdentifier`; empty where it sends none, and then all such are one row.
    pub(crate) instance: String,
}

/// What is known of it.
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
            dirty: true,
        }
    }

    /// A stream of it is open, and says where it is.
    pub(super) fn opened(&mut self, client: &Client, ledger: &str, acked: u64, now: UnixMillis) {
        self.address = client
            .address
            .map_or_else(String::new, |address| address.to_string());
        self.method = client.method.name().to_owned();
        self.takes_all = takes_all(client.audience) && client.method != Method::DeltaNames;
        self.durable = client.method == Method::DeltaRange;
        self.declared = client.declared.clone();
        // What an enforcer says that it holds counts, also where it is less than what it held.
        self.acked = acked;
        self.ledger = ledger.to_owned();
        if acked == 0 {
            self.not_enforced = 0;
        }
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
        self.seen(now);
    }

    pub(super) fn changed(&mut self, status: &StreamStatus) {
        self.state = status.state.name().to_owned();
        self.last_error.clone_from(&status.last_error);
        // Who holds exactly what is here has taken what it once refused.
        self.not_enforced = match status.proof {
            Some(Proof::Proven) => 0,
            _ => self.not_enforced.max(status.not_enforced as u64),
        };
        self.dirty = true;
    }

    fn seen(&mut self, now: UnixMillis) {
        self.seen_at = now;
        self.dirty = true;
    }
}
