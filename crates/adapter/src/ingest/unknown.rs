//! A bound for what nobody said the expiry of, where the operator wants one.
//!
//! An unknown expiry is made a known one before it is committed, so that digests, horizons, enforcers and replicas have one
//! more known expiry and nothing else to agree on. Four things must hold:
//!
//! - *The list is read every five minutes.* The same row must not make a new version each time, so the end lies on a grid
//!   of a quarter of the bound: within one step every reading, event and replica gives the same second, and a union takes
//!   care of the order.
//! - *What the list still names stays revoked.* Each step moves its end on, long before it would be dropped; a bound from
//!   the first receipt alone would let it go for as long as the list takes to come again.
//! - *A long list does not move at once.* A million new versions would stand before the next revocation on every stream. So
//!   each token has a grid of its own, by its identifier: one of 24, with their steps evenly apart. Not one of more: two
//!   replicas that read the list minutes apart hold different ends for as long, and between two moves they must be seen to
//!   hold the same.
//! - *No clock drops it early.* The latest moment that is known counts, the ledger's own included: an end before the horizon
//!   would be taken for old news and not be committed at all.

use rescind_ledger::LedgerReader;
use rescind_revocation::{Expiry, Revocation, TokenId, UnixSeconds};
use tokio::time::Duration;

use crate::catchup::ControlPlaneClock;

/// The steps that the bound is cut into: the end moves on so often while something is listed.
const STEPS: u64 = 4;

/// The grids that tokens are spread over. With the shortest bound one of them moves every quarter of an hour.
const GRIDS: u64 = 24;

/// How long what has no known expiry is kept. The default is: always.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetainUnknown {
    seconds: Option<u64>,
    clock: ControlPlaneClock,
}

impl RetainUnknown {
    /// For so long after it was last heard, by the later of our own clock and the control plane's, and up to a quarter
    /// more; zero is always.
    pub(crate) fn new(retain: Duration, clock: ControlPlaneClock) -> Self {
        let seconds = (!retain.is_zero()).then_some(retain.as_secs());
        Self { seconds, clock }
    }

    /// Gives an end to what has none that is known. It is heard now, for `ledger`.
    pub(super) fn apply(&self, revocations: &mut [Revocation], ledger: &LedgerReader) {
        let Some(retain) = self.seconds else {
            return;
        };
        let good = ledger.source_good_at().unwrap_or_default();
        let now = self.clock.received().latest().max(good).second();
        let heard = now.max(ledger.horizon());
        for revocation in revocations {
            if let Revocation::Token { identifier, expiry } = revocation
                && *expiry == Expiry::Unknown
            {
                *expiry = end(heard, retain, grid(identifier.id()));
            }
        }
    }
}

/// The grid of a token: the same on every adapter, and about as many tokens on each, also where identifiers differ in a few
/// bits only, as UUIDs made by the time do.
fn grid(id: TokenId) -> u64 {
    let bits = id.as_u128();
    let mut mixed = bits as u64 ^ (bits >> 64) as u64;
    // The finaliser of MurmurHash3.
    for factor in [0xFF51_AFD7_ED55_8CCD, 0xC4CE_B9FE_1A85_EC53] {
        mixed = (mixed ^ mixed >> 33).wrapping_mul(factor);
    }
    (mixed ^ mixed >> 33) % GRIDS
}

/// The end of the step of that grid that `heard` lies in, and the bound after that.
fn end(heard: UnixSeconds, retain: u64, grid: u64) -> Expiry {
    let step = (retain / STEPS).max(1);
    let early = step * grid / GRIDS;
    let next = (heard.0.saturating_add(early) / step + 1).saturating_mul(step) - early;
    Expiry::Known(UnixSeconds(next.saturating_add(retain))).capped()
}

#[cfg(test)]
mod tests {
    use rescind_eventhub::{Event, HubMessage};
    use rescind_ledger::Ledger;
    use rescind_revocation::{Identifier, UnixMillis};
    use tempfile::TempDir;
    use tokio::{sync::oneshot, time::Instant};

    use super::*;
    use crate::{
        ingest::Command,
        testing::{Running, message, prepared, soon},
    };

    const DAY: u64 = 24 * 3600;
    const STEP: u64 = DAY / STEPS;
    /// In the year 2096, in the middle of a step: beyond our own clock, which therefore says nothing in these tests.
    const FAR: UnixSeconds = UnixSeconds(4_000_000_000 / STEP * STEP + STEP / 2);

