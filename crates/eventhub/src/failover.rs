//! Which endpoint is tried next, and after which wait.
//!
//! After a start or a loss every endpoint is tried once, quickly, beginning with the one that served last. If all fail,
//! each gets its `retries` attempts, its own waits growing to its `connectdelay`, before the next one has its turn, round
//! and round, for ever (rule 6): no failure is final, whatever its code, since the same mistake reads differently on each broker.

use std::time::Duration;

use crate::{Endpoint, backoff};

/// Where the search for a broker stands.
#[derive(Debug)]
pub(crate) struct Failover {
    patience: Vec<Patience>,
    current: usize,
    /// Endpoints that the quick round has still to try, the current one included.
    quick: usize,
    /// Attempts at the current endpoint that failed in its turn.
    turn: u32,
    /// Nothing was tried yet: the very first attempt does not wait.
    fresh: bool,
}

#[derive(Debug, Clone, Copy)]
struct Patience {
    attempts: u32,
    cap: Duration,
    /// Attempts that failed since a subscription stood last; the quick round's do not count.
    failures: u32,
}

/// The next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Place of the endpoint in the configured list.
    pub(crate) endpoint: usize,
    /// The longest that the wait before it may be.
    pub(crate) ceiling: Duration,
}

impl Failover {
    /// Starts with the first of `endpoints`.
    pub(crate) fn new(endpoints: &[Endpoint]) -> Self {
        Self {
            patience: endpoints
                .iter()
                .map(|endpoint| Patience {
                    attempts: endpoint.retries().max(1),
                    cap: endpoint.connect_delay(),
                    failures: 0,
                })
                .collect(),
            current: 0,
            quick: endpoints.len(),
            turn: 0,
            fresh: true,
        }
    }

    /// The attempt to make now. `None` where no endpoint is configured.
    pub(crate) fn next(&mut self) -> Option<Attempt> {
        let patience = self.patience.get(self.current)?;
        let ceiling = if std::mem::take(&mut self.fresh) {
            Duration::ZERO
        } else {
            backoff::ceiling(patience.failures, patience.cap)
        };
        Some(Attempt {
            endpoint: self.current,
            ceiling,
        })
    }

    /// The attempt failed, or what it built fell at once.
    pub(crate) fn failed(&mut self) {
        if self.quick > 0 {
            self.quick -= 1;
            self.advance();
            return;
        }
        let Some(patience) = self.patience.get_mut(self.current) else {
            return;
        };
        patience.failures = patience.failures.saturating_add(1);
        self.turn += 1;
        if self.turn >= patience.attempts {
            self.advance();
        }
    }

    /// A subscription that had stood for a while is lost: search anew, here first.
    pub(crate) fn lost(&mut self) {
        self.quick = self.patience.len();
        self.turn = 0;
        for patience in &mut self.patience {
            patience.failures = 0;
        }
    }

    fn advance(&mut self) {
        self.current = (self.current + 1) % self.patience.len().max(1);
        self.turn = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_endpoint;

    fn failover(urls: &[&str]) -> Failover {
        let endpoints: Vec<Endpoint> = urls
            .iter()
            .map(|url| parse_endpoint(url).unwrap())
            .collect();
        Failover::new(&endpoints)
    }

    /// Endpoint and ceiling, in seconds, of `count` attempts that all fail.
    fn failing(failover: &mut Failover, count: usize) -> Vec<(usize, f32)> {
        (0..count)
            .map(|_| {
                let attempt = failover.next().unwrap();
                failover.failed();
                (attempt.endpoint, attempt.ceiling.as_secs_f32())
            })
            .collect()
    }

    #[test]
    fn each_endpoint_is_tried_once_before_any_is_tried_in_earnest() {
        let mut failover = failover(&[
            "amqp://a?retries='2'&connectdelay='30'",
            "amqp://b?retries='3'&connectdelay='1'",
        ]);
        assert_eq!(
            failing(&mut failover, 9),
            [
                (0, 0.0),
                (1, 0.5),
                (0, 0.5),
                (0, 1.0),
                (1, 0.5),
                (1, 1.0),
                (1, 1.0),
                (0, 2.0),
                (0, 4.0),
            ]
        );
    }

    #[test]
    fn after_a_loss_the_endpoint_that_served_is_tried_first() {
        let mut failover = failover(&["amqp://a", "amqp://b", "amqp://c"]);
        failing(&mut failover, 1);
        assert_eq!(failover.next().unwrap().endpoint, 1);
        failover.lost();
        assert_eq!(
            failing(&mut failover, 4),
            [(1, 0.5), (2, 0.5), (0, 0.5), (1, 0.5)]
        );
    }

    #[test]
    fn one_endpoint_is_tried_for_ever() {
        let mut failover = failover(&["amqp://a?retries='2'&connectdelay='3'"]);
        assert_eq!(
            failing(&mut failover, 6),
            [(0, 0.0), (0, 0.5), (0, 1.0), (0, 2.0), (0, 3.0), (0, 3.0)]
        );
        assert_eq!(failing(&mut failover, 1000)[999], (0, 3.0));
    }

    #[test]
    fn without_an_endpoint_there_is_no_attempt() {
        assert_eq!(Failover::new(&[]).next(), None);
    }
}
