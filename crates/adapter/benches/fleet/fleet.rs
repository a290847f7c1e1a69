//! Many clients at once.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{runtime::Runtime, sync::Semaphore, task::JoinHandle};

use super::{
    process::monotonic,
    stream::{Form, Stream},
};

/// Handshakes at once, where it is not a storm.
pub(crate) const AT_ONCE: usize = 64;

/// How long anything may take that a row waits for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Streams that ACK what comes, until dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    runtime: Runtime,
    told: Arc<Told>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the streams have come to.
#[derive(Debug, Default)]
struct Told {
    /// Streams that hold a place at or beyond `awaited`.
    reached: AtomicUsize,
    awaited: AtomicU64,
    /// Whether each ACK is noted.
    noting: AtomicBool,
    notes: Mutex<Vec<Note>>,
    bytes: AtomicU64,
    largest: AtomicUsize,
}

/// A stream has sent the ACK of a place, at this moment of CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy)]
struct Note {
    stream: usize,
    place: u64,
    at: Duration,
}

/// The streams that a fleet opens.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) port: u16,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) form: Form,
    pub(crate) count: usize,
    /// Handshakes at once.
    pub(crate) at_once: usize,
    /// They have everything when they hold this place, 1 or more.
    pub(crate) place: u64,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        Self {
            runtime: Runtime::new().unwrap(),
            told: Arc::default(),
            tasks: Vec::new(),
        }
    }

    /// Opens streams of clients that hold nothing, and waits until they hold everything.
    pub(crate) fn open(&mut self, plan: &Plan) {
        self.begin(plan);
        self.wait(plan.count);
    }

    /// The same, without waiting.
    pub(crate) fn begin(&mut self, plan: &Plan) {
        let at_once = Arc::new(Semaphore::new(plan.at_once));
        self.told.awaited.store(plan.place, Ordering::SeqCst);
        self.told.reached.store(0, Ordering::SeqCst);
        for n in 0..plan.count {
            let (plan, told) = (plan.clone(), Arc::clone(&self.told));
            let at_once = Arc::clone(&at_once);
            self.tasks.push(self.runtime.spawn(async move {
                let permit = at_once.acquire_owned().await.unwrap();
                let Plan {
                    port, tls, form, ..
                } = plan;
                let stream = Stream::open(port, &tls, form, &format!("gateway-{n}")).await;
                drop(permit);
                told.follow(n, stream.unwrap()).await;
            }));
        }
    }

    /// Waits until `count` streams have reached the place. How long that took.
    pub(crate) fn wait(&self, count: usize) -> Duration {
        let began = Instant::now();
        while self.told.reached.load(Ordering::SeqCst) < count {
            assert!(
                began.elapsed() < PATIENCE,
                "{} of {count} have everything",
                self.told.reached.load(Ordering::SeqCst)
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        began.elapsed()
    }

    /// How many streams have reached the place.
    pub(crate) fn reached(&self) -> usize {
        self.told.reached.load(Ordering::SeqCst)
    }

    /// From here on each ACK is noted.
    pub(crate) fn note(&self) {
        self.told.notes.lock().unwrap().clear();
        self.told.noting.store(true, Ordering::SeqCst);
    }

    /// For what was revoked, each with its place and the moment of its receipt: how long it took to the ACK of each stream.
    pub(crate) fn delays(&self, revoked: &[(u64, Duration)]) -> Vec<Duration> {
        let mut notes = self.told.notes.lock().unwrap().clone();
        notes.sort_by_key(|note| (note.stream, note.at));
        let mut delays = Vec::new();
        for stream in notes.chunk_by(|one, other| one.stream == other.stream) {
            for (place, received) in revoked {
                let first = stream.iter().find(|note| note.place >= *place);
                delays.extend(first.map(|note| note.at.saturating_sub(*received)));
            }
        }
        delays
    }

    /// Bytes of data that the streams have received.
    pub(crate) fn bytes(&self) -> u64 {
        self.told.bytes.load(Ordering::SeqCst)
    }

    /// The largest response, in bytes.
    pub(crate) fn largest(&self) -> usize {
        self.told.largest.load(Ordering::SeqCst)
    }
}

impl Told {
    async fn follow(&self, number: usize, mut stream: Stream) {
        let (mut held, mut received) = (0, 0);
        loop {
            let response = match stream.next().await {
                Ok(response) => response,
                Err(error) => panic!("a stream has ended: {error}"),
            };
            let place = response.sequence();
            self.largest.fetch_max(response.bytes, Ordering::Relaxed);
            stream.ack(&response).await.unwrap();
            let now = stream.received();
            self.bytes.fetch_add(now - received, Ordering::Relaxed);
            received = now;
            if self.noting.load(Ordering::SeqCst) {
                self.notes.lock().unwrap().push(Note {
                    stream: number,
                    place,
                    at: monotonic(),
                });
            }
            let awaited = self.awaited.load(Ordering::SeqCst);
            if held < awaited && place >= awaited {
                self.reached.fetch_add(1, Ordering::SeqCst);
            }
            held = held.max(place);
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
