//! Whether the upstream answers, and whether the way to it leads back.

use std::time::Duration;

use http::{HeaderMap, Request, Response};

use super::{GrpcCarry, Inner};
use crate::{
    Away, GrpcBody, Hops,
    connection::{HEALTH, Probed},
    status::Status,
};

/// Somebody else's probe is sent on for so long: less than it waits itself.
const PASS_ON: Duration = Duration::from_secs(2);

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
        let Inner { pool, hops, .. } = &*self.inner;
        if !hops.has_been_here(probe) {
            let mut marks = HeaderMap::new();
            hops.mark(&mut marks, Some(probe));
            if pool.probe(&marks, PASS_ON).await != Ok(Probed::Loops) {
                return None;
            }
        }
        let mut answer = Status::from(Away::looped()).response();
        Hops::say(answer.headers_mut());
        Some(answer)
    }
}
