//! Whether the upstream answers, and whether the way to it leads back.

use std::time::Duration;

use http::{HeaderMap, Request, Response};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{GrpcCarry, Inner};
use crate::{
    Away, GrpcBody, Hops,
    connection::{HEALTH, Probed},
    pool::Pool,
    status::Status,
};

/// Somebody else's probe waits its turn and is sent on for so long: less than it waits itself.
const PASS_ON: Duration = Duration::from_secs(2);

/// What was found for somebody else's last probe holds for so long.
const KEPT: Duration = Duration::from_secs(1);

/// Other people's probes: one at a time goes on, so that all of them together take one place upstream.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    /// Held by the one whose turn it is.
    last: Mutex<Option<Found>>,
}

#[derive(Debug)]
struct Found {
    marks: HeaderMap,
    looped: bool,
    at: Instant,
}

impl Foreign {
    /// Whether a probe with these marks comes back. What another was told is not taken: it depends on the marks, which
    /// anybody can make up.
    async fn loops(&self, pool: &Pool, marks: HeaderMap) -> bool {
        let mut last = self.last.lock().await;
        if let Some(found) = &*last
            && found.marks == marks
            && found.at.elapsed() < KEPT
        {
            return found.looped;
        }
        let looped = pool.look(marks.clone()).await == Ok(Probed::Loops);
        *last = Some(Found {
            marks,
            looped,
            at: Instant::now(),
        });
        looped
    }
}

impl GrpcCarry {
    /// Whether the upstream answers: asks it by a call for its health, whatever it says to that. One that says nothing within
    /// [`Settings::probe_timeout`] gets no new calls on that connection; those under way go on, since it may come back. While
    /// its address leads back to this carrier nothing is carried.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub async fn probe(&self) -> Result<(), Away> {
        let Inner {
            pool,
            hops,
            settings,
            metrics,
            ..
        } = &*self.inner;
        let answered = pool.probe_as(hops, settings.probe_timeout).await;
        metrics.up.set(answered.is_ok().into());
        answered
    }

    /// Whether a request is somebody's probe, which this carrier has to know of.
    pub fn is_probe<B>(request: &Request<B>) -> bool {
        request.uri().path() == HEALTH && Hops::is_probe(request.headers())
    }

    /// The answer to a probe with these headers that has come back here, or comes back here from behind the upstream. Any
    /// other is answered as a question for health is.
    pub async fn loops(&self, probe: &HeaderMap) -> Option<Response<GrpcBody>> {
        let Inner {
            hops,
            pool,
            foreign,
            ..
        } = &*self.inner;
        if !hops.has_been_here(probe) {
            let mut marks = HeaderMap::new();
            hops.mark(&mut marks, Some(probe));
            let looped = timeout(PASS_ON, foreign.loops(pool, marks)).await;
            if looped != Ok(true) {
                return None;
            }
        }
        let mut answer = Status::from(Away::looped()).response();
        Hops::say(answer.headers_mut());
        Some(answer)
    }
}
