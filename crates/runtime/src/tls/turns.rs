//! A crowd of handshakes takes turns with everything else.
//!
//! A step of a handshake is a signature or a certificate's check: much longer than anything else that a task here does at
//! once. A thousand gateways that come back together would keep a revocation for those already here waiting behind a
//! thousand steps, again at each hop from task to task. So only a few steps are taken each time the executor goes round.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::ready;

use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio_util::sync::PollSemaphore;

/// Steps for each round of the executor.
const STEPS: usize = 4;

/// Who shares the turns.
#[derive(Debug, Clone)]
pub(super) struct Turns(PollSemaphore);

impl Turns {
    pub(super) fn new() -> Self {
        Self(PollSemaphore::new(Arc::new(Semaphore::new(STEPS))))
    }

    /// Drives `future`, each time that it is woken, in its turn.
    pub(super) async fn drive<F: Future>(&self, future: F) -> F::Output {
        let mut turns = self.0.clone();
        let mut future = pin!(future);
        poll_fn(|context| {
            let turn = ready!(turns.poll_acquire(context));
            let polled = future.as_mut().poll(context);
            // Given back when all who were ready have been seen to; at once, the next in line would run at once.
            tokio::spawn(async move {
                yield_now().await;
                drop(turn);
            });
            polled
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[tokio::test]
    async fn a_crowd_takes_a_few_steps_in_each_round() {
        const CROWD: usize = 100;
        let steps = Rc::new(Cell::new(0));
        let rounds = LocalSet::new()
            .run_until(async {
                let turns = Turns::new();
                for _ in 0..CROWD {
                    let (turns, steps) = (turns.clone(), steps.clone());
                    spawn_local(async move {
                        turns.drive(async { steps.set(steps.get() + 1) }).await;
                    });
                }
                let mut rounds = Vec::new();
                while steps.get() < CROWD {
                    let before = steps.get();
                    yield_now().await;
                    rounds.push(steps.get() - before);
                }
                rounds
            })
            .await;
        assert!(rounds.iter().all(|taken| *taken <= STEPS), "{rounds:?}");
    }

    #[tokio::test]
    async fn what_is_not_ready_gives_its_turn_back() {
        let turns = Turns::new();
        let (tell, told) = tokio::sync::oneshot::channel();
        let waiting: Vec<_> = (0..2 * STEPS)
            .map(|_| {
                let turns = turns.clone();
                tokio::spawn(async move { turns.drive(std::future::pending::<()>()).await })
            })
            .collect();
        let last = tokio::spawn({
            let turns = turns.clone();
            async move { turns.drive(told).await }
        });
        yield_now().await;
        tell.send(7).unwrap();
        assert_eq!(last.await.unwrap(), Ok(7));
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
