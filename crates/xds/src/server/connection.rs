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
mod names;
mod range;
mod session;
mod tokens;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tonic::Status;

use self::session::{Form, Outstanding, Part, Session};
use super::{
    ClientState, Declared, Method, Proof, Settings,
    gate::Gate,
    nonce::Nonces,
    opening::{Opening, Said, Wants, foreign},
    refusals::{Refusals, Verdict},
};
use crate::{Audience, Head, Position, RANGE_TYPE_URL, TYPE_URL, text::clean};

pub(super) use self::compose::{Sent, Step};

/// Names a stream within the process.
pub(super) type StreamId = u64;

#[derive(Debug)]
pub(super) struct Connection {
    settings: Arc<Settings>,
    nonces: Arc<Nonces>,
    gate: Gate,
    /// Boxed: a map has room for eleven, and most connections have one stream.
    sessions: BTreeMap<StreamId, Box<Session>>,
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
    /// An ACK: its client, which had everything up to `from`, has it up to `to`.
    Acked {
        from: Position,
        to: Position,
        /// The stream whose response it was, where that is open.
        stream: Option<StreamId>,
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
    pub(super) method: Method,
    pub(super) subscribes_to_all: bool,
    pub(super) declared: Declared,
    pub(super) proof: Option<Proof>,
    pub(super) acked: Position,
    pub(super) sent: Position,
    pub(super) state: ClientState,
    pub(super) last_error: Option<String>,
    pub(super) skipped: usize,
}

impl Connection {
    pub(super) fn new(settings: Arc<Settings>, nonces: Arc<Nonces>, gate: Gate) -> Self {
        Self {
            settings,
            nonces,
            gate,
            sessions: BTreeMap::new(),
            clients: HashMap::new(),
            outstanding: HashMap::new(),
        }
    }

