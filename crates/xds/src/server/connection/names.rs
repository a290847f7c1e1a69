//! A stream of named resources: the standard incremental protocol, for clients that know nothing of us.
//!
//! A wildcard subscription is served by position, like every other stream; what expires is told by one number, the horizon.
//! Only names that a client subscribed to by themselves, of which there is a limit, are remembered one by one.

mod batch;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rescind_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use tokio::time::{Duration, Instant};
use tonic::Status;

use self::batch::{Batch, named_len};
use super::{
    Connection, StreamId,
    compose::{Found, Piece, Step, look},
    session::{Form, Part},
};
use crate::{
    Head, Names, Position, Source, TYPE_URL,
    server::{frame::Reply, refusals::Range},
};

/// How often it is looked whether something has expired.
const EXPIRY: Duration = Duration::from_secs(60);

/// How often it is asked for what has expired while that is looked for.
const LOOKED_FOR: Duration = Duration::from_secs(1);

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
    gone: BTreeSet<String>,
    /// What expires before has been told, or was never sent.
    horizon: Option<u64>,
    /// What has expired since is being looked for.
    asks_again: bool,
    /// What the newest response said of names, beside what is new.
    said: Vec<String>,
    /// That was refused before, together with other names.
    said_again: bool,
    /// What was refused together, in parts that are said again one after the other.
    again: VecDeque<Vec<String>>,
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
            gone: BTreeSet::new(),
            horizon: None,
            asks_again: false,
            said: Vec::new(),
            said_again: false,
            again: VecDeque::new(),
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
        if again {
            // It may have lost what it held. The names are kept: what is no more must still be removed.
            self.held.values_mut().for_each(String::clear);
        }
        self.unsubscribe(unsubscribe);
        self.check(most)?;
        Ok(again)
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
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

    /// What the newest response said of names was refused: it is said again in halves, unless it was one name alone. Returns
    /// whether something was in doubt before.
    pub(super) fn refused(&mut self) -> bool {
        let in_doubt = self.in_doubt();
        let mut names = std::mem::take(&mut self.said);
        self.said_again = false;
        if names.len() > 1 {
            let second = names.split_off(names.len() / 2);
            self.again.push_front(second);
            self.again.push_front(names);
        }
        in_doubt
    }

    /// What the newest response said of names was taken.
    pub(super) fn accepted(&mut self) {
        self.said.clear();
        self.said_again = false;
    }

    /// Something that was refused was not taken since.
    pub(super) fn in_doubt(&self) -> bool {
        self.said_again || !self.again.is_empty()
    }

    fn subscribe(&mut self, names: &[String]) -> bool {
        let mut again = false;
        for name in names {
            if name == WILDCARD {
                self.wildcard = true;
                again = true;
                // What became of these meanwhile is not heard under the wildcard.
                self.due.extend(self.names.keys().cloned());
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
                    true => _ = self.due.insert(name.clone()),
                    // What it held of it when it came it has dropped.
                    false => {
                        self.due.remove(name);
                        self.held.remove(name);
                    }
                }
            }
        }
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
        let mut batch = form.retry(names, horizon);
        if batch.is_empty() {
            batch = form.answers(names, horizon, limits.chunk);
        }
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
            let again = if form.asks_again { LOOKED_FOR } else { EXPIRY };
            return Step::Wait(Some(now + again));
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
                let removals = form.removals(names, horizon, limits.chunk);
                session.pass(to);
                session.place = None;
                Err(removals)
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
        if part == Part::Aside
            && let Some(session) = self.sessions.get_mut(&id)
            && let Form::Names(form) = &mut session.form
        {
            form.said = batch.names();
        }
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