    fn known(seconds: u64) -> Expiry {
        Expiry::Known(UnixSeconds(seconds))
    }

    fn token(identifier: &str, expiry: Expiry) -> Revocation {
        Revocation::Token {
            identifier: Identifier::new(identifier).unwrap(),
            expiry,
        }
    }

    /// The end of a token that is heard at `heard`, where the bound is a day.
    fn end_of(name: &str, heard: u64) -> Expiry {
        end(UnixSeconds(heard), DAY, grid(TokenId::of(name)))
    }

    fn second(expiry: Expiry) -> u64 {
        match expiry {
            Expiry::Known(UnixSeconds(second)) => second,
            other => panic!("not known: {other:?}"),
        }
    }

    fn a_day(at: UnixSeconds) -> (RetainUnknown, ControlPlaneClock) {
        let clock = ControlPlaneClock::default();
        clock.heard(at.into(), Instant::now());
        let retain = RetainUnknown::new(Duration::from_secs(DAY), clock.clone());
        (retain, clock)
    }

    fn event(revocation: Revocation) -> (HubMessage, oneshot::Receiver<()>) {
        message(Ok(Event::Revoked {
            kind_name: "JWT".into(),
            revocation,
        }))
    }

    async fn heard(running: &Running, revocation: Revocation) {
        let (message, receipt) = event(revocation);
        running.hub.send(message).await.unwrap();
        soon(receipt).await.unwrap();
    }

    async fn listed(running: &Running, list: Vec<Revocation>) -> usize {
        let (answer, merged) = oneshot::channel();
        let merge = Command::Merge(list, "list".into(), answer);
        running.commands.send(merge).await.unwrap();
        soon(merged).await.unwrap()
    }

    fn held(running: &Running) -> Vec<Revocation> {
        let live = running.reader.read(0, u64::MAX, usize::MAX);
        live.into_iter().map(|live| live.revocation).collect()
    }

    #[test]
    fn the_end_is_never_early_and_the_same_within_a_step() {
        for grid in 0..GRIDS {
            let first = STEP - STEP * grid / GRIDS;
            for (heard, expected) in [
                (0, first),
                (first - 1, first),
                (first, first + STEP),
                (first + STEP - 1, first + STEP),
                (first + STEP, first + 2 * STEP),
            ] {
                let end = end(UnixSeconds(heard), DAY, grid);
                assert_eq!(end, known(expected + DAY), "{grid}: {heard}");
            }
            for heard in (FAR.0..FAR.0 + 3 * DAY).step_by(977) {
                let end = second(end(UnixSeconds(heard), DAY, grid));
                assert!((heard + DAY + 1..=heard + DAY + STEP).contains(&end));
            }
        }
    }

    #[test]
    fn an_end_that_no_entry_can_say_is_never() {
        for heard in [Expiry::LAST_KNOWN.0, u64::MAX] {
            for grid in 0..GRIDS {
                assert_eq!(end(UnixSeconds(heard), DAY, grid), Expiry::Never);
            }
        }
    }

    #[test]
    fn whatever_identifiers_are_like_each_grid_has_about_as_many() {
        let opaque = |n: u64| format!("opaque-{n}");
        // By the time, one after the other.
        let version_1 = |n: u64| format!("{:08x}-1dd2-11b2-8080-0242ac120002", n * 160);
        let version_7 =
            |n: u64| format!("{:08x}-{:04x}-7000-8000-000000000000", n >> 16, n & 0xffff);
        for name in [opaque, version_1, version_7] {
            let mut tokens = [0; GRIDS as usize];
            for n in 0..24_000 {
                tokens[grid(TokenId::of(&name(n))) as usize] += 1;
            }
            let even = tokens.iter().all(|tokens| (800..1200).contains(tokens));
            assert!(even, "{}: {tokens:?}", name(0));
        }
    }

    #[tokio::test]
    async fn without_the_setting_what_is_unknown_stays_so() {
        let (_, clock) = a_day(FAR);
        let off = RetainUnknown::new(Duration::ZERO, clock);
        let running = prepared().retaining_unknown(off).run();
        heard(&running, token("a", Expiry::Unknown)).await;
        assert_eq!(held(&running), [token("a", Expiry::Unknown)]);
    }

