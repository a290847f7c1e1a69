//! How long ago the source was last good, by a clock that nobody sets.

use std::sync::{Mutex, PoisonError};

use rescind_revocation::UnixMillis;

/// The ledger knows the moment by the wall clock, over restarts. That clock is asked once for each such moment; from then
/// on a steady one counts, so that a wall clock that is set meanwhile makes the source neither younger nor older.
#[derive(Debug, Default)]
pub(super) struct SourceAge(Mutex<Option<Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    good: UnixMillis,
    age_ms: u64,
    at_ms: u64,
}

impl SourceAge {
    /// The age of `good`, in milliseconds; `wall_ms` and `steady_ms` are what the clocks show now.
    pub(super) fn of(&self, good: UnixMillis, wall_ms: u64, steady_ms: u64) -> u64 {
        // It is replaced in one step: a panic elsewhere cannot have left it half done.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.filter(|seen| seen.good == good);
        let known = known.unwrap_or(Seen {
            good,
            age_ms: wall_ms.saturating_sub(good.0),
            at_ms: steady_ms,
        });
        *seen = Some(known);
        known.age_ms + steady_ms.saturating_sub(known.at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_makes_no_source_younger_or_older() {
        let age = SourceAge::default();
        let good = UnixMillis(1_000_000);
        assert_eq!(age.of(good, 1_002_000, 50_000), 2_000);
        assert_eq!(age.of(good, 400_000, 53_000), 5_000);
        assert_eq!(age.of(good, 9_000_000, 54_000), 6_000);
    }

    #[test]
    fn a_newer_moment_is_counted_anew() {
        let age = SourceAge::default();
        assert_eq!(age.of(UnixMillis(1_000), 61_000, 0), 60_000);
        assert_eq!(age.of(UnixMillis(70_000), 70_000, 9_000), 0);
        assert_eq!(age.of(UnixMillis(70_000), 70_000, 9_500), 500);
    }
}
