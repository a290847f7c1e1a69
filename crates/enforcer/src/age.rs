//! How old is what we know.
//!
//! *Link age* says how long ago the adapter stood where our set stands; *source age*, how long ago the adapter's own source
//! did. Both run on CLOCK_BOOTTIME alone: a wall clock that is wrong here or there changes nothing.
//!
//! A checkpoint says by the adapter's clock when it was made (`as_of`). The two clocks have an unknown distance. The least
//! `arrival - as_of` that a stream has shown is the distance plus the shortest way, so `as_of` plus it is a moment at which
//! the statement was certainly true or later: a message that was held up on its way counts as old as it is. The first one
//! has nothing to be compared with and counts from the sending of the request that it answers, since it was made after that.
//! One response is outstanding at a time, so after the parts of a walk that is the ACK of the last one.
//!
//! Knowing once that nothing was missing at a moment is never undone, so the newest such moment counts.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::clock::Clock;

/// Shared by the subscription, which tells it what it hears, and the checks, which ask. A clone is the same.
#[derive(Clone)]
pub struct Age {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// When it began, for who waits for a first word.
    began: u64,
    /// Moments by the boot clock; [`NEVER`] where there is none.
    fresh: AtomicU64,
    source: AtomicU64,
    heard: AtomicU64,
    stream: Mutex<Stream>,
}

/// What the present stream has shown.
#[derive(Debug, Default, Clone, Copy)]
struct Stream {
    /// When the request that comes to be answered next was sent, or a little before.
    sent: u64,
    /// The least `arrival - as_of`.
    distance: Option<i64>,
}

const NEVER: u64 = u64::MAX;

impl Age {
    /// Nothing was heard yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let began = clock.boot_millis();
        Self {
            shared: Arc::new(Shared {
                clock,
                began,
                fresh: NEVER.into(),
                source: NEVER.into(),
                heard: NEVER.into(),
                stream: Mutex::new(Stream {
                    sent: began,
                    distance: None,
                }),
            }),
        }
    }

    /// What an earlier process of this boot knew: by the boot clock, when the set was all there was.
    pub fn restore(&self, fresh: u64) {
        let fresh = fresh.min(self.now());
        raise(&self.shared.fresh, fresh);
    }

    /// A request that opens a stream is being sent: what an earlier stream showed of clocks and ways is over.
    pub fn stream_opens(&self) {
        *self.stream() = Stream {
            sent: self.now(),
            distance: None,
        };
    }

    /// What came is about to be ACKed, and nothing else is outstanding: what comes next is made after that.
    pub fn acknowledges(&self) {
        self.stream().sent = self.now();
    }

    /// Something came from the adapter, whatever it said.
    pub fn heard(&self) {
        self.shared.heard.store(self.now(), Relaxed);
    }

    /// What is held is all there was when this message was made. It does not say when that was: its arrival counts.
    pub fn current(&self) {
        raise(&self.shared.fresh, self.now());
    }

    /// What is held is all there was at `as_of`, in milliseconds by the adapter's boot clock; its source was good
    /// `source_age` before that, or nobody knows when.
    pub fn checkpoint(&self, as_of: u64, source_age: Option<Duration>) {
        let fresh = self.moment_of(as_of);
        raise(&self.shared.fresh, fresh);
        let source = source_age.map(|age| fresh.saturating_sub(millis(age)));
        self.shared.source.store(source.unwrap_or(NEVER), Relaxed);
    }

    /// How long ago the adapter was known to stand where the set stands; `None` if it never was.
    pub fn link(&self) -> Option<Duration> {
        self.since(&self.shared.fresh)
    }

    /// How long ago the adapter's source was good; `None` where nobody knows.
    pub fn source(&self) -> Option<Duration> {
        self.since(&self.shared.source)
    }

    /// The link age and the source age at one moment.
    pub fn both(&self) -> (Option<Duration>, Option<Duration>) {
        let now = self.now();
        let age = |moment| age_of(moment, now);
        (age(&self.shared.fresh), age(&self.shared.source))
    }

    /// For how long nothing was heard from any adapter, or since when this process waits for a first word.
    pub fn silence(&self) -> Duration {
        let waiting = self.now().saturating_sub(self.shared.began);
        self.since(&self.shared.heard)
            .unwrap_or(Duration::from_millis(waiting))
    }

    /// The moment by our clock that `as_of` is by the adapter's.
    fn moment_of(&self, as_of: u64) -> u64 {
        let now = self.now();
        let mut stream = self.stream();
        let arrival = match stream.distance {
            Some(_) => now,
            None => stream.sent,
        };
        let distance = distance(arrival, as_of);
        let least = stream
            .distance
            .map_or(distance, |least| least.min(distance));
        stream.distance = Some(least);
        as_of.saturating_add_signed(least).min(now)
    }

    fn since(&self, moment: &AtomicU64) -> Option<Duration> {
        age_of(moment, self.now())
    }

    fn now(&self) -> u64 {
        self.shared.clock.boot_millis()
    }

    fn stream(&self) -> std::sync::MutexGuard<'_, Stream> {
        // Two plain numbers: no panic can leave them half written.
        self.shared
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Age")
            .field("link", &self.link())
            .field("source", &self.source())
            .finish_non_exhaustive()
    }
}

/// How long ago a moment is, unless it never was.
fn age_of(moment: &AtomicU64, now: u64) -> Option<Duration> {
    match moment.load(Relaxed) {
        NEVER => None,
        moment => Some(Duration::from_millis(now.saturating_sub(moment))),
    }
}

