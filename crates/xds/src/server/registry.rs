//! The connections that have streams, and what is remembered of clients beyond them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Settings, StreamStatus,
    connection::{Connection, StreamId},
    gate::Gate,
    nonce::Nonces,
    peer::{ConnectionId, Peer},
};

/// All connections of a service.
#[derive(Debug)]
pub(super) struct Registry {
    settings: Arc<Settings>,
    nonces: Arc<Nonces>,
    gate: Gate,
    connections: Mutex<Connections>,
    /// How many entries a client refused, until it takes the whole set.
    marks: Mutex<HashMap<ClientName, usize>>,
}

/// A client beyond its connections: identity and instance.
type ClientName = (String, String);

#[derive(Debug, Default)]
struct Connections {
    by_id: HashMap<ConnectionId, Arc<Shared>>,
    /// Connections whose last stream has ended, and when; in that order.
    idle: VecDeque<(Instant, ConnectionId)>,
}

/// A connection, shared by the tasks of its streams.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) peer: Peer,
    /// When the streams of the connection end because of its age.
    pub(super) ends_at: Option<Instant>,
    /// Its streams end now.
    pub(super) ended: CancellationToken,
    state: Mutex<State>,
}

/// What the streams of a connection share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) connection: Connection,
    wakes: HashMap<StreamId, Arc<Notify>>,
    idle_since: Option<Instant>,
}

