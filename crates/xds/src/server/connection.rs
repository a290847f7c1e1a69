//! The streams of one connection: what is sent on each, and to which an answer belongs.
//!
//! ```text
//!   open ──▶ answering ──send──▶ outstanding ──ACK──▶ settled ──head moves──▶ answering
//!                ▲                  │   │
//!                └──hold, halves────┘   ├─ no ACK for 15 s: STALE   ├─ for 2 min: ended
//!                        NACK           └─ a newer stream of the same instance: superseded
//! ```
//!
//! A state machine: requests, the head and the time go in, [`Step`]s come out. An answer is credited by its nonce,
//! whichever stream it arrives on, since the original client answers on its newest stream alone. What a client has
//! refused is remembered for the client, not for the stream. No clock, no task and no socket in here.

mod compose;
mod session;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use rescind_proto::envoy::service::discovery::v3::DiscoveryRequest;
use tokio::time::Instant;
use tonic::Status;

use self::session::{Outstanding, Session};
use super::{
    ClientState, Settings,
    nonce::Nonces,
    opening::{Opening, check},
    refusals::{Refusals, Verdict},
};
use crate::{Audience, Head, Position, text::clean};

pub(super) use self::compose::{Sent, Step};

/// Names a stream within the process.
pub(super) type StreamId = u64;

#[derive(Debug)]
pub(super) struct Connection {
    settings: Arc<Settings>,
    nonces: Arc<Nonces>,
    sessions: BTreeMap<StreamId, Session>,
    /// By instance identifier.
    clients: HashMap<String, Client>,
    /// By nonce. At most one for each open stream, and those of streams that have ended.
    outstanding: HashMap<String, Outstanding>,
}

/// One client on this connection.
#[derive(Debug)]
struct Client {
    /// How many of its streams are open.
    streams: usize,
    refusals: Refusals,
    /// The newest answer was a NACK.
    refuses: bool,
    last_error: Option<String>,
}

/// What a request meant.
#[derive(Debug)]
pub(super) enum Heard {
    /// An ACK: its client has everything up to `to`.
    Acked {
        to: Position,
        took: Duration,
        /// The client has now taken everything from the beginning.
        whole: bool,
        /// It was a response of another stream, which may go on now.
        others: bool,
    },
    /// A NACK of a response that ended at `to`.
    Nacked {
        to: Position,
        resources: usize,
        verdict: Verdict,
        error: String,
    },
    /// An answer to nothing that is outstanding.
    Stale { nack: bool },
    /// The subscription, said again.
    Repeated,
    /// What this service does not serve.
    Invalid(Status),
}

/// How a stream stands, for the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) instance: String,
    pub(super) audience: Audience,
    pub(super) acked: Position,
    pub(super) sent: Position,
    pub(super) state: ClientState,
    pub(super) last_error: Option<String>,
    pub(super) skipped: usize,
}

impl Connection {
    pub(super) fn new(settings: Arc<Settings>, nonces: Arc<Nonces>) -> Self {
        Self {
            settings,
            nonces,
            sessions: BTreeMap::new(),
            clients: HashMap::new(),
            outstanding: HashMap::new(),
        }
    }

    /// A stream whose first request was `opening`, from a client that has everything up to `start`.
    ///
    /// Supersedes the older streams of the same instance, if it has a name.
    pub(super) fn open(&mut self, id: StreamId, opening: &Opening, start: Position, now: Instant) {
        self.drop_lost_answers(now);
        self.bound_clients();
        let awaited = if opening.instance.is_empty() {
            None
        } else {
            self.supersede(&opening.instance)
        };
        let settings = &self.settings;
        let client = self
            .clients
            .entry(opening.instance.clone())
            .or_insert_with(|| Client::new(settings));
        client.streams += 1;
        let mut session = Session::new(opening, start, now);
        session.awaited = awaited.map(|nonce| (nonce, now + settings.supersede_grace));
        self.sessions.insert(id, session);
    }

    /// The stream has ended. Its last response may still be answered on another one.
    pub(super) fn close(&mut self, id: StreamId, now: Instant) {
        self.drop_lost_answers(now);
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        if let Some(client) = self.clients.get_mut(&session.instance) {
            client.streams -= 1;
            if client.streams == 0 && client.refusals.is_empty() {
                self.clients.remove(&session.instance);
            }
        }
    }

