//! What goes out next on a stream.

use std::time::Duration;

use rescind_proto::envoy::{
    config::core::v3::ControlPlane, service::discovery::v3::DiscoveryResponse,
};
use tokio::time::Instant;

use super::{
    Connection, StreamId,
    session::{Outstanding, Session},
};
use crate::{
    Any, Audience, Head, Position, Source, TYPE_URL,
    server::refusals::{Plan, Range, Refusals},
    wire::{identifier, wire_len},
};

/// What a stream has to do.
#[derive(Debug)]
pub(in crate::server) enum Step {
    /// Send this.
    Send(Box<Sent>),
    /// The ACK is late. Said once for each response.
    Late,
    /// An entry is too large to send: it is skipped for this client.
    TooLarge { at: Position, bytes: usize },
    /// Nothing, until something happens or this time comes.
    Wait(Option<Instant>),
    /// End: a newer stream of the same client has taken over.
    Superseded,
    /// End: the ACK did not come.
    AckTimeout,
}

/// A response and what it carries.
#[derive(Debug)]
pub(in crate::server) struct Sent {
    pub(in crate::server) response: DiscoveryResponse,
    /// The size of its resources on the wire.
    pub(in crate::server) bytes: usize,
}

/// Resources that go out together.
struct Load {
    from: Position,
    to: Position,
    resources: Vec<Any>,
    bytes: usize,
}

/// What a look into the source found.
enum Found {
    Load(Load),
    /// Nothing for this client up to here. `filtered`: there was something, for others.
    Nothing {
        to: Position,
        filtered: bool,
    },
    TooLarge {
        at: Position,
        bytes: usize,
    },
}

impl Connection {
    /// What the stream has to do now. To be called again after each step but an end, and whenever something happened on
    /// the connection, the head moved, or the time has come.
    pub(in crate::server) fn poll<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        if session.superseded {
            return Step::Superseded;
        }
        if let Some(step) = self.await_answer(id, now) {
            return step;
        }
        self.next(id, source, head, now)
    }

    /// One response is outstanding at a time.
    fn await_answer(&mut self, id: StreamId, now: Instant) -> Option<Step> {
        let session = self.sessions.get_mut(&id)?;
        if let Some((nonce, until)) = &session.awaited {
            if self.outstanding.contains_key(nonce) && now < *until {
                return Some(Step::Wait(Some(*until)));
            }
            session.awaited = None;
        }
        let sent_at = self.outstanding.get(session.waiting.as_ref()?)?.sent_at;
        let (stale, close) = (
            sent_at + self.settings.ack_stale,
            sent_at + self.settings.ack_close,
        );
        if now >= close {
            return Some(Step::AckTimeout);
        }
        if now < stale {
            return Some(Step::Wait(Some(stale)));
        }
        if session.late {
            return Some(Step::Wait(Some(close)));
        }
        session.late = true;
        Some(Step::Late)
    }

    fn next<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let (Some(session), settings) = (self.sessions.get_mut(&id), &self.settings) else {
            return Step::Superseded;
        };
        let Some(client) = self.clients.get_mut(&session.instance) else {
            return Step::Superseded;
        };
        if let Some(until) = client.refusals.held_until(head.position, now) {
            if session.answered {
                return Step::Wait(Some(until));
            }
            // A new stream gets its answer, and nothing that was refused.
            let at = session.at;
            return self.send(id, Load::empty(at, at), source, head, now);
        }
        let limits = Limits {
            chunk: settings.chunk_bytes,
            response: settings.max_response_bytes.saturating_sub(ENVELOPE_BYTES),
        };
        let heartbeat = settings.heartbeat;
        match look(
            session,
            &mut client.refusals,
            source,
            head.position,
            &limits,
        ) {
            Found::Load(load) => self.send(id, load, source, head, now),
            Found::Nothing { to, filtered } => {
                let from = session.at;
                session.at = to;
                if filtered || session.must_speak(head, now, heartbeat) {
                    return self.send(id, Load::empty(from, to), source, head, now);
                }
                let idle =
                    (session.audience == Audience::Rescind).then(|| session.spoke_at + heartbeat);
                Step::Wait(idle)
            }
            Found::TooLarge { at, bytes } => Step::TooLarge { at, bytes },
        }
    }

    fn send<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        load: Load,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        let nonce = self.nonces.draw();
        session.waiting = Some(nonce.clone());
        if !session.answered && session.acked == Position(0) {
            session.whole_at = Some(head.position);
        }
        session.answered = true;
        session.spoke_at = now;
        session.told_complete = head.complete;
        self.outstanding.insert(
            nonce.clone(),
            Outstanding {
                stream: id,
                instance: session.instance.clone(),
                range: Range {
                    from: load.from,
                    to: load.to,
                    resources: load.resources.len(),
                    bytes: load.bytes,
                },
                sent_at: now,
            },
        );
        let control_plane = (session.audience == Audience::Rescind).then(|| ControlPlane {
            identifier: identifier(&source.version(head.position), head.complete),
        });
        Step::Send(Box::new(Sent {
            bytes: load.bytes,
            response: DiscoveryResponse {
                version_info: source.version(load.to),
                resources: load.resources,
                type_url: TYPE_URL.to_owned(),
                nonce,
                control_plane,
                ..Default::default()
            },
        }))
    }
}

impl Session {
    /// Whether an empty response is due: the first answer, and what a `rescind.v1` client lives by.
    fn must_speak(&self, head: Head, now: Instant, heartbeat: Duration) -> bool {
        let rescind = self.audience == Audience::Rescind;
        let completed = head.complete && !self.told_complete;
        let quiet = now >= self.spoke_at + heartbeat;
        !self.answered || (rescind && (completed || quiet))
    }
}

impl Load {
    fn empty(from: Position, to: Position) -> Self {
        Self {
            from,
            to,
            resources: Vec::new(),
            bytes: 0,
        }
    }
}

struct Limits {
    chunk: usize,
    response: usize,
}

/// Finds the next resources for this stream.
fn look<S: Source + ?Sized>(
    session: &Session,
    refusals: &mut Refusals,
    source: &S,
    head: Position,
    limits: &Limits,
) -> Found {
    let mut at = session.at;
    let mut filtered = false;
    let mut chunk_bytes = limits.chunk;
    loop {
        let (limit, max_bytes) = match refusals.plan(at, head, chunk_bytes) {
            Plan::Nothing => return Found::Nothing { to: at, filtered },
            Plan::Skip(to) => {
                at = to;
                continue;
            }
            Plan::Send { to, max_bytes } => (to, max_bytes),
        };
        let chunk = source.read(at, limit, session.audience, max_bytes);
        // A source that does not move must not stop the stream.
        let to = chunk.to.clamp(Position(at.0 + 1), limit);
        if chunk.resources.is_empty() {
            refusals.forget(at, to);
            filtered = true;
            at = to;
            continue;
        }
        let bytes: usize = chunk.resources.iter().map(wire_len).sum();
        if bytes <= limits.response {
            refusals.cut_at(to);
            return Found::Load(Load {
                from: at,
                to,
                resources: chunk.resources,
                bytes,
            });
        }
        if chunk.resources.len() == 1 {
            refusals.skip(at, to);
            return Found::TooLarge { at: to, bytes };
        }
        chunk_bytes = max_bytes / 2;
    }
}

/// More than a response needs beside its resources: version, type, nonce and identifier.
const ENVELOPE_BYTES: usize = 1024;
