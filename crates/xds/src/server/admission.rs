//! What one client may hold of the server: streams, counted from their opening, requests that are on their way, and pages
//! that are not read.
//!
//! A stream costs something before its first request, and a request before its last byte. So both are counted when they
//! begin, for the connection and for the identity; what is counted is given back when it is dropped.

mod pages;
mod tally;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;
use tonic::Status;

use self::tally::Tally;
use super::{Settings, peer::Peer};

pub(super) use self::pages::PageRoom;

/// What is open and under way on one connection; part of its [`Peer`].
#[derive(Debug, Default)]
pub(super) struct Load {
    streams: AtomicUsize,
    bytes: AtomicUsize,
    /// Pages that are not read, in bytes.
    pages: AtomicUsize,
}

/// What all connections hold together.
#[derive(Debug)]
pub(super) struct Admission {
    settings: Arc<Settings>,
    /// How many streams are open.
    streams: Tally,
    /// Under which `instanceIdentifier` streams are open, and how many, by identity: of those that are not to be shared.
    names: Mutex<HashMap<String, HashMap<String, usize>>>,
    /// Large requests that are on their way, in bytes.
    bytes: AtomicUsize,
    /// The same by identity.
    large: Tally,
    /// Pages that are not read, in bytes.
    pages: Tally,
    /// Whom it was that was refused last because nothing says that it is shared.
    unshared: watch::Sender<String>,
}

/// A stream that is counted.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    peer: Peer,
}

/// A stream whose client is known by this name.
#[derive(Debug)]
pub(super) struct Named {
    admission: Arc<Admission>,
    identity: String,
    instance: String,
}

/// Room for a large request.
#[derive(Debug)]
pub(super) struct Room {
    admission: Arc<Admission>,
    peer: Peer,
    bytes: usize,
}

impl Admission {
    pub(super) fn new(settings: Arc<Settings>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            streams: Tally::default(),
            names: Mutex::default(),
            bytes: AtomicUsize::new(0),
            large: Tally::default(),
            pages: Tally::default(),
            unshared: watch::Sender::default(),
        })
    }

    /// Counts a stream of `peer`, or says of what there are too many.
    pub(super) fn admit(self: &Arc<Self>, peer: &Peer) -> Result<Admitted, Status> {
        let load = peer.load();
        if !take(&load.streams, 1, self.settings.max_streams_per_connection) {
            return Err(Status::resource_exhausted(
                "too many streams are open on this connection",
            ));
        }
        let most = self.settings.max_streams;
        if !self.streams.take(peer.identity(), 1, most) {
            give_back(&load.streams, 1);
            return Err(Status::resource_exhausted(
                "too many streams are open for this client's certificate",
            ));
        }
        Ok(Admitted {
            admission: Arc::clone(self),
            peer: peer.clone(),
        })
    }

    /// Notes that a client comes under `instance`. Where its identity is not said to be shared, all that are open there have
    /// the same one. `None` where that does not matter.
    pub(super) fn name(
        self: &Arc<Self>,
        peer: &Peer,
        instance: &str,
    ) -> Result<Option<Named>, Status> {
        let identity = peer.identity();
        let Err(refused) = self.settings.share.check(identity) else {
            return Ok(None);
        };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let open = names.entry(identity.to_owned()).or_default();
        if !open.is_empty() && !open.contains_key(instance) {
            self.unshared.send_replace(identity.to_owned());
            return Err(refused);
        }
        *open.entry(instance.to_owned()).or_default() += 1;
        Ok(Some(Named {
            admission: Arc::clone(self),
            identity: identity.to_owned(),
            instance: instance.to_owned(),
        }))
    }

    fn forget(&self, identity: &str, instance: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = names.get_mut(identity) else {
            return;
        };
        if let Some(count) = open.get_mut(instance) {
            *count -= 1;
            if *count == 0 {
                open.remove(instance);
            }
        }
        if open.is_empty() {
            names.remove(identity);
        }
    }

    /// The identity that was refused last because nothing says that it is shared; changed by each refusal.
    pub(super) fn unshared(&self) -> watch::Receiver<String> {
        self.unshared.subscribe()
    }
}

impl Admitted {
    /// Room for a request of so many bytes; `None` where none is needed.
    ///
    /// Who finds none is told to come again, rather than to wait: what waits is held too.
    pub(super) fn room(&self, bytes: usize) -> Result<Option<Room>, Status> {
        let settings = &self.admission.settings;
        // One that is too large is refused by its length alone.
        if bytes <= settings.small_request_bytes || bytes > settings.max_request_bytes {
            return Ok(None);
        }
        let load = self.peer.load();
        if !take(&load.bytes, bytes, settings.max_request_bytes) {
            return Err(Status::unavailable(
                "another large request is on its way on this connection, come again",
            ));
        }
        let (admission, identity) = (&self.admission, self.peer.identity());
        if !admission.large.take(identity, bytes, share(settings)) {
            give_back(&load.bytes, bytes);
            return Err(Status::unavailable(
                "many large requests of this client's certificate are on their way, come again",
            ));
        }
        if !take(&admission.bytes, bytes, settings.large_requests_bytes) {
            give_back(&load.bytes, bytes);
            admission.large.give_back(identity, bytes);
            return Err(Status::unavailable(
                "many large requests are on their way, come again",
            ));
        }
        Ok(Some(Room {
            admission: Arc::clone(admission),
            peer: self.peer.clone(),
            bytes,
        }))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.admission.settings
    }
}

