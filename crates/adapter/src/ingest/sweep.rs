//! The clock that says what has expired.
//!
//! A clock that is wrong must not drop what still matters. So it is the lower of our own clock and the control plane's, it
//! never runs faster than a steady one, and after a start it waits: a clock that was set wrongly is often put right soon
//! after. It goes back whenever they do.

use rescind_revocation::{Digests, UnixMillis, UnixSeconds};
use tokio::time::{Duration, Instant};

use crate::catchup::ControlPlaneClock;

/// How long nothing is swept after a start.
const WAIT: Duration = Duration::from_secs(600);

/// The clock of the sweep.
#[derive(Debug)]
pub(crate) struct SweepClock {
    started: Instant,
    /// `None` where no control plane is configured: then our own clock is all there is.
    control_plane: Option<ControlPlaneClock>,
    /// How long a token is kept after its expiry.
    retain: Duration,
    last: Option<(UnixMillis, Instant)>,
}

impl SweepClock {
    pub(crate) fn new(control_plane: Option<ControlPlaneClock>, retain: Duration) -> Self {
        Self {
            started: Instant::now(),
            control_plane,
            retain,
            last: None,
        }
    }

    /// Where the horizon belongs: a boundary of ten minutes. `None` while that cannot be told.
    pub(super) fn horizon(&mut self, own: UnixMillis, now: Instant) -> Option<UnixSeconds> {
        let clock = match &self.control_plane {
            None => own,
            Some(control_plane) => control_plane.at(now)?.min(own),
        };
        let fastest = self.last.map_or(clock, |(shown, at)| {
            let since = now.saturating_duration_since(at).as_millis();
            UnixMillis(
                shown
                    .0
                    .saturating_add(u64::try_from(since).unwrap_or(u64::MAX)),
            )
        });
        let shown = clock.min(fastest);
        self.last = Some((shown, now));
        let waited = now.saturating_duration_since(self.started) >= WAIT;
        let kept = shown.second().0.saturating_sub(self.retain.as_secs());
        waited.then(|| Digests::boundary(UnixSeconds(kept)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_710_000_000_000);
    const HOUR: u64 = 3_600;
    const YEAR: u64 = 365 * 24 * HOUR;

    fn later(moment: UnixMillis, seconds: u64) -> UnixMillis {
        UnixMillis(moment.0 + seconds * 1000)
    }

    fn earlier(moment: UnixMillis, seconds: u64) -> UnixMillis {
        UnixMillis(moment.0 - seconds * 1000)
    }

    /// An hour before this moment, on a boundary.
    fn horizon(moment: UnixMillis) -> Option<UnixSeconds> {
        Some(Digests::boundary(UnixSeconds(moment.second().0 - HOUR)))
    }

    struct Fixture {
        sweep: SweepClock,
        control_plane: ControlPlaneClock,
        start: Instant,
    }

    impl Fixture {
        fn at(&mut self, own: UnixMillis, seconds: u64) -> Option<UnixSeconds> {
            self.sweep
                .horizon(own, self.start + Duration::from_secs(seconds))
        }
    }

    fn fixture() -> Fixture {
        let control_plane = ControlPlaneClock::default();
        let retain = Duration::from_secs(HOUR);
        let sweep = SweepClock::new(Some(control_plane.clone()), retain);
        Fixture {
            start: sweep.started,
            sweep,
            control_plane,
        }
    }

    #[test]
    fn nothing_is_swept_for_ten_minutes_or_before_the_control_plane_was_heard() {
        let mut fixture = fixture();
        assert_eq!(fixture.at(NOW, 3_600), None);
        fixture.control_plane.heard(NOW, fixture.start);
        assert_eq!(fixture.at(later(NOW, 599), 599), None);
        assert_eq!(fixture.at(later(NOW, 600), 600), horizon(later(NOW, 600)));
    }

    #[test]
    fn without_a_control_plane_our_own_clock_counts() {
        let mut sweep = SweepClock::new(None, Duration::from_secs(HOUR));
        let now = sweep.started + WAIT;
        assert_eq!(sweep.horizon(NOW, now), horizon(NOW));
    }

    #[test]
    fn the_lower_clock_counts() {
        let mut fixture = fixture();
        fixture.control_plane.heard(NOW, fixture.start);
        assert_eq!(fixture.at(later(NOW, YEAR), 600), horizon(later(NOW, 600)));
        assert_eq!(
            fixture.at(earlier(NOW, HOUR), 601),
            horizon(earlier(NOW, HOUR))
        );
    }

    #[test]
    fn a_jump_forward_is_walked_at_a_steady_pace() {
        let mut fixture = fixture();
        fixture.control_plane.heard(NOW, fixture.start);
        assert_eq!(fixture.at(later(NOW, 600), 600), horizon(later(NOW, 600)));
        // Both clocks jump a year ahead.
        fixture.control_plane.heard(later(NOW, YEAR), fixture.start);
        let ahead = later(NOW, YEAR + 4_200);
        assert_eq!(fixture.at(ahead, 4_200), horizon(later(NOW, 4_200)));
        // And back: it goes back with them, and on from there.
        fixture.control_plane.heard(NOW, fixture.start);
        let back = earlier(NOW, HOUR);
        assert_eq!(fixture.at(back, 4_201), horizon(back));
        let on = later(NOW, 4_201);
        assert_eq!(fixture.at(on, 4_801), horizon(later(back, 600)));
    }
}