/// Moves a moment forward, never back.
fn raise(moment: &AtomicU64, to: u64) {
    let later = |held| (held == NEVER || held < to).then_some(to);
    // An error says that what is held is later.
    let _ = moment.fetch_update(Relaxed, Relaxed, later);
}

fn distance(arrival: u64, as_of: u64) -> i64 {
    let clamp = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    clamp(arrival).saturating_sub(clamp(as_of))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn age() -> (Arc<ManualClock>, Age) {
        let clock = ManualClock::at(1_000_000, 1);
        (clock.clone(), Age::new(clock))
    }

    #[test]
    fn what_was_never_confirmed_has_no_age() {
        let (clock, age) = age();
        clock.pass(SECOND);
        assert_eq!((age.link(), age.source()), (None, None));
        assert_eq!(age.silence(), SECOND);
        age.heard();
        clock.pass(SECOND * 3);
        assert_eq!((age.link(), age.silence()), (None, SECOND * 3));
    }

    #[test]
    fn without_a_time_in_it_a_message_is_as_old_as_its_arrival() {
        let (clock, age) = age();
        age.current();
        clock.pass(SECOND * 7);
        assert_eq!(age.link(), Some(SECOND * 7));
    }

    #[test]
    fn the_first_checkpoint_counts_from_the_sending_of_its_request() {
        let (clock, age) = age();
        age.stream_opens();
        clock.pass(SECOND * 2);
        age.checkpoint(50, None);
        assert_eq!(age.link(), Some(SECOND * 2));
    }

    #[test]
    fn after_a_walk_the_first_checkpoint_counts_from_the_last_ack() {
        let (clock, age) = age();
        age.stream_opens();
        clock.pass(SECOND * 600);
        age.acknowledges();
        clock.pass(SECOND * 2);
        age.checkpoint(50, None);
        assert_eq!(age.link(), Some(SECOND * 2));
        // Later ACKs change nothing: the least distance is known.
        age.acknowledges();
        clock.pass(SECOND * 5);
        age.checkpoint(1_050, None);
        assert_eq!(age.link(), Some(SECOND * 6));
    }

    #[test]
    fn a_checkpoint_that_was_held_up_is_as_old_as_it_is() {
        let (clock, age) = age();
        age.stream_opens();
        let mut as_of = 5_000_000_000;
        age.checkpoint(as_of, None);
        assert_eq!(age.link(), Some(Duration::ZERO));
        // 5 s later the adapter says so again, and the way takes 40 s.
        as_of += 5_000;
        clock.pass(SECOND * 45);
        age.checkpoint(as_of, None);
        assert_eq!(age.link(), Some(SECOND * 40));
        // The next one comes at once.
        as_of += 45_000;
        clock.pass(SECOND * 5);
        age.checkpoint(as_of, None);
        assert_eq!(age.link(), Some(Duration::ZERO));
    }

    #[test]
    fn a_shorter_way_corrects_the_distance_of_the_clocks() {
        let (clock, age) = age();
        age.stream_opens();
        age.checkpoint(100_000, None);
        clock.pass(SECOND * 5);
        // It says 6 s have passed there: the first was on its way for a second longer, though it seemed to be at once.
        age.checkpoint(106_000, None);
        assert_eq!(age.link(), Some(Duration::ZERO));
        clock.pass(SECOND * 5);
        age.checkpoint(110_000, None);
        assert_eq!(age.link(), Some(SECOND));
    }

    #[test]
    fn wall_clocks_do_not_matter() {
        let (clock, age) = age();
        age.stream_opens();
        age.checkpoint(3, Some(SECOND));
        for wall in [0, u64::MAX / 2] {
            clock.set_wall(rescind_revocation::UnixMillis(wall));
            assert_eq!(age.link(), Some(Duration::ZERO));
        }
    }

    #[test]
    fn an_adapter_of_another_boot_starts_anew_and_undoes_nothing() {
        let (clock, age) = age();
        age.stream_opens();
        age.checkpoint(9_000_000_000, None);
        clock.pass(SECOND);
        age.stream_opens();
        clock.pass(SECOND * 4);
        age.checkpoint(12, None);
        assert_eq!(age.link(), Some(SECOND * 4));
        // Without a new stream the number that went back would count as ages old, which is the safe side.
        age.checkpoint(1, None);
        assert_eq!(age.link(), Some(SECOND * 4));
    }

    #[test]
    fn no_number_is_too_large() {
        let (_, age) = age();
        for as_of in [0, u64::MAX, 1, u64::MAX - 1] {
            age.checkpoint(as_of, Some(Duration::MAX));
            assert_eq!(age.link(), Some(Duration::ZERO));
            age.stream_opens();
        }
    }

    #[test]
    fn source_age_comes_with_the_checkpoint_and_goes_on() {
        let (clock, age) = age();
        age.stream_opens();
        age.checkpoint(100, Some(SECOND * 30));
        clock.pass(SECOND * 5);
        assert_eq!(age.source(), Some(SECOND * 35));
        age.checkpoint(5_100, Some(SECOND));
        assert_eq!(age.source(), Some(SECOND));
        age.checkpoint(5_100, None);
        assert_eq!(age.source(), None);
    }

    #[test]
    fn what_an_earlier_process_knew_counts_until_more_is_known() {
        let (clock, age) = age();
        age.restore(1_000_000 - 20_000);
        assert_eq!(age.link(), Some(SECOND * 20));
        age.restore(u64::MAX - 1);
        assert_eq!(age.link(), Some(Duration::ZERO));
        clock.pass(SECOND);
        age.current();
        assert_eq!(age.link(), Some(Duration::ZERO));
    }
}