/// How much of the room for large requests one identity has: it leaves most of it to others, and fits one of the largest.
fn share(settings: &Settings) -> usize {
    (settings.large_requests_bytes / 4).max(settings.max_request_bytes)
}

/// Adds `more`, unless that goes beyond `most`.
fn take(held: &AtomicUsize, more: usize, most: usize) -> bool {
    let sum = |held: usize| held.checked_add(more).filter(|sum| *sum <= most);
    held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum)
        .is_ok()
}

fn give_back(held: &AtomicUsize, less: usize) {
    held.fetch_sub(less, Ordering::Relaxed);
}

impl Drop for Admitted {
    fn drop(&mut self) {
        give_back(&self.peer.load().streams, 1);
        self.admission.streams.give_back(self.peer.identity(), 1);
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.admission.forget(&self.identity, &self.instance);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let (admission, identity) = (&self.admission, self.peer.identity());
        give_back(&self.peer.load().bytes, self.bytes);
        admission.large.give_back(identity, self.bytes);
        give_back(&admission.bytes, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::{super::Admit, *};

    fn admission(settings: Settings) -> Arc<Admission> {
        Admission::new(Arc::new(settings))
    }

    fn peer(identity: &str) -> Peer {
        Peer::new(identity, None)
    }

    #[test]
    fn one_identity_has_so_many_streams_and_no_more() {
        let admission = admission(Settings {
            max_streams: 2,
            ..Settings::default()
        });
        let one = admission.admit(&peer("a")).expect("the first");
        let _two = admission.admit(&peer("a")).expect("the second");
        assert!(admission.admit(&peer("a")).is_err());
        let _other = admission.admit(&peer("b")).expect("another identity");
        drop(one);
        let _again = admission.admit(&peer("a")).expect("there is room again");
        assert!(admission.admit(&peer("a")).is_err());
    }

    #[test]
    fn one_connection_has_so_many_streams_and_what_is_refused_counts_for_nothing() {
        let admission = admission(Settings {
            max_streams: 3,
            max_streams_per_connection: 2,
            ..Settings::default()
        });
        let peer = peer("a");
        let held = [admission.admit(&peer), admission.admit(&peer.clone())];
        assert!(held.iter().all(Result::is_ok));
        for _ in 0..5 {
            assert!(admission.admit(&peer).is_err());
        }
        let _other = admission.admit(&self::peer("a")).expect("another one");
        assert!(admission.admit(&self::peer("a")).is_err());
        drop(held);
        assert!(admission.admit(&peer).is_ok());
    }

    #[test]
    fn large_requests_have_so_much_room_on_a_connection_and_together() {
        let admission = admission(Settings {
            small_request_bytes: 10,
            max_request_bytes: 100,
            large_requests_bytes: 150,
            ..Settings::default()
        });
        let (one, two) = (peer("a"), peer("b"));
        let (one, two) = (admission.admit(&one), admission.admit(&two));
        let (one, two) = (one.expect("admitted"), two.expect("admitted"));
        assert!(one.room(10).expect("small").is_none());
        assert!(one.room(101).expect("refused by its length").is_none());
        let held = one.room(90).expect("room");
        assert!(held.is_some());
        assert!(one.room(11).is_err(), "the connection's");
        assert!(two.room(61).is_err(), "all connections'");
        assert!(two.room(60).is_ok());
        drop(held);
        assert!(one.room(100).is_ok());
    }

    #[test]
    fn one_identity_has_a_quarter_of_the_room_on_however_many_connections() {
        let admission = admission(Settings {
            small_request_bytes: 10,
            max_request_bytes: 100,
            large_requests_bytes: 600,
            ..Settings::default()
        });
        let streams = ["a", "a", "a", "b"].map(|identity| admission.admit(&peer(identity)));
        let [one, two, three, other] = streams.map(|stream| stream.expect("admitted"));
        let held = one.room(100).expect("room");
        let _rest = two.room(50).expect("room");
        assert!(three.room(11).is_err(), "the identity's");
        let _other = other.room(100).expect("another identity");
        // It counts for as long as it is held, also where its stream is gone.
        drop(one);
        assert!(three.room(11).is_err());
        drop(held);
        assert!(three.room(100).is_ok());
    }

    #[test]
    fn one_identity_has_one_name_at_a_time_unless_it_is_said_to_be_shared() {
        let admission = admission(Settings {
            share: Admit::by(|identity| identity == "mg").saying("say so"),
            ..Settings::default()
        });
        let named = |identity, instance| admission.name(&peer(identity), instance);
        assert!(named("mg", "a").expect("shared").is_none());
        assert!(named("mg", "b").is_ok());

        let held = [named("gw", "a"), named("gw", "a")].map(|named| named.expect("one"));
        let refused = named("gw", "b").expect_err("another one");
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert_eq!(refused.message(), "say so");
        assert!(named("gw", "").is_err());
        let [one, two] = held;
        drop(one);
        assert!(named("gw", "b").is_err());
        drop(two);
        let _next = named("gw", "b").expect("the first is gone");
        assert!(named("gw", "a").is_err());
    }
}