    /// A stream whose first request was `opening`, from a client that has everything up to `start`, where the head is at
    /// `goal`. `wake` is told when the stream has something to do.
    ///
    /// Supersedes the older `StreamTokens` of the same instance, if it has a name.
    pub(super) fn open(
        &mut self,
        id: StreamId,
        opening: &Opening,
        start: Position,
        goal: Position,
        now: Instant,
        wake: Arc<Notify>,
    ) {
        self.drop_lost_answers(now);
        self.bound_clients();
        let is_stream = matches!(opening.wants, Wants::Tokens { .. });
        let awaited = if opening.instance.is_empty() || !is_stream {
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
        let mut session = Session::new(opening, start, goal, now, wake);
        session.awaited = awaited.map(|nonce| (nonce, now + settings.supersede_grace));
        self.sessions.insert(id, Box::new(session));
    }

    /// The stream has ended. Its last response may still be answered on another one.
    pub(super) fn close(&mut self, id: StreamId, now: Instant) {
        self.drop_lost_answers(now);
        self.gate.leave(id);
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

    /// A request on a stream of the connection, after its first one.
    ///
    /// What it changes of the subscription counts, also where its nonce is stale.
    pub(super) fn request(&mut self, id: StreamId, said: &Said, head: Head, now: Instant) -> Heard {
        if let Err(status) = self.change(id, said) {
            return Heard::Invalid(status);
        }
        if !said.answers() {
            return Heard::Repeated;
        }
        let nack = said.error.as_ref();
        // The nonce decides; the version that comes with it is not trusted.
        let Some(answered) = self.outstanding.remove(&said.nonce) else {
            return Heard::Stale {
                nack: nack.is_some(),
            };
        };
        if let Some(session) = self.sessions.get_mut(&answered.stream) {
            session.settle(&said.nonce);
            session.proof = said.proof.or(session.proof);
        }
        match nack {
            None => self.acked(id, &answered, now),
            Some(error) => {
                let error = clean(&error.message, self.settings.error_text_bytes);
                self.nacked(&answered, error, head, now)
            }
        }
    }

    /// Checks the first request's names, and takes in what a later one changes of the subscription.
    pub(super) fn change(&mut self, id: StreamId, said: &Said) -> Result<(), Status> {
        let most = self.settings.max_names;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Ok(());
        };
        let wants = match session.form {
            Form::Tokens => "",
            Form::Range(_) => RANGE_TYPE_URL,
            Form::Names(_) => TYPE_URL,
        };
        if let Some(type_url) = &said.type_url
            && !type_url.is_empty()
            && type_url != wants
        {
            return Err(foreign(type_url));
        }
        let had_all = session.subscribes_to_all();
        match &mut session.form {
            Form::Tokens => {}
            Form::Range(form) => form.change(&said.subscribe, &said.unsubscribe)?,
            Form::Names(form) => {
                if form.change(&said.subscribe, &said.unsubscribe, most)? {
                    session.at = Position(0);
                    session.acked = Position(0);
                    // What is still to be answered was sent before that: its ACK must not say that all is there.
                    let due = self.outstanding.values_mut();
                    due.filter(|due| due.stream == id && due.part == Part::Live)
                        .for_each(|due| due.part = Part::Before);
                }
            }
        }
        // Who had left it may hold nothing of it any more.
        if !had_all && session.subscribes_to_all() {
            session.acked = Position(0);
        }
        Ok(())
    }

    /// Whether the stream asks for all that there is, and where its client is.
    pub(super) fn subscription(&self, id: StreamId) -> (bool, Position) {
        let session = self.sessions.get(&id);
        session.map_or((false, Position(0)), |session| {
            (session.subscribes_to_all(), session.acked)
        })
    }

    /// Where the client of the stream has come by what is not sent to it, if it has since the last call.
    pub(super) fn passed(&mut self, id: StreamId) -> Option<Position> {
        self.sessions.get_mut(&id)?.passed.take()
    }

    /// How the stream stands; `None` when it is not open.
    pub(super) fn standing(&self, id: StreamId) -> Option<Standing> {
        let session = self.sessions.get(&id)?;
        let client = self.clients.get(&session.instance)?;
        let waiting = session
            .waiting
            .as_ref()
            .and_then(|nonce| self.outstanding.get(nonce));
        let proves = session.audience == Audience::Rescind;
        let in_doubt = match &session.form {
            Form::Names(form) => form.in_doubt(),
            Form::Tokens | Form::Range(_) => false,
        };
        let state = if client.refuses || client.refusals.in_doubt() || in_doubt {
            ClientState::Error
        } else if session.late {
            ClientState::Stale
        } else if !session.answered {
            ClientState::NotSent
        } else {
            match session.proof {
                Some(Proof::Diverged) => ClientState::Diverged,
                None if proves => ClientState::Unproven,
                None | Some(Proof::Proven) => ClientState::Synced,
            }
        };
        Some(Standing {
            instance: session.instance.clone(),
            audience: session.audience,
            method: session.method(),
            subscribes_to_all: session.subscribes_to_all(),
            declared: session.declared.clone(),
            proof: session.proof,
            acked: session.acked,
            sent: session.sent(waiting.map(|outstanding| outstanding.range.to)),
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
        let (mut from, mut to) = (range.to, range.to);
        let mut stream = None;
        if let Some(session) = self.sessions.get_mut(&answered.stream) {
            from = session.acked;
            session.taken(range.to, answered.part, now + self.settings.walk_pause);
            to = session.acked;
            stream = Some(answered.stream);
            others |= session.superseded;
            let walked = matches!(
                answered.part,
                Part::Walk {
                    end: true,
                    whole: true,
                    ..
                }
            );
            let reached = session.whole_at.is_some_and(|goal| range.to >= goal);
            whole = !skips && (walked || reached);
        }
        Heard::Acked {
            from,
            to,
            stream,
            took: now.saturating_duration_since(answered.sent_at),
            whole,
            others,
        }
    }

    fn nacked(&mut self, answered: &Outstanding, error: String, head: Head, now: Instant) -> Heard {
        let range = answered.range;
        let mut verdict = Verdict::Held;
        // What was said of names lies in no range of positions.
        let by_name = answered.part == Part::Aside && range.resources > 0;
        let in_doubt = by_name && self.refused_by_name(answered.stream);
        if let Some(client) = self.clients.get_mut(&answered.instance) {
            client.refuses = true;
            client.last_error = Some(error.clone());
            let refusals = &mut client.refusals;
            verdict = match by_name {
                true => refusals.refused_aside(range.resources, in_doubt, head.position, now),
                false => refusals.refused(range, head.position, now),
            };
        }
        Heard::Nacked {
            to: range.to,
            resources: range.resources,
            verdict,
            error,
        }
    }

    fn refused_by_name(&mut self, id: StreamId) -> bool {
        match self.sessions.get_mut(&id).map(|session| &mut session.form) {
            Some(Form::Names(form)) => form.refused(),
            _ => false,
        }
    }

    /// Ends the older streams of `instance`; returns the nonce that is still due on one of them.
    fn supersede(&mut self, instance: &str) -> Option<String> {
        let mut due = None;
        for session in self.sessions.values_mut() {
            let is_stream = matches!(session.form, Form::Tokens);
            if is_stream && session.instance == instance && !session.superseded {
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
