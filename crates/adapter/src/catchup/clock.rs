//! The control plane's clock, as its answers tell it (`Date`), carried on by a steady one.

use std::sync::{Arc, Mutex, PoisonError};

use rescind_eventhub::Received;
use rescind_revocation::UnixMillis;
use rescind_runtime::time::unix_now_millis;
use tokio::time::Instant;

/// What the control plane's clock shows. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct ControlPlaneClock(Arc<Mutex<Option<Heard>>>);

#[derive(Debug, Clone, Copy)]
struct Heard {
    date: UnixMillis,
    at: Instant,
}

impl ControlPlaneClock {
    /// The control plane said so.
    pub(crate) fn heard(&self, date: UnixMillis, at: Instant) {
        let heard = Heard { date, at };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
    }

    /// What it shows at `now`, if it was ever heard.
    pub(crate) fn at(&self, now: Instant) -> Option<UnixMillis> {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map(|Heard { date, at }| {
            let since = now.saturating_duration_since(at).as_millis();
            UnixMillis(
                date.0
                    .saturating_add(u64::try_from(since).unwrap_or(u64::MAX)),
            )
        })
    }

    /// What both clocks show now.
    pub(crate) fn received(&self) -> Received {
        Received {
            at: UnixMillis(unix_now_millis()),
            control_plane: self.at(Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;

    #[test]
    fn it_goes_on_at_the_pace_of_a_steady_clock() {
        let clock = ControlPlaneClock::default();
        let start = Instant::now();
        assert_eq!(clock.at(start), None);
        clock.heard(UnixMillis(5_000), start);
        let later = start + Duration::from_millis(1_234);
        assert_eq!(clock.clone().at(later), Some(UnixMillis(6_234)));
        clock.heard(UnixMillis(1_000), later);
        assert_eq!(clock.at(later), Some(UnixMillis(1_000)));
    }
}
