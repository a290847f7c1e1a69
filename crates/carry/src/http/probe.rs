//! Whether requests come back here: asked before one is carried, and not again for a while.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::time::{Instant, timeout};

use super::{HttpBody, HttpCarry, refusal};
use crate::{Away, Hops};

/// A page that nobody has: an original says so, and one of ours sends it on or knows it again.
const PAGE: &str = "/rescind/hops";

/// How long what was found holds.
const GOOD: Duration = Duration::from_secs(60);
const LOOPED: Duration = Duration::from_secs(5);

/// The longest that is waited for it. One of ours answers at once.
const WITHIN: Duration = Duration::from_secs(2);

/// What the last one has found.
#[derive(Debug, Default)]
pub(super) struct Probe {
    hops: Hops,
    last: Mutex<Option<Instant>>,
}

impl Probe {
    /// The turn to ask, if it is time.
    fn turn(&self) -> Option<Turn<'_>> {
        let holds = match self.hops.is_looped() {
            true => LOOPED,
            false => GOOD,
        };
        let mut last = self.last();
        let due = last.is_none_or(|last| last.elapsed() >= holds);
        if due {
            *last = Some(Instant::now());
        }
        due.then(|| Turn {
            probe: self,
            found: false,
        })
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        // It is replaced in one step: a panic elsewhere leaves nothing half done.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks somebody's probe, which goes on; the answer to one that has been here.
    pub(super) fn passes(&self, probe: &mut HeaderMap) -> Option<Response<HttpBody>> {
        if self.hops.has_been_here(probe) {
            let text = format!("{}\n", Away::looped());
            let mut answer = refusal(StatusCode::LOOP_DETECTED, text);
            Hops::say(answer.headers_mut());
            return Some(answer);
        }
        let from = probe.clone();
        self.hops.mark(probe, Some(&from));
        None
    }
}

/// Asking. Whose caller hangs up meanwhile leaves the turn to the next.
struct Turn<'p> {
    probe: &'p Probe,
    found: bool,
}

impl Turn<'_> {
    fn found(mut self, looped: bool) {
        self.probe.hops.found(looped);
        self.found = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.found {
            *self.probe.last() = None;
        }
    }
}

impl HttpCarry {
    /// Whether a request would come back here.
    pub(super) async fn leads_back(&self) -> bool {
        let Probe { hops, .. } = &*self.probe;
        if let Some(turn) = self.probe.turn() {
            let mut request = Request::new(Empty::<Bytes>::new());
            *request.uri_mut() = PAGE.parse().unwrap_or_default();
            hops.mark(request.headers_mut(), None);
            let asked = self.client.request(self.outgoing(request));
            let answer = timeout(WITHIN, asked).await;
            let is_loop = |answer: Response<_>| Hops::is_loop(answer.headers());
            turn.found(answer.is_ok_and(|answer| answer.is_ok_and(is_loop)));
        }
        hops.is_looped()
    }
}
