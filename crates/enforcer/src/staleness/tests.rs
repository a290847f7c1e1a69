use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::*;
use crate::clock::ManualClock;

const SECOND: Duration = Duration::from_secs(1);

struct Fixture {
    clock: Arc<ManualClock>,
    health: Health,
    readiness: Readiness,
    freshness: Freshness,
}

fn fixture(source_bound: Option<Duration>) -> Fixture {
    let clock = ManualClock::at(10_000_000, 1);
    let health = Health::new();
    let readiness = Readiness::new(&health);
    let settings = StaleSettings {
        source_bound,
        ..StaleSettings::default()
    };
    Fixture {
        freshness: Freshness::new(readiness.clone(), Age::new(clock.clone()), settings),
        clock,
        health,
        readiness,
    }
}

impl Fixture {
    fn degraded(&self) -> Vec<(&'static str, String)> {
        let metrics = Metrics::register(&mut Registry::default());
        self.freshness.show(Standing::Fresh, &self.health, &metrics);
        self.health.report().degraded
    }
}

#[test]
fn an_incomplete_set_waits_for_its_grace_and_then_the_policy_decides() {
    let fixture = fixture(None);
    assert_eq!(fixture.freshness.look().standing, Standing::NotReady);
    fixture.clock.pass(SECOND * 30);
    assert_eq!(fixture.freshness.look().standing, Standing::NotReady);
    fixture.clock.pass(SECOND);
    assert_eq!(fixture.freshness.look().standing, Standing::Stale);
    // It is never called ready by that.
    assert!(!fixture.health.is_ready());
}

#[test]
fn an_adapter_that_answers_is_waited_for() {
    let fixture = fixture(None);
    for _ in 0..10 {
        fixture.clock.pass(SECOND * 20);
        fixture.freshness.age().heard();
        assert_eq!(fixture.freshness.look().standing, Standing::NotReady);
    }
    fixture.clock.pass(SECOND * 31);
    assert_eq!(fixture.freshness.look().standing, Standing::Stale);
    fixture.freshness.age().current();
    fixture.readiness.complete();
    assert_eq!(fixture.freshness.look().standing, Standing::Fresh);
}

#[test]
fn a_complete_set_is_stale_beyond_its_bound_and_stays_ready() {
    let fixture = fixture(None);
    fixture.readiness.complete();
    // Whole, but nobody knows since when.
    assert_eq!(fixture.freshness.look().standing, Standing::Stale);
    fixture.freshness.age().current();
    fixture.clock.pass(SECOND * 900);
    assert_eq!(fixture.freshness.look().standing, Standing::Fresh);
    fixture.clock.pass(Duration::from_millis(1));
    assert_eq!(fixture.freshness.look().standing, Standing::Stale);
    assert!(fixture.health.is_ready());
}

#[test]
fn source_age_makes_it_stale_only_where_that_is_set() {
    for (bound, standing) in [
        (None, Standing::Fresh),
        (Some(SECOND * 60), Standing::Stale),
    ] {
        let fixture = fixture(bound);
        fixture.readiness.complete();
        fixture.freshness.age().stream_opens();
        fixture.freshness.age().checkpoint(5, Some(SECOND * 60));
        assert_eq!(fixture.freshness.look().standing, Standing::Fresh);
        fixture.freshness.age().checkpoint(5, Some(SECOND * 61));
        assert_eq!(fixture.freshness.look().standing, standing);
        // Unknown is older than any bound.
        fixture.freshness.age().checkpoint(5, None);
        assert_eq!(fixture.freshness.look().standing, standing);
    }
}

#[test]
fn a_warning_comes_at_a_third_of_the_bound() {
    let fixture = fixture(None);
    fixture.readiness.complete();
    fixture.freshness.age().stream_opens();
    fixture.freshness.age().checkpoint(7, Some(Duration::ZERO));
    fixture.clock.pass(SECOND * 300);
    assert_eq!(fixture.degraded(), []);
    fixture.clock.pass(SECOND);
    let degraded = fixture.degraded();
    assert_eq!(
        degraded,
        [
            (
                "link age",
                "more than a third of its bound of 900s".to_owned()
            ),
            (
                "source age",
                "the adapter's own source has been away for more than 300s".to_owned()
            )
        ]
    );
    fixture.clock.pass(SECOND * 600);
    assert_eq!(
        fixture.degraded()[0].1,
        "beyond its bound of 900s, the policy decides (deny unless a route says otherwise)"
    );
    fixture
        .freshness
        .age()
        .checkpoint(901_007, Some(Duration::ZERO));
    assert_eq!(fixture.degraded(), []);
}

#[test]
fn a_route_is_no_weaker_than_is_allowed_to_it() {
    use StalePolicy::{Allow, Deny, DenyWrites};
    for (policy, weakest_route, route, holds) in [
        (Deny, Allow, None, Deny),
        (Deny, Allow, Some(Allow), Allow),
        (Deny, DenyWrites, Some(Allow), DenyWrites),
        (Deny, Deny, Some(Allow), Deny),
        (Deny, Deny, Some(DenyWrites), Deny),
        (Allow, Deny, None, Allow),
        (Allow, Deny, Some(DenyWrites), DenyWrites),
        (DenyWrites, Deny, Some(Allow), DenyWrites),
        (DenyWrites, Deny, Some(Deny), Deny),
    ] {
        let settings = StaleSettings {
            policy,
            weakest_route,
            ..StaleSettings::default()
        };
        assert_eq!(settings.policy_of(route), holds, "{settings:?} {route:?}");
        assert!(holds <= settings.weakest());
    }
}

#[test]
fn each_policy_refuses_what_it_says() {
    for (policy, method, refused) in [
        (StalePolicy::Deny, "GET", true),
        (StalePolicy::Deny, "OPTIONS", true),
        (StalePolicy::Allow, "DELETE", false),
        (StalePolicy::DenyWrites, "GET", false),
        (StalePolicy::DenyWrites, "HEAD", false),
        (StalePolicy::DenyWrites, "OPTIONS", false),
        (StalePolicy::DenyWrites, "POST", true),
        (StalePolicy::DenyWrites, "PATCH", true),
        (StalePolicy::DenyWrites, "get", true),
        (StalePolicy::DenyWrites, "", true),
    ] {
        assert_eq!(policy.refuses(method), refused, "{policy:?} {method}");
        assert_eq!(policy.as_str().parse(), Ok(policy));
    }
    for wrong in ["", "Deny", "denywrites", "allow "] {
        assert_eq!(wrong.parse::<StalePolicy>(), Err(UnknownPolicy));
    }
}
