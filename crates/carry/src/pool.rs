//! The connections to one upstream: made when a call needs one, as many as its calls need.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use h2::client::SendRequest;
use http::{HeaderMap, Uri};
use tokio::time::{Instant, timeout_at};

use crate::{
    Away, Hops, Metrics, Settings, Upstream,
    connection::{Connection, HEALTH, Probed, Slot},
    dial::{Dialer, HTTP_2, chain},
};

/// After a failed attempt calls are refused for so long without another one: many callers are not many attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// More than this, and the upstream allows absurdly few calls on each.
const MAX_CONNECTIONS: usize = 256;

/// So many connections may be told to go away under one call before it is told that the upstream is.
const TRIES: usize = 3;

/// Connections to one upstream.
pub(crate) struct Pool {
    dialer: Arc<Dialer>,
    /// What a probe asks for.
    health: Uri,
    settings: Settings,
    metrics: Arc<Metrics>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    open: Vec<Arc<Connection>>,
    /// The attempt that is under way; all who wait share it.
    dialing: Option<Attempt>,
    failed: Option<(Instant, Away)>,
}

type Attempt = Shared<BoxFuture<'static, Result<(), Away>>>;

impl Pool {
    pub(crate) fn new(
        upstream: &Upstream,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Away> {
        let dialer = Dialer::new(upstream, HTTP_2)?;
        Ok(Self {
            health: dialer.uri_of(HEALTH),
            dialer: Arc::new(dialer),
            settings,
            metrics,
            state: Arc::default(),
        })
    }

    /// A place for a call, and who sends it.
    pub(crate) async fn ready(&self) -> Result<(Slot, SendRequest<Bytes>), Away> {
        for _ in 0..TRIES {
            let slot = self.slot().await?;
            // An error: that connection was told to go away meanwhile, so the next one.
            if let Ok(sender) = slot.sender().await {
                return Ok((slot, sender));
            }
        }
        Err(Away::new(
            "it sends its connections away as soon as they stand",
        ))
    }

    /// Whether the upstream answers a probe of our own within so long, and what it finds, noted in `hops`.
    pub(crate) async fn probe_as(&self, hops: &Hops, within: Duration) -> Result<(), Away> {
        let mut marks = HeaderMap::new();
        hops.mark(&mut marks, None);
        let probed = self.probe(&marks, within).await;
        hops.found(probed == Ok(Probed::Loops));
        match probed? {
            Probed::Answers => Ok(()),
            Probed::Loops => Err(Away::looped()),
        }
    }

    /// Whether the upstream answers a question with these headers within so long, on the connection that the next call would
    /// have. One that does not answer, or leads back, gets no more calls: another may.
    pub(crate) async fn probe(&self, marks: &HeaderMap, within: Duration) -> Result<Probed, Away> {
        let silent = || Away::new(format_args!("it does not answer within {within:?}"));
        let until = Instant::now() + within;
        let mut lost = None;
        for _ in 0..TRIES {
            let slot = timeout_at(until, self.slot());
            let slot = slot.await.unwrap_or_else(|_| Err(silent()))?;
            match timeout_at(until, slot.ask(&self.health, marks.clone())).await {
                Ok(Ok(probed)) => {
                    if probed == Probed::Loops {
                        slot.retire();
                    }
                    return Ok(probed);
                }
                // That connection went away, which an upstream may do at any time: the next one tells.
                Ok(Err(error)) => lost = Some(Away::new(chain(&error))),
                Err(_) => {
                    slot.retire();
                    return Err(silent());
                }
            }
        }
        Err(lost.expect("each try that does not return leaves its error"))
    }

    /// What the upstream says to somebody else's question. How it ends changes nothing for the calls.
    pub(crate) async fn look(&self, marks: HeaderMap) -> Result<Probed, Away> {
        let slot = self.slot().await?;
        let asked = slot.ask(&self.health, marks).await;
        asked.map_err(|error| Away::new(chain(&error)))
    }

    async fn slot(&self) -> Result<Slot, Away> {
        loop {
            let attempt = {
                let mut state = self.state();
                state.open.retain(|connection| connection.is_open());
                if let Some(slot) = state.open.iter().find_map(Connection::slot) {
                    return Ok(slot);
                }
                if let Some(away) = state.refuses() {
                    return Err(away);
                }
                self.attempt(&mut state)
            };
            attempt.await?;
        }
    }

    /// Joins the attempt that is under way, or begins one. It goes on when its callers have gone.
    fn attempt(&self, state: &mut State) -> Attempt {
        if let Some(attempt) = &state.dialing {
            return attempt.clone();
        }
        let dialer = Arc::clone(&self.dialer);
        let shared = Arc::clone(&self.state);
        let (settings, metrics) = (self.settings.clone(), Arc::clone(&self.metrics));
        let dialing = tokio::spawn(async move {
            let open = |io| Connection::open(io, settings, Arc::clone(&metrics));
            let dialed = dialer.dial(open).await;
            let mut state = lock(&shared);
            state.dialing = None;
            match dialed {
                Ok(connection) => {
                    state.failed = None;
                    state.open.push(connection);
                    Ok(())
                }
                Err(away) => {
                    metrics.failed_connections.inc();
                    state.failed = Some((Instant::now(), away.clone()));
                    Err(away)
                }
            }
        });
        let attempt = dialing
            .map(|done| done.unwrap_or_else(|_| Err(Away::new("the attempt to connect ended"))))
            .boxed()
            .shared();
        state.dialing = Some(attempt.clone());
        attempt
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Why no attempt is made now.
    fn refuses(&self) -> Option<Away> {
        if self.open.len() >= MAX_CONNECTIONS {
            return Some(Away::new("it takes too few calls on each connection"));
        }
        let (at, away) = self.failed.as_ref()?;
        (self.dialing.is_none() && at.elapsed() < PAUSE).then(|| away.clone())
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic elsewhere leaves nothing half done: each change is one assignment.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("dialer", &self.dialer)
            .field("open", &self.state().open)
            .finish_non_exhaustive()
    }
}
