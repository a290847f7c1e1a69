//! A stream of packed ranges: what is new goes first, a walk over what was there before beside it.
//!
//! A client that holds nothing, or much less than there is, *catches up*: its walk goes from where it is to the head that
//! the stream found, and its cursor moves with the walk alone. A client that holds everything may ask for a walk from the
//! beginning: its cursor stays where it is, and the walk is paced.

use prost::Message as _;
use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource},
    google::protobuf::Any,
    rescind::v1::{Checkpoint, Range as RangeMessage, range},
};
use tokio::time::Instant;
use tonic::Status;

use super::{
    Connection, StreamId,
    compose::{Found, Piece, Step, look},
    session::{Form, Part},
};
use crate::{
    Head, PackedPart, Position, RANGE_TYPE_URL, Ranges, Source, Statement,
    server::{frame::Reply, opening::check_range_names, refusals::Range},
    wire::{CHECKPOINT, LOG, control_plane},
};

/// A client that is so many positions behind catches up beside what is new; one that is less far behind is just sent it.
pub(super) const FAR_BEHIND: u64 = 1000;

#[derive(Debug)]
pub(super) struct RangeForm {
    log: bool,
    checkpoint: bool,
    walk: Option<Walk>,
    /// How many walks there were.
    walks: u32,
}

#[derive(Debug, Clone, Copy)]
struct Walk {
    number: u32,
    at: Position,
    /// It reaches to what the client holds when its first part goes out; `None` until then.
    goal: Option<Position>,
    /// It began before everything.
    whole: bool,
    /// The client does not hold what the walk brings.
    catches_up: bool,
    /// The next part goes out then at the earliest.
    next: Option<Instant>,
}

impl RangeForm {
    pub(super) fn new(log: bool, checkpoint: bool, start: Position, goal: Position) -> Self {
        let far = start == Position(0) || goal.0.saturating_sub(start.0) > FAR_BEHIND;
        let walk = (log && far).then_some(Walk {
            number: 0,
            at: start,
            // What is pushed before a walk over everything begins is named by the walk too.
            goal: (start != Position(0)).then_some(goal),
            whole: start == Position(0),
            catches_up: true,
            next: None,
        });
        Self {
            log,
            checkpoint,
            walk,
            walks: 1,
        }
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.walk.is_none() && self.log
    }

    /// What is new is not sent, whatever the client ACKs.
    pub(super) fn leaves_out_the_log(&self) -> bool {
        !self.log
    }

    /// What the client holds without a gap, where everything new up to `at` is there.
    pub(super) fn held(&self, at: Position) -> Position {
        match self.walk {
            Some(walk) if walk.catches_up => walk.at,
            _ => at,
        }
    }

    pub(super) fn walked(&mut self, to: Position, end: bool, number: u32, next: Instant) {
        let Some(walk) = self.walk.as_mut().filter(|walk| walk.number == number) else {
            return;
        };
        if end {
            self.walk = None;
        } else {
            walk.at = walk.at.max(to);
            walk.next = (!walk.catches_up).then_some(next);
        }
    }

    /// Subscribing to what is subscribed already asks for all of it again.
    pub(super) fn change(
        &mut self,
        subscribe: &[String],
        unsubscribe: &[String],
    ) -> Result<(), Status> {
        check_range_names(subscribe)?;
        for name in subscribe {
            if name == LOG || name == "*" {
                let catches_up = !self.log || self.walk.is_some_and(|walk| walk.catches_up);
                self.log = true;
                self.walks += 1;
                self.walk = Some(Walk {
                    number: self.walks,
                    at: Position(0),
                    goal: None,
                    whole: true,
                    catches_up,
                    next: None,
                });
            }
            self.checkpoint |= name == CHECKPOINT || name == "*";
        }
        for name in unsubscribe {
            if name == LOG || name == "*" {
                self.log = false;
                self.walk = None;
            }
            self.checkpoint &= name != CHECKPOINT && name != "*";
        }
        Ok(())
    }