    #[tokio::test]
    async fn listed_and_heard_again_it_changes_nothing_until_a_step_has_passed() {
        let (retain, clock) = a_day(FAR);
        let running = prepared().retaining_unknown(retain).run();
        let end = |name, steps| end_of(name, FAR.0 + steps * STEP);
        heard(&running, token("a", Expiry::Unknown)).await;
        for _ in 0..3 {
            let list = ["a", "b"].map(|name| token(name, Expiry::Unknown));
            listed(&running, list.to_vec()).await;
            heard(&running, token("a", Expiry::Unknown)).await;
        }
        assert_eq!(
            held(&running),
            [token("a", end("a", 0)), token("b", end("b", 0))]
        );
        assert_eq!(running.sequence(), 2);

        // "a" is in the list no more: its end stays where it was.
        clock.heard(UnixSeconds(FAR.0 + STEP).into(), Instant::now());
        for changed in [1, 0, 0] {
            let list = vec![token("b", Expiry::Unknown)];
            assert_eq!(listed(&running, list).await, changed);
        }
        assert_eq!(
            held(&running),
            [token("a", end("a", 0)), token("b", end("b", 1))]
        );
    }

    #[tokio::test]
    async fn a_long_list_moves_in_24_even_parts_each_token_once_a_step() {
        let (retain, clock) = a_day(FAR);
        let running = prepared().retaining_unknown(retain).run();
        let list: Vec<_> = (0..2400)
            .map(|n| token(&format!("opaque-{n}"), Expiry::Unknown))
            .collect();
        assert_eq!(listed(&running, list.clone()).await, 2400);
        let mut moved = 0;
        for part in 1..=GRIDS {
            let at = UnixSeconds(FAR.0 + part * STEP / GRIDS);
            clock.heard(at.into(), Instant::now());
            let changed = listed(&running, list.clone()).await;
            assert!((50..150).contains(&changed), "{part}: {changed}");
            moved += changed;
            // Between two parts nothing moves: the next reading says the same.
            let later = UnixSeconds(at.0 + 600);
            clock.heard(later.into(), Instant::now());
            assert_eq!(listed(&running, list.clone()).await, 0, "{part}");
        }
        assert_eq!(moved, 2400);
    }

    #[tokio::test]
    async fn a_later_known_expiry_wins_and_an_earlier_one_changes_nothing() {
        let (retain, _) = a_day(FAR);
        let running = prepared().retaining_unknown(retain).run();
        let end = |name| second(end_of(name, FAR.0));
        let later = token("later", known(end("later") + 1));
        let never = token("never", Expiry::Never);
        for name in ["later", "earlier", "never"] {
            heard(&running, token(name, Expiry::Unknown)).await;
        }
        heard(&running, token("earlier", known(end("earlier") - 1))).await;
        for better in [later.clone(), never.clone()] {
            heard(&running, better).await;
        }
        for name in ["later", "earlier", "never"] {
            heard(&running, token(name, Expiry::Unknown)).await;
        }
        let expected = [token("earlier", known(end("earlier"))), later, never];
        assert_eq!(held(&running), expected);
    }

    #[test]
    fn a_clock_behind_the_ledger_does_not_make_it_old_news() {
        let directory = TempDir::new().unwrap();
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        ledger.sweep(FAR).unwrap();
        let clock = ControlPlaneClock::default();
        let retain = RetainUnknown::new(Duration::from_secs(DAY), clock);
        let mut group = [token("a", Expiry::Unknown)];
        retain.apply(&mut group, &ledger.reader());
        assert_eq!(ledger.append(&group).unwrap().changed, 1);
        let good = UnixMillis((FAR.0 + DAY) * 1000);
        ledger.source_good(good).unwrap();
        let mut group = [token("a", Expiry::Unknown)];
        retain.apply(&mut group, &ledger.reader());
        assert_eq!(group, [token("a", end_of("a", good.second().0))]);
    }

    #[tokio::test]
    async fn replicas_that_heard_it_in_another_order_agree() {
        let (retain, _) = a_day(FAR);
        let end = |name| second(end_of(name, FAR.0));
        let what = [
            token("a", Expiry::Unknown),
            token("a", known(end("a") - 5)),
            token("b", known(end("b") + 5)),
            token("b", Expiry::Unknown),
        ];
        let mut digests = Vec::new();
        for reversed in [false, true] {
            let running = prepared().retaining_unknown(retain.clone()).run();
            let mut order = what.to_vec();
            if reversed {
                order.reverse();
            }
            for revocation in order {
                heard(&running, revocation).await;
            }
            digests.push(running.reader.checkpoint().digest);
            running.stop().await;
        }
        assert_eq!(digests[0], digests[1]);
    }
}
