//! The enforcer that this one stands in front of: asked about everything that is not refused here.
//!
//! What goes to it is the call as it came: the same bytes, the same metadata, and a deadline a little shorter than the
//! caller's, so that there is time to say why there is no answer. What comes back goes back as it is, with our metadata
//! behind it. Without an answer the request is refused, by an answer of ours: the caller must not be left to a guess.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use rescind_authz::{Answer, Denial, Permit, Reason};
use rescind_runtime::health::Health;
use tokio::{
    sync::Semaphore,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::metrics::{Metrics, NextOutcome};

mod call;
mod link;
mod standing;

pub(crate) use call::NextAnswer;
pub(crate) use link::Link;
use standing::Standing;

/// Calls at once. Choreo Connect's enforcer has 400 to 500 threads and a queue of 1000.
const CALLS: usize = 1000;

/// How often it is asked whether it is there, and how long it may take to say so.
const PROBE: Duration = Duration::from_secs(5);

/// The next enforcer: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Next {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    link: Link,
    timeout: Duration,
    calls: Semaphore,
    standing: Standing,
    metrics: Metrics,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("it cannot be reached: {0}")]
    Unavailable(String),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Failed(String),
    #[error("{CALLS} calls are waiting for it")]
    Busy,
}

impl Next {
    /// Reached by `link`; an answer may take `timeout`.
    pub(crate) fn new(link: Link, timeout: Duration, health: Health, metrics: Metrics) -> Self {
        let shared = Shared {
            link,
            timeout,
            calls: Semaphore::new(CALLS),
            standing: Standing::new(health, metrics.clone()),
            metrics,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Asks about one check: the call's own headers and body.
    pub(crate) async fn ask(
        &self,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<NextAnswer, Failure> {
        let Shared {
            link,
            calls,
            metrics,
            standing,
            ..
        } = &*self.shared;
        let began = Instant::now();
        let limit = call::limit(headers, self.shared.timeout);
        let answer = match calls.try_acquire() {
            Err(_) => Err(Failure::Busy),
            Ok(_place) => timeout(limit, link.check(headers, limit, body))
                .await
                .unwrap_or(Err(Failure::Late(limit))),
        };
        metrics.next_asked(outcome(&answer), began.elapsed().as_secs_f64());
        match &answer {
            Ok(_) => standing.good(),
            Err(failure) => {
                debug!(%failure, "The next enforcer has not answered a check");
                standing.bad(failure);
            }
        }
        answer
    }

    #[cfg(test)]
    pub(crate) fn take_all_places(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.shared.calls.try_acquire_many(CALLS as u32).unwrap()
    }

    /// Asks now and then whether it is there; a connection on which nothing comes takes no more checks.
    pub(crate) async fn keep(self, cancel: CancellationToken) {
        let Shared { link, standing, .. } = &*self.shared;
        let mut probes = interval(PROBE);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let keeping = async {
            loop {
                probes.tick().await;
                match link.probe().await {
                    Ok(()) => standing.good(),
                    Err(failure) => standing.bad(&failure),
                }
            }
        };
        cancel.run_until_cancelled(keeping).await;
    }
}

impl Failure {
    /// What the caller is told in the place of what the next would have said. `permit` is what it was not refused by.
    pub(crate) fn denial(&self, permit: &Permit) -> Denial {
        Denial {
            answer: Answer::NextSilent,
            reason: match self {
                Self::Unavailable(_) | Self::Busy => Reason::NextUnavailable,
                Self::Late(_) => Reason::NextLate,
                Self::Failed(_) => Reason::NextFailed,
            },
            credential: permit.credential,
            version: Arc::clone(&permit.version),
        }
    }
}

fn outcome(answer: &Result<NextAnswer, Failure>) -> NextOutcome {
    match answer {
        Ok(_) => NextOutcome::Answered,
        Err(Failure::Unavailable(_)) => NextOutcome::Unavailable,
        Err(Failure::Late(_)) => NextOutcome::Late,
        Err(Failure::Failed(_)) => NextOutcome::Failed,
        Err(Failure::Busy) => NextOutcome::Busy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_good_again_when_nothing_has_failed_for_a_while() {
        let health = Health::new();
        let metrics = Metrics::register(&mut Default::default());
        let standing = Standing::new(health.clone(), metrics.clone());
        let degraded = || health.report().degraded.len();
        assert_eq!(metrics.next_answers.get(), 0);
        standing.good();
        assert_eq!((degraded(), metrics.next_answers.get()), (0, 1));
        standing.bad(&Failure::Late(PROBE));
        standing.good();
        assert_eq!((degraded(), metrics.next_answers.get()), (1, 0));
        tokio::time::advance(Duration::from_secs(4)).await;
        standing.bad(&Failure::Busy);
        tokio::time::advance(Duration::from_secs(4)).await;
        standing.good();
        assert_eq!((degraded(), metrics.next_answers.get()), (1, 0));
        tokio::time::advance(Duration::from_secs(2)).await;
        standing.good();
        assert_eq!((degraded(), metrics.next_answers.get()), (0, 1));
    }
}