    fn catches_up(&self) -> bool {
        self.walk.is_some_and(|walk| walk.catches_up)
    }
}

/// What a response of this form holds.
struct Carried {
    part: PackedPart,
    from: Position,
    kind: Part,
}

impl Connection {
    pub(super) fn next_range<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let Some(ranges) = source.ranges() else {
            return Step::End(Status::unimplemented("packed ranges are not served"));
        };
        if let Some(step) = self.next_live(id, source, ranges, head, now) {
            return step;
        }
        let mut until = None;
        match self.next_walk(id, source, ranges, now) {
            Ok(Some(step)) => return step,
            Ok(None) => {}
            Err(then) => until = Some(then),
        }
        let heartbeat = self.settings.heartbeat;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        if session.must_speak(head, now, heartbeat) {
            return self.send_range(id, source, ranges, None, now);
        }
        let idle = session.spoke_at + heartbeat;
        Step::Wait(Some(until.map_or(idle, |until: Instant| until.min(idle))))
    }

    /// What is new.
    fn next_live<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        ranges: &dyn Ranges,
        head: Head,
        now: Instant,
    ) -> Option<Step> {
        let limits = self.limits();
        let session = self.sessions.get_mut(&id)?;
        let client = self.clients.get_mut(&session.instance)?;
        let Form::Range(form) = &session.form else {
            return None;
        };
        if !form.log {
            // Where it begins with what is new, should it take the log again; it holds no more by that.
            session.at = head.position;
            return None;
        }
        let from = session.at;
        let read = |from, to, bytes| piece(ranges.read_packed(from, to, bytes));
        match look(from, head.position, &mut client.refusals, &limits, read) {
            Found::Load { from, to, load, .. } => {
                let part = PackedPart { to, ..load };
                let kind = Part::Live;
                Some(self.send_range(id, source, ranges, Some(Carried { part, from, kind }), now))
            }
            Found::Nothing { to, .. } => {
                match form.catches_up() {
                    true => session.at = to,
                    false => session.pass(to),
                }
                None
            }
            Found::TooLarge { at, bytes } => Some(Step::TooLarge { at, bytes }),
        }
    }

    /// The next part of the walk; until when it waits in `Err`.
    fn next_walk<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        ranges: &dyn Ranges,
        now: Instant,
    ) -> Result<Option<Step>, Instant> {
        let limits = self.limits();
        let idle = now + self.settings.heartbeat;
        let Some(session) = self.sessions.get_mut(&id) else {
            return Ok(None);
        };
        let Some(client) = self.clients.get_mut(&session.instance) else {
            return Ok(None);
        };
        let Form::Range(form) = &mut session.form else {
            return Ok(None);
        };
        let Some(walk) = &mut form.walk else {
            return Ok(None);
        };
        // Until its client has taken its first part, what is pushed is named by the walk too.
        if walk.at == Position(0) {
            walk.goal = Some(session.at);
        }
        let goal = *walk.goal.get_or_insert(session.at);
        let walk = *walk;
        if let Some(next) = walk.next.filter(|next| now < *next) {
            return Err(next);
        }
        if walk.at < goal && !session.enter(id, &self.gate, now + self.settings.place_time) {
            return Err(idle);
        }
        let read = |from, to, bytes| piece(ranges.read_packed(from, to, bytes));
        let (part, from) = match look(walk.at, goal, &mut client.refusals, &limits, read) {
            Found::Load { from, to, load, .. } => (PackedPart { to, ..load }, from),
            Found::TooLarge { at, bytes } => return Ok(Some(Step::TooLarge { at, bytes })),
            Found::Nothing { .. } => {
                let to = goal;
                let nothing = PackedPart {
                    to,
                    ..PackedPart::default()
                };
                (nothing, walk.at)
            }
        };
        let kind = Part::Walk {
            end: part.to >= goal,
            whole: walk.whole,
            number: walk.number,
        };
        // A walk that begins says so, whatever was skipped before its first part.
        let from = if walk.at == Position(0) {
            walk.at
        } else {
            from
        };
        let carried = Carried { part, from, kind };
        Ok(Some(self.send_range(
            id,
            source,
            ranges,
            Some(carried),
            now,
        )))
    }

    /// One response, with a statement where the client will hold the head by it.
    fn send_range<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        ranges: &dyn Ranges,
        carried: Option<Carried>,
        now: Instant,
    ) -> Step {
        let Some(session) = self.sessions.get(&id) else {
            return Step::Superseded;
        };
        let Form::Range(form) = &session.form else {
            return Step::Superseded;
        };
        let kind = carried.as_ref().map_or(Part::Aside, |c| c.kind);
        let ends = matches!(kind, Part::Walk { end: true, .. });
        let new = match &carried {
            Some(carried) if kind == Part::Live => carried.part.to,
            _ => session.at,
        };
        let walking = form.catches_up() && !ends;
        let held = match (&carried, kind) {
            (Some(carried), Part::Walk { .. }) if walking => carried.part.to,
            _ if walking => form.held(new),
            _ => new,
        };
        // Read after the entries: if the head is still where they end, the statement is about them.
        let statement = ranges.statement();
        let said = form.checkpoint && !walking && statement.position == held;
        let ledger = ranges.id();
        let version = source.version(held);
        let count = carried.as_ref().map_or(0, |c| c.part.count);
        let mut range = Range {
            from: held,
            to: held,
            resources: count,
            bytes: 0,
        };
        let log = carried.map(|Carried { part, from, .. }| {
            range.from = from;
            range.to = part.to;
            range.bytes = part.entries.len();
            let message = log_message(&ledger, source, from, &part, kind);
            (message, part.entries)
        });
        let mut resources = Vec::new();
        if said {
            let message = RangeMessage {
                ledger,
                checkpoint: Some(checkpoint(&version, &statement)),
                ..RangeMessage::default()
            };
            resources.push(statement_resource(&version, &message));
        }
        let head = Head {
            position: statement.position,
            complete: statement.complete,
        };
        let response = DeltaDiscoveryResponse {
            system_version_info: version,
            resources,
            type_url: RANGE_TYPE_URL.to_owned(),
            control_plane: Some(control_plane(&source.version(head.position), head.complete)),
            ..DeltaDiscoveryResponse::default()
        };
        let reply = match log {
            Some((message, entries)) => Reply::with_log(response, &message, entries),
            None => Reply::delta(response),
        };
        self.sent(id, reply, range, kind, head, now)
    }
}

