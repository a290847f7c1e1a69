//! One stream: where its client is, and what is outstanding.

use std::sync::Arc;

use tokio::{sync::Notify, time::Instant};

use super::{StreamId, names::NamesForm, range::RangeForm};
use crate::{
    Audience, Position,
    server::{
        Declared, Method, Proof,
        gate::{Gate, Place},
        opening::{Opening, Wants},
        refusals::Range,
    },
};

#[derive(Debug)]
pub(super) struct Session {
    pub(super) instance: String,
    pub(super) audience: Audience,
    pub(super) declared: Declared,
    pub(super) form: Form,
    /// Nothing that is newer than this has been taken; the backlog is what lies between here and the head.
    pub(super) at: Position,
    /// The newest ACK, or where the client began.
    pub(super) acked: Position,
    /// It has come there since it was last asked, by what is not sent to it.
    pub(super) passed: Option<Position>,
    /// Where the head was when the stream opened: up to here its client catches up.
    pub(super) goal: Position,
    /// For a client that began with nothing: where it holds the whole set, as it was at the first answer.
    pub(super) whole_at: Option<Position>,
    /// The nonce of the outstanding response.
    pub(super) waiting: Option<String>,
    /// The first request has been answered.
    pub(super) answered: bool,
    /// When the stream was opened, or the newest response went out.
    pub(super) spoke_at: Instant,
    /// The client has been told that the source is complete.
    pub(super) told_complete: bool,
    /// The ACK is late, and this has been said.
    pub(super) late: bool,
    /// A newer stream of the same client has taken over.
    pub(super) superseded: bool,
    /// The nonce still due on the stream that this one supersedes, and how long it is waited for.
    pub(super) awaited: Option<(String, Instant)>,
    /// The place of the chunk that is outstanding, and how long it is kept.
    pub(super) place: Option<(Place, Instant)>,
    /// How it stands with the line for a place.
    pub(super) line: InLine,
    /// Wakes the stream's task.
    pub(super) wake: Arc<Notify>,
    pub(super) proof: Option<Proof>,
}

/// What a stream carries, and what that needs to know.
#[derive(Debug)]
pub(super) enum Form {
    Tokens,
    Range(RangeForm),
    Names(Box<NamesForm>),
}

/// A response that was sent and not answered.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) stream: StreamId,
    pub(super) instance: String,
    pub(super) range: Range,
    pub(super) part: Part,
    pub(super) sent_at: Instant,
}

/// Whether a stream waits for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum InLine {
    #[default]
    No,
    /// Since it last had something to do. It must ask each time, else it stands aside.
    Waits,
    /// It has asked just now.
    Asked,
}

/// Which of a stream's positions an ACK moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// That of what is new.
    Live,
    /// That of its walk, which ends here or goes on, and began with nothing or somewhere later. Another walk with another
    /// number may have taken its place.
    Walk { end: bool, whole: bool, number: u32 },
    /// None.
    Aside,
    /// None any more: everything was asked for again since it was sent.
    Before,
}

impl Session {
    pub(super) fn new(
        opening: &Opening,
        start: Position,
        goal: Position,
        now: Instant,
        wake: Arc<Notify>,
    ) -> Self {
        let mut session = Self {
            instance: opening.instance.clone(),
            audience: opening.audience,
            declared: opening.declared.clone(),
            form: Form::Tokens,
            at: start,
            acked: start,
            passed: None,
            goal,
            whole_at: None,
            waiting: None,
            answered: false,
            spoke_at: now,
            told_complete: false,
            late: false,
            superseded: false,
            awaited: None,
            place: None,
            line: InLine::default(),
            wake,
            proof: None,
        };
        match &opening.wants {
            Wants::Tokens { .. } => {}
            Wants::Range {
                log, checkpoint, ..
            } => {
                let form = RangeForm::new(*log, *checkpoint, start, goal);
                if !form.is_at_rest() {
                    session.at = goal;
                }
                session.audience = Audience::Rescind;
                session.form = Form::Range(form);
            }
            Wants::Names {
                subscribe,
                unsubscribe,
                versions,
            } => {
                let form = NamesForm::new(subscribe, unsubscribe, versions);
                session.form = Form::Names(Box::new(form));
            }
        }
        session
    }

    pub(super) fn method(&self) -> Method {
        match self.form {
            Form::Tokens => Method::Stream,
            Form::Range(_) => Method::DeltaRange,
            Form::Names(_) => Method::DeltaNames,
        }
    }

    /// Whether it asks for all that there is, and not for a part of it by name.
    pub(super) fn subscribes_to_all(&self) -> bool {
        match &self.form {
            Form::Tokens => true,
            Form::Range(form) => !form.leaves_out_the_log(),
            Form::Names(form) => form.is_wildcard(),
        }
    }

    /// Takes a place for a chunk, unless the stream has one; `false` where it waits in line for one.
    pub(super) fn enter(&mut self, id: StreamId, gate: &Gate, kept_until: Instant) -> bool {
        if self.place.is_none() {
            let place = gate.enter(id, &self.wake);
            self.line = match place {
                Some(_) => InLine::No,
                None => InLine::Asked,
            };
            self.place = place.map(|place| (place, kept_until));
        }
        self.place.is_some()
    }

    /// The response with this nonce has been answered.
    pub(super) fn settle(&mut self, nonce: &str) {
        if self.waiting.as_deref() == Some(nonce) {
            self.waiting = None;
            self.late = false;
            self.place = None;
        }
    }

    /// Up to here everything has been sent, where the response that is outstanding ends at `waiting`.
    pub(super) fn sent(&self, waiting: Option<Position>) -> Position {
        match &self.form {
            Form::Range(form) if form.leaves_out_the_log() => self.acked,
            _ => waiting.unwrap_or(self.at),
        }
    }

    /// Its client has taken all that it was sent, and nothing up to `to`, the head, is still to be sent to it.
    pub(super) fn pass(&mut self, to: Position) {
        if to > self.acked {
            self.passed = Some(to);
        }
        self.at = to;
        self.acked = to;
    }

    /// Its client has taken what goes up to `to`.
    pub(super) fn taken(&mut self, to: Position, part: Part, next_walk: Instant) {
        match (part, &mut self.form) {
            (Part::Aside, Form::Names(form)) => form.accepted(),
            (Part::Aside | Part::Before, _) => {}
            (Part::Walk { end, number, .. }, Form::Range(form)) => {
                form.walked(to, end, number, next_walk);
            }
            _ => self.at = to,
        }
        self.acked = match &self.form {
            Form::Range(form) if form.leaves_out_the_log() => self.acked,
            Form::Range(form) => form.held(self.at),
            _ => self.at,
        };
    }
}
