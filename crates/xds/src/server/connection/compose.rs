//! What goes out next on a stream, whatever its form.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use super::{
    Connection, StreamId,
    session::{Form, InLine, Outstanding, Part, Session},
};
use crate::{
    Audience, Head, Position, Source,
    server::{
        frame::Reply,
        refusals::{Plan, Range, Refusals},
    },
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
    /// End, with this.
    End(Status),
}

/// A response and what it carries.
#[derive(Debug)]
pub(in crate::server) struct Sent {
    pub(in crate::server) reply: Reply,
    /// How many entries it carries.
    pub(in crate::server) entries: usize,
    /// The size of what it carries on the wire.
    pub(in crate::server) bytes: usize,
}

/// What a look into the source found.
pub(super) enum Found<P> {
    /// This goes out, and then everything in `(from, to]` has.
    Load {
        from: Position,
        to: Position,
        load: P,
        bytes: usize,
    },
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

/// A part of a source, in whatever form.
pub(super) struct Piece<P> {
    pub(super) load: P,
    pub(super) count: usize,
    pub(super) bytes: usize,
    pub(super) to: Position,
}

/// Sizes, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) chunk: usize,
    pub(super) response: usize,
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
        let step = match self.await_answer(id, now) {
            Some(step) => step,
            None => self.next(id, source, head, now),
        };
        self.stand(id, &step);
        step
    }

    /// Who waits for a place and could not take it now, whatever the reason, must not hold up the others.
    fn stand(&mut self, id: StreamId, step: &Step) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let waits = session.line == InLine::Asked && matches!(step, Step::Wait(_));
        if session.line != InLine::No && !waits {
            self.gate.stand_aside(id);
        }
        session.line = match waits {
            true => InLine::Waits,
            false => InLine::No,
        };
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
        if let Some((_, until)) = session.place {
            if now < until {
                return Some(Step::Wait(Some(until.min(stale))));
            }
            // Others shall not wait for who is slow.
            session.place = None;
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
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        let Some(client) = self.clients.get_mut(&session.instance) else {
            return Step::Superseded;
        };
        let form = &session.form;
        if let Some(until) = client.refusals.held_until(head.position, now) {
            if session.answered {
                return Step::Wait(Some(until));
            }
            // A new stream gets its answer, and nothing that was refused.
            return self.say_nothing(id, source, head, now);
        }
        match form {
            Form::Tokens => self.next_tokens(id, source, head, now),
            Form::Range(_) => self.next_range(id, source, head, now),
            Form::Names(_) => self.next_names(id, source, head, now),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            chunk: self.settings.chunk_bytes,
            response: self
                .settings
                .max_response_bytes
                .saturating_sub(ENVELOPE_BYTES),
        }
    }

    /// Notes a response and gives it its nonce.
    pub(super) fn sent(
        &mut self,
        id: StreamId,
        mut reply: Reply,
        range: Range,
        part: Part,
        head: Head,
        now: Instant,
    ) -> Step {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        let nonce = self.nonces.draw();
        reply.set_nonce(nonce.clone());
        session.waiting = Some(nonce.clone());
        session.answered = true;
        session.spoke_at = now;
        session.told_complete = head.complete;
        self.outstanding.insert(
            nonce,
            Outstanding {
                stream: id,
                instance: session.instance.clone(),
                range,
                part,
                sent_at: now,
            },
        );
        Step::Send(Box::new(Sent {
            reply,
            entries: range.resources,
            bytes: range.bytes,
        }))
    }
}

impl Session {
    /// Whether an empty response is due: the first answer, and what a `rescind.v1` client lives by.
    pub(super) fn must_speak(&self, head: Head, now: Instant, heartbeat: Duration) -> bool {
        let rescind = self.audience == Audience::Rescind;
        let completed = head.complete && !self.told_complete;
        let quiet = now >= self.spoke_at + heartbeat;
        !self.answered || (rescind && (completed || quiet))
    }
}

/// Finds the next that goes out to a client that is at `at`.
pub(super) fn look<P>(
    mut at: Position,
    head: Position,
    refusals: &mut Refusals,
    limits: &Limits,
    mut read: impl FnMut(Position, Position, usize) -> Piece<P>,
) -> Found<P> {
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
        let piece = read(at, limit, max_bytes);
        // A source that does not move must not stop the stream.
        let to = piece.to.clamp(Position(at.0 + 1), limit);
        if piece.count == 0 {
            refusals.forget(at, to);
            filtered = true;
            at = to;
            continue;
        }
        let bytes = piece.bytes;
        if bytes <= limits.response {
            refusals.cut_at(to);
            return Found::Load {
                from: at,
                to,
                load: piece.load,
                bytes,
            };
        }
        if piece.count == 1 {
            refusals.skip(at, to);
            return Found::TooLarge { at: to, bytes };
        }
        chunk_bytes = max_bytes / 2;
    }
}

/// More than a response needs beside its resources: version, type, nonce and identifier.
const ENVELOPE_BYTES: usize = 1024;
