//! How long to wait between attempts: anything up to a bound that doubles (full jitter), so that many clients of one
//! adapter do not come back at once.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Backoff {
    base: Duration,
    cap: Duration,
    bound: Duration,
}

impl Backoff {
    pub(super) fn new(base: Duration, cap: Duration) -> Self {
        let bound = base.min(cap);
        Self { base, cap, bound }
    }

    /// The next wait; the one after it may be twice as long.
    pub(super) fn next_wait(&mut self) -> Duration {
        let wait = self.bound.mul_f64(rand::random());
        self.bound = self.bound.saturating_mul(2).min(self.cap);
        wait
    }

    /// Something worked.
    pub(super) fn reset(&mut self) {
        self.bound = self.base.min(self.cap);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bound_doubles_to_the_cap_and_is_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(3));
        let mut bounds = Vec::new();
        for _ in 0..5 {
            bounds.push(backoff.bound.as_millis());
            backoff.next_wait();
        }
        assert_eq!(bounds, [500, 1000, 2000, 3000, 3000]);
        backoff.reset();
        assert_eq!(backoff.bound.as_millis(), 500);
    }

    proptest! {
        #[test]
        fn a_wait_never_passes_its_bound(base in 0u64..100_000, cap in 0u64..100_000, steps in 0usize..80) {
            let mut backoff = Backoff::new(Duration::from_millis(base), Duration::from_millis(cap));
            for _ in 0..steps {
                let bound = backoff.bound;
                prop_assert!(backoff.next_wait() <= bound);
                prop_assert!(bound <= Duration::from_millis(cap));
            }
        }
    }
}
