//! A stream of named resources: the standard incremental protocol, for clients that know nothing of us.
//!
//! A wildcard subscription is served by position, like every other stream; what expires is told by one number, the horizon.
//! Only names that a client subscribed to by themselves, of which there is a limit, are remembered one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rescind_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use tokio::time::{Duration, Instant};
use tonic::Status;

use super::{
    Connection, StreamId,
    compose::{Found, Piece, Step, look},
    session::{Form, Part},
};
use crate::{
    Head, Named, Names, Position, Source, TYPE_URL,
    server::{frame::Reply, refusals::Range},
    wire::wire_len,
};

/// How often it is looked whether something has expired.
const EXPIRY: Duration = Duration::from_secs(60);

const WILDCARD: &str = "*";

#[derive(Debug)]
pub(super) struct NamesForm {
    wildcard: bool,
    /// Names that are subscribed to, with the version that the client was sent last; `None` where it was sent none.
    names: BTreeMap<String, Option<String>>,
    /// Up to here it is known that `names` have not changed.
    looked_at: Position,
    /// Names that are to be answered, whatever the client has.
    due: BTreeSet<String>,
    /// What the client held when the stream opened, as far as it was not confirmed since.
    held: HashMap<String, String>,
    /// Names whose removal is still to be sent.
    gone: VecDeque<String>,
    /// What expires before has been told, or was never sent.
    horizon: Option<u64>,
}

impl NamesForm {
    pub(super) fn new(
        subscribe: &[String],
        unsubscribe: &[String],
        versions: &HashMap<String, String>,
    ) -> Self {
        let mut form = Self {
            // Who names nothing in its first request means everything.
            wildcard: subscribe.is_empty(),
            names: BTreeMap::new(),
            looked_at: Position(0),
            due: BTreeSet::new(),
            held: versions.clone(),
            gone: VecDeque::new(),
            horizon: None,
        };
        form.subscribe(subscribe);
        form.unsubscribe(unsubscribe);
        // Of what it holds, only what has changed is sent.
        for (name, told) in &mut form.names {
            if let Some(version) = versions.get(name) {
                *told = Some(version.clone());
                form.due.remove(name);
            }
        }
        form
    }

    /// Takes in a change of the subscription: first what is added, then what is left. `true` where everything is to be sent
    /// again.
    pub(super) fn change(
        &mut self,
        subscribe: &[String],
        unsubscribe: &[String],
        most: usize,
    ) -> Result<bool, Status> {
        let again = self.subscribe(subscribe);
        self.unsubscribe(unsubscribe);
        self.check(most)?;
        Ok(again)
    }

    /// The limit of names.
    pub(super) fn check(&self, most: usize) -> Result<(), Status> {
        match self.names.len() > most {
            true => Err(Status::resource_exhausted(format!(
                "more than {most} names on one stream: subscribe to \"*\""
            ))),
            false => Ok(()),
        }
    }

    fn subscribe(&mut self, names: &[String]) -> bool {
        let mut again = false;
        for name in names {
            if name == WILDCARD {
                self.wildcard = true;
                again = true;
            } else {
                self.names.entry(name.clone()).or_default();
                self.due.insert(name.clone());
            }
        }
        again
    }

    fn unsubscribe(&mut self, names: &[String]) {
        for name in names {
            if name == WILDCARD {
                self.wildcard = false;
                self.held.clear();
                self.looked_at = Position(0);
            } else if self.names.remove(name).is_some() {
                // Under a wildcard the client must hear whether it goes on having it.
                match self.wildcard {
                    true => self.due.insert(name.clone()),
                    false => self.due.remove(name),
                };
            }
        }
    }
}

/// What goes out in one response.
#[derive(Debug, Default)]
struct Batch {
    resources: Vec<Named>,
    removed: Vec<String>,
    bytes: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.removed.is_empty()
    }

    fn push(&mut self, resource: Named) {
        self.bytes += named_len(&resource);
        self.resources.push(resource);
    }

    fn remove(&mut self, name: String) {
        self.bytes += name.len() + 4;
        self.removed.push(name);
    }
}

