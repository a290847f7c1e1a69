//! Whether requests come back here: asked before one is carried, and not again for a while.

use std::{
    sync::{Mutex, PoisonError},
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
    /// Whether it is time for one. Who asks has it.
    fn is_due(&self) -> bool {
        let holds = match self.hops.is_looped() {
            true => LOOPED,
            false => GOOD,
        };
        // It is replaced in one step: a panic elsewhere leaves nothing half done.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= holds);
        if due {
            *last = Some(Instant::now());
        }
        due
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

impl HttpCarry {
    /// Whether a request would come back here.
    pub(super) async fn leads_back(&self) -> bool {
        let Probe { hops, .. } = &*self.probe;
        if self.probe.is_due() {
            let mut request = Request::new(Empty::<Bytes>::new());
            *request.uri_mut() = PAGE.parse().unwrap_or_default();
            hops.mark(request.headers_mut(), None);
            let asked = self.client.request(self.outgoing(request));
            let answer = timeout(WITHIN, asked).await;
            let is_loop = |answer: Response<_>| Hops::is_loop(answer.headers());
            hops.found(answer.is_ok_and(|answer| answer.is_ok_and(is_loop)));
        }
        hops.is_looped()
    }
}
