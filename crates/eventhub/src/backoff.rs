//! How long to wait before the next attempt: exponential, with full jitter.
//!
//! Full jitter (a wait drawn from zero to the ceiling) spreads the adapters of a site after a broker's restart; the
//! ceiling grows so that a broker that stays away is asked less and less often.

use std::time::Duration;

/// The ceiling of the first wait.
pub(crate) const FIRST: Duration = Duration::from_millis(500);

/// The ceiling of the wait after `failures` failures in a row: half a second doubled each time, at most `cap`.
pub(crate) fn ceiling(failures: u32, cap: Duration) -> Duration {
    let doubled = FIRST.saturating_mul(2u32.saturating_pow(failures));
    doubled.min(cap.max(FIRST))
}

/// A wait between zero and `ceiling`. `draw` is a number from 0 to 1, drawn evenly.
pub(crate) fn full_jitter(ceiling: Duration, draw: f64) -> Duration {
    ceiling.mul_f64(draw.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let seconds: Vec<f32> = (0..9).map(|n| ceiling(n, CAP).as_secs_f32()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn a_cap_below_the_first_wait_does_not_make_a_busy_loop() {
        assert_eq!(ceiling(5, Duration::ZERO), FIRST);
    }

    proptest! {
        #[test]
        fn a_wait_lies_between_zero_and_the_ceiling(failures: u32, draw in 0.0..=1.0) {
            let ceiling = ceiling(failures, CAP);
            prop_assert!(ceiling >= FIRST && ceiling <= CAP);
            prop_assert!(full_jitter(ceiling, draw) <= ceiling);
        }
    }
}