impl Registry {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            gate: Gate::new(settings.full_sync_places),
            settings,
            nonces: Arc::new(Nonces::new()),
            connections: Mutex::default(),
            marks: Mutex::default(),
        }
    }

    /// The connection of a stream, and what wakes the stream's task.
    pub(super) fn join(
        &self,
        peer: &Peer,
        id: StreamId,
        now: Instant,
    ) -> (Arc<Shared>, Arc<Notify>) {
        let mut connections = self.connections();
        connections.forget_idle(now, &self.settings);
        let known = connections.by_id.get(&peer.connection());
        // One that has ended by age takes no more streams: those that come begin a new age.
        let young = |shared: &&Arc<Shared>| shared.ends_at.is_none_or(|end| now < end);
        let shared = match known.filter(young) {
            Some(shared) => Arc::clone(shared),
            None => {
                let shared = Arc::new(self.shared(peer.clone(), now));
                let id = peer.connection();
                connections.by_id.insert(id, Arc::clone(&shared));
                shared
            }
        };
        let wake = shared.lock().join(id);
        (shared, wake)
    }

    /// A stream has ended. The connection is remembered for a while.
    pub(super) fn leave(&self, shared: &Shared, id: StreamId, now: Instant) {
        if shared.lock().leave(id, now) {
            let id = shared.peer.connection();
            self.connections().idle.push_back((now, id));
        }
    }

    /// The client did not take an entry.
    pub(super) fn mark_not_enforced(&self, identity: &str, instance: &str) {
        let mut marks = self.marks();
        let name = (identity.to_owned(), instance.to_owned());
        if marks.len() < MARKS || marks.contains_key(&name) {
            *marks.entry(name).or_default() += 1;
        }
    }

    /// The client has taken the whole set.
    pub(super) fn unmark(&self, identity: &str, instance: &str) {
        let mut marks = self.marks();
        if !marks.is_empty() {
            marks.remove(&(identity.to_owned(), instance.to_owned()));
        }
    }

    /// Ends every stream that is open.
    pub(super) fn end_all(&self) {
        let ended = std::mem::take(&mut self.connections().by_id);
        for shared in ended.into_values() {
            shared.ended.cancel();
        }
    }

    /// Every open stream.
    pub(super) fn roster(&self) -> Vec<StreamStatus> {
        let all: Vec<_> = self.connections().by_id.values().cloned().collect();
        let mut roster = Vec::new();
        for shared in all {
            let state = shared.lock();
            for id in state.wakes.keys() {
                roster.extend(self.status(&shared, &state, *id));
            }
        }
        roster
    }

    /// How one stream stands.
    pub(super) fn status(
        &self,
        shared: &Shared,
        state: &State,
        id: StreamId,
    ) -> Option<StreamStatus> {
        let standing = state.connection.standing(id)?;
        let name = (shared.peer.identity().to_owned(), standing.instance);
        let mark = self.marks().get(&name).copied().unwrap_or_default();
        Some(StreamStatus {
            stream: id,
            identity: name.0,
            instance: name.1,
            address: shared.peer.address(),
            audience: standing.audience,
            method: standing.method,
            subscribes_to_all: standing.subscribes_to_all,
            declared: standing.declared,
            proof: standing.proof,
            acked: standing.acked,
            sent: standing.sent,
            state: standing.state,
            last_error: standing.last_error,
            not_enforced: standing.skipped.max(mark),
        })
    }

    fn shared(&self, peer: Peer, now: Instant) -> Shared {
        let connection = Connection::new(
            Arc::clone(&self.settings),
            Arc::clone(&self.nonces),
            self.gate.clone(),
        );
        let age = self.settings.max_connection_age;
        Shared {
            peer,
            ends_at: age.map(|age| now + age.mul_f64(1.0 + rand::random::<f64>() / 10.0)),
            ended: CancellationToken::new(),
            state: Mutex::new(State {
                connection,
                wakes: HashMap::new(),
                idle_since: None,
            }),
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<ClientName, usize>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    fn forget_idle(&mut self, now: Instant, settings: &Settings) {
        while let Some((since, _)) = self.idle.front()
            && now >= *since + settings.connection_linger
        {
            let Some((since, id)) = self.idle.pop_front() else {
                return;
            };
            let still_idle = self
                .by_id
                .get(&id)
                .is_some_and(|shared| shared.lock().idle_since == Some(since));
            if still_idle {
                self.by_id.remove(&id);
            }
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn join(&mut self, id: StreamId) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        self.wakes.insert(id, Arc::clone(&wake));
        self.idle_since = None;
        wake
    }

    /// Whether this was the last stream.
    fn leave(&mut self, id: StreamId, now: Instant) -> bool {
        self.connection.close(id, now);
        self.wakes.remove(&id);
        let idle = self.wakes.is_empty();
        if idle {
            self.idle_since = Some(now);
        }
        idle
    }

    /// Something happened that the other streams of the connection may have to act on.
    pub(super) fn wake_others(&self, id: StreamId) {
        for (other, wake) in &self.wakes {
            if *other != id {
                wake.notify_one();
            }
        }
    }
}

/// So many clients are remembered as not enforcing something.
const MARKS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn registry() -> Registry {
        Registry::new(Arc::new(Settings::default()))
    }

    fn peer() -> Peer {
        Peer::new("", Some(([10, 0, 0, 1], 4000).into()))
    }

    #[test]
    fn streams_of_one_connection_share_it_and_the_same_address_later_is_another() {
        let registry = registry();
        let now = Instant::now();
        let (first, later) = (peer(), peer());
        let (one, _) = registry.join(&first, 1, now);
        let (two, _) = registry.join(&first.clone(), 2, now);
        let (other, _) = registry.join(&later, 3, now);
        assert!(Arc::ptr_eq(&one, &two) && !Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn a_connection_is_remembered_for_a_while_and_then_forgotten() {
        let registry = registry();
        let start = Instant::now();
        let peer = peer();
        let (one, _) = registry.join(&peer, 1, start);
        registry.leave(&one, 1, start);
        let (two, _) = registry.join(&peer, 2, start + Duration::from_secs(59));
        assert!(Arc::ptr_eq(&one, &two));

        registry.leave(&two, 2, start + Duration::from_secs(59));
        let (three, _) = registry.join(&peer, 3, start + Duration::from_secs(119));
        assert!(!Arc::ptr_eq(&two, &three));
        assert_eq!(registry.connections().by_id.len(), 1);
    }

    #[test]
    fn a_mark_stays_until_the_whole_set_is_taken() {
        let registry = registry();
        registry.mark_not_enforced("gw", "a");
        registry.mark_not_enforced("gw", "a");
        registry.unmark("gw", "b");
        assert_eq!(registry.marks().get(&("gw".into(), "a".into())), Some(&2));
        registry.unmark("gw", "a");
        assert!(registry.marks().is_empty());
    }
}