    /// A later request on a stream of the connection.
    pub(super) fn request(
        &mut self,
        id: StreamId,
        request: &DiscoveryRequest,
        head: Head,
        now: Instant,
    ) -> Heard {
        if let Err(status) = check(request) {
            return Heard::Invalid(status);
        }
        let nack = request.error_detail.as_ref();
        if request.response_nonce.is_empty() && nack.is_none() {
            return Heard::Repeated;
        }
        // The nonce decides; the version that comes with it is not trusted.
        let Some(answered) = self.outstanding.remove(&request.response_nonce) else {
            return Heard::Stale {
                nack: nack.is_some(),
            };
        };
        if let Some(session) = self.sessions.get_mut(&answered.stream) {
            session.settle(&request.response_nonce);
        }
        match nack {
            None => self.acked(id, &answered, now),
            Some(error) => {
                let error = clean(&error.message, self.settings.error_text_bytes);
                self.nacked(&answered, error, head, now)
            }
        }
    }

    /// How the stream stands; `None` when it is not open.
    pub(super) fn standing(&self, id: StreamId) -> Option<Standing> {
        let session = self.sessions.get(&id)?;
        let client = self.clients.get(&session.instance)?;
        let waiting = session
            .waiting
            .as_ref()
            .and_then(|nonce| self.outstanding.get(nonce));
        let state = if client.refuses || client.refusals.in_doubt() {
            ClientState::Error
        } else if session.late {
            ClientState::Stale
        } else if session.answered {
            ClientState::Synced
        } else {
            ClientState::NotSent
        };
        Some(Standing {
            instance: session.instance.clone(),
            audience: session.audience,
            acked: session.acked,
            sent: waiting.map_or(session.at, |outstanding| outstanding.range.to),
            state,
            last_error: client.last_error.clone(),
            skipped: client.refusals.skipped_entries(),
        })
    }

    fn acked(&mut self, id: StreamId, answered: &Outstanding, now: Instant) -> Heard {
        let range = answered.range;
        let mut skips = false;
        if let Some(client) = self.clients.get_mut(&answered.instance) {
            client.refusals.accepted(range);
            client.refuses = false;
            skips = client.refusals.skipped_entries() > 0;
        }
        let mut whole = false;
        let mut others = answered.stream != id;
        if let Some(session) = self.sessions.get_mut(&answered.stream) {
            session.at = range.to;
            session.acked = range.to;
            others |= session.superseded;
            whole = !skips && session.whole_at.is_some_and(|goal| range.to >= goal);
        }
        Heard::Acked {
            to: range.to,
            took: now.saturating_duration_since(answered.sent_at),
            whole,
            others,
        }
    }

    fn nacked(&mut self, answered: &Outstanding, error: String, head: Head, now: Instant) -> Heard {
        let range = answered.range;
        let mut verdict = Verdict::Held;
        if let Some(client) = self.clients.get_mut(&answered.instance) {
            client.refuses = true;
            client.last_error = Some(error.clone());
            verdict = client.refusals.refused(range, head.position, now);
        }
        Heard::Nacked {
            to: range.to,
            resources: range.resources,
            verdict,
            error,
        }
    }

    /// Ends the older streams of `instance`; returns the nonce that is still due on one of them.
    fn supersede(&mut self, instance: &str) -> Option<String> {
        let mut due = None;
        for session in self.sessions.values_mut() {
            if session.instance == instance && !session.superseded {
                session.superseded = true;
                due = session.waiting.take().or(due);
            }
        }
        due
    }

    /// Forgets responses of ended streams whose answer is overdue.
    fn drop_lost_answers(&mut self, now: Instant) {
        let keep = self.settings.ack_close;
        let sessions = &self.sessions;
        self.outstanding.retain(|nonce, outstanding| {
            let awaited = sessions
                .get(&outstanding.stream)
                .is_some_and(|session| session.waiting.as_ref() == Some(nonce));
            awaited || now < outstanding.sent_at + keep
        });
    }

    /// A connection that goes through many instance identifiers costs little more than its open streams.
    fn bound_clients(&mut self) {
        if self.clients.len() > self.sessions.len() + CLIENTS {
            self.clients.retain(|_, client| client.streams > 0);
        }
    }
}

impl Client {
    fn new(settings: &Settings) -> Self {
        Self {
            streams: 0,
            refusals: Refusals::new(settings),
            refuses: false,
            last_error: None,
        }
    }
}

/// So many clients without a stream, which refused something, are remembered on one connection.
const CLIENTS: usize = 1024;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