fn piece(part: PackedPart) -> Piece<PackedPart> {
    Piece {
        count: part.count,
        bytes: part.entries.len(),
        to: part.to,
        load: part,
    }
}

/// What the log says of its entries, which are not in it yet.
fn log_message<S: Source + ?Sized>(
    ledger: &str,
    source: &S,
    from: Position,
    part: &PackedPart,
    kind: Part,
) -> RangeMessage {
    let walk = match kind {
        Part::Walk { end: true, .. } => range::Walk::End,
        Part::Walk { end: false, .. } => range::Walk::Part,
        Part::Live | Part::Aside | Part::Before => range::Walk::None,
    };
    RangeMessage {
        ledger: ledger.to_owned(),
        from: match from {
            Position(0) => String::new(),
            from => source.version(from),
        },
        to: source.version(part.to),
        base: part.base,
        walk: walk.into(),
        ..RangeMessage::default()
    }
}

fn checkpoint(version: &str, statement: &Statement) -> Checkpoint {
    Checkpoint {
        cursor: version.to_owned(),
        horizon: statement.horizon,
        digest: statement.digest.to_vec(),
        count: statement.count,
        complete: statement.complete,
        as_of_ms: statement.as_of_ms,
        source_age_ms: statement.source_age_ms,
    }
}

fn statement_resource(version: &str, message: &RangeMessage) -> Resource {
    Resource {
        name: CHECKPOINT.to_owned(),
        version: version.to_owned(),
        resource: Some(Any {
            type_url: RANGE_TYPE_URL.to_owned(),
            value: message.encode_to_vec(),
        }),
        ..Resource::default()
    }
}