impl Connection {
    pub(super) fn next_names<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        head: Head,
        now: Instant,
    ) -> Step {
        let Some(names) = source.names() else {
            return Step::End(Status::unimplemented("named resources are not served"));
        };
        let limits = self.limits();
        let Some(session) = self.sessions.get_mut(&id) else {
            return Step::Superseded;
        };
        let Form::Names(form) = &mut session.form else {
            return Step::Superseded;
        };
        let horizon = match form.expire(names) {
            Ok(horizon) => horizon,
            Err(status) => return Step::End(status),
        };
        let mut batch = form.answers(names, horizon, limits.chunk);
        if batch.is_empty() {
            batch = form.changes(names, horizon, head.position, limits.chunk);
        }
        if batch.is_empty() && form.wildcard {
            match self.next_of_all(id, source, names, horizon, head, now) {
                Ok(step) => return step,
                Err(removals) => batch = removals,
            }
        }
        let Some(session) = self.sessions.get(&id) else {
            return Step::Superseded;
        };
        let Form::Names(form) = &session.form else {
            return Step::Superseded;
        };
        // Who asked for everything hears that there is nothing; who asked for nothing hears nothing.
        let first = !session.answered && (form.wildcard || !form.names.is_empty());
        if batch.is_empty() && !first {
            return Step::Wait(Some(now + EXPIRY));
        }
        let at = session.at;
        let range = Range {
            from: at,
            to: at,
            resources: batch.resources.len() + batch.removed.len(),
            bytes: batch.bytes,
        };
        self.send_names(id, source, batch, range, Part::Aside, head, now)
    }

    /// The next part of everything; what else is to be said in `Err`, when everything is there.
    fn next_of_all<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        names: &dyn Names,
        horizon: u64,
        head: Head,
        now: Instant,
    ) -> Result<Step, Batch> {
        let limits = self.limits();
        let Some(session) = self.sessions.get_mut(&id) else {
            return Ok(Step::Superseded);
        };
        let Some(client) = self.clients.get_mut(&session.instance) else {
            return Ok(Step::Superseded);
        };
        let far_behind = session.at.0 + super::range::FAR_BEHIND < session.goal.0;
        if far_behind && !session.enter(id, &self.gate, now + self.settings.place_time) {
            return match session.answered {
                true => Ok(Step::Wait(Some(now + self.settings.heartbeat))),
                false => Err(Batch::default()),
            };
        }
        let Form::Names(form) = &mut session.form else {
            return Ok(Step::Superseded);
        };
        let held = &mut form.held;
        let read = |from, to, bytes| {
            let mut part = names.read_named(from, to, horizon, bytes);
            if !held.is_empty() {
                part.resources
                    .retain(|new| held.remove(&new.name).as_ref() != Some(&new.version));
            }
            Piece {
                count: part.resources.len(),
                bytes: part.resources.iter().map(named_len).sum(),
                to: part.to,
                load: part.resources,
            }
        };
        match look(
            session.at,
            head.position,
            &mut client.refusals,
            &limits,
            read,
        ) {
            Found::Load {
                from,
                to,
                load,
                bytes,
            } => {
                let range = Range {
                    from,
                    to,
                    resources: load.len(),
                    bytes,
                };
                let batch = Batch {
                    resources: load,
                    removed: Vec::new(),
                    bytes,
                };
                Ok(self.send_names(id, source, batch, range, Part::Live, head, now))
            }
            Found::TooLarge { at, bytes } => Ok(Step::TooLarge { at, bytes }),
            Found::Nothing { to, .. } => {
                session.at = to;
                session.acked = to;
                session.place = None;
                Err(form.removals(names, horizon, limits.chunk))
            }
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "what every response has, and what this one holds"
    )]
    fn send_names<S: Source + ?Sized>(
        &mut self,
        id: StreamId,
        source: &S,
        batch: Batch,
        range: Range,
        part: Part,
        head: Head,
        now: Instant,
    ) -> Step {
        let resources = batch.resources.into_iter().map(|named| Resource {
            name: named.name,
            version: named.version,
            resource: Some(named.resource),
            ..Resource::default()
        });
        let response = DeltaDiscoveryResponse {
            system_version_info: source.version(range.to),
            resources: resources.collect(),
            type_url: TYPE_URL.to_owned(),
            removed_resources: batch.removed,
            ..DeltaDiscoveryResponse::default()
        };
        self.sent(id, Reply::delta(response), range, part, head, now)
    }
}

impl NamesForm {
    /// Notes what has expired since; the horizon for all that is read now.
    fn expire(&mut self, names: &dyn Names) -> Result<u64, Status> {
        let horizon = names.horizon();
        let told = *self.horizon.get_or_insert(horizon);
        if told >= horizon {
            return Ok(told);
        }
        self.horizon = Some(horizon);
        self.looked_at = Position(0);
        if self.wildcard {
            let Some(removed) = names.removed(told, horizon) else {
                return Err(Status::unavailable(
                    "what has expired is no longer known, open the stream again with what you hold",
                ));
            };
            self.gone.extend(removed.iter().cloned());
        }
        Ok(horizon)
    }

    /// What the client has asked for by name.
    fn answers(&mut self, names: &dyn Names, horizon: u64, chunk: usize) -> Batch {
        let mut batch = Batch::default();
        while batch.bytes < chunk
            && let Some(name) = self.due.pop_first()
        {
            match names.find(&name, horizon) {
                Some(found) => {
                    self.note(&name, Some(found.version.clone()));
                    batch.push(found);
                }
                None => {
                    self.note(&name, None);
                    batch.remove(name);
                }
            }
        }
        batch
    }

    fn note(&mut self, name: &str, version: Option<String>) {
        self.held.remove(name);
        if let Some(told) = self.names.get_mut(name) {
            *told = version;
        }
    }

    /// What has changed of what it subscribed to by name. Under a wildcard it hears of it that way.
    fn changes(&mut self, names: &dyn Names, horizon: u64, head: Position, chunk: usize) -> Batch {
        let mut batch = Batch::default();
        if self.wildcard || self.looked_at >= head && head != Position(0) {
            return batch;
        }
        for (name, told) in &mut self.names {
            if batch.bytes >= chunk {
                return batch;
            }
            let found = names.find(name, horizon);
            match (found, told.is_some()) {
                (Some(found), _) if told.as_ref() != Some(&found.version) => {
                    *told = Some(found.version.clone());
                    batch.push(found);
                }
                (None, true) => {
                    *told = None;
                    batch.remove(name.clone());
                }
                _ => {}
            }
        }
        self.looked_at = head;
        self.held.clear();
        batch
    }

    /// What the client holds, or was sent, and is no more.
    fn removals(&mut self, names: &dyn Names, horizon: u64, chunk: usize) -> Batch {
        for (name, _) in std::mem::take(&mut self.held) {
            if names.find(&name, horizon).is_none() {
                self.gone.push_back(name);
            }
        }
        let mut batch = Batch::default();
        while batch.bytes < chunk
            && let Some(name) = self.gone.pop_front()
        {
            batch.remove(name);
        }
        batch
    }
}

/// What a named resource adds to a response, in bytes.
fn named_len(named: &Named) -> usize {
    wire_len(&named.resource) + named.name.len() + named.version.len() + 12
}
