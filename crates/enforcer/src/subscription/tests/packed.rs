//! Updates of our own adapters: packed ranges, checkpoints, and what came of comparing.

use std::time::Duration;

use rescind_revocation::{Digests, UnixSeconds, packed};
use rescind_xds::{client::Checkpoint as Said, server::Proof};

use super::*;
use crate::clock::ManualClock;

pub(super) const NOW: u64 = 1_710_000_000;
pub(super) const WALK: Walk = Walk::Part {
    begins: true,
    ends: true,
};

pub(super) fn entry(name: &str, expiry: u64) -> Entry {
    Entry::Token {
        id: TokenId::of(name),
        expiry: rescind_revocation::Expiry::Known(UnixSeconds(expiry)),
    }
}

/// What an adapter that holds these says.
pub(super) fn said(cursor: &str, entries: &[Entry], complete: bool) -> Said {
    let mut digests = Digests::new();
    entries.iter().for_each(|entry| digests.insert(entry));
    let (digest, count) = digests.from(UnixSeconds(0));
    Said {
        cursor: cursor.to_owned(),
        horizon: 0,
        digest: digest.to_bytes().to_vec(),
        count,
        complete,
        as_of_ms: 7,
        source_age_ms: Some(2_000),
    }
}

pub(super) fn update(ledger: &str, version: &str, entries: &[Entry], walk: Walk) -> Update {
    Update {
        ledger: Some(ledger.to_owned()),
        version: version.to_owned(),
        content: Content::Packed(Packed {
            base: 0,
            entries: packed::encode(entries),
            walk,
        }),
        head: Some(ServerHead {
            version: version.to_owned(),
            complete: true,
        }),
        checkpoint: None,
    }
}

pub(super) fn statement(ledger: &str, said: Said) -> Update {
    Update {
        ledger: Some(ledger.to_owned()),
        version: said.cursor.clone(),
        content: Content::Nothing,
        head: None,
        checkpoint: Some(said),
    }
}

pub(super) fn opened(clock: &Arc<ManualClock>) -> Fixture {
    let mut fixture = fixture_with(clock.clone());
    fixture.subscription.link(LinkState::Opening {
        address: "adapter:18000".into(),
    });
    fixture
}

pub(super) fn clock() -> Arc<ManualClock> {
    let clock = ManualClock::at(1_000_000, 1);
    clock.set_wall(UnixMillis(NOW * 1000));
    clock
}

#[test]
fn a_complete_checkpoint_makes_it_ready_and_says_how_old_all_is() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let all = [entry("a", NOW), entry("b", NOW)];
    let first = update("l", "2-0a", &all, WALK);
    fixture.take(first).unwrap();
    assert!(!fixture.readiness.is_complete(), "no checkpoint yet");
    clock.pass(Duration::from_secs(1));
    let incomplete = statement("l", said("2-0a", &all, false));
    let answer = fixture.take(incomplete).unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
    assert!(!fixture.readiness.is_complete() && !fixture.subscription.is_complete());
    assert_eq!(fixture.age.link(), Some(Duration::from_secs(1)));
    assert_eq!(fixture.age.source(), Some(Duration::from_secs(3)));

    let complete = statement("l", said("2-0a", &all, true));
    fixture.take(complete).unwrap();
    assert!(fixture.readiness.is_complete() && fixture.subscription.is_complete());
    assert_eq!(
        fixture.subscription.versions(),
        [("l".to_owned(), "2-0a".to_owned())]
    );
    assert_eq!(fixture.subscription.version(), "");
}

#[test]
fn a_long_walk_does_not_make_all_that_follows_it_old() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let seconds = Duration::from_secs;
    for n in 0..60 {
        clock.pass(seconds(10));
        let walk = Walk::Part {
            begins: n == 0,
            ends: n == 59,
        };
        let part = update("l", &format!("{n}-0a"), &[entry("a", NOW)], walk);
        fixture.take(part).unwrap();
    }
    // Made after the last part was ACKed, and held up for 3 s since, for all we know.
    clock.pass(seconds(3));
    let mut said = said("59-0a", &[entry("a", NOW)], true);
    fixture.take(statement("l", said.clone())).unwrap();
    assert_eq!(fixture.age.link(), Some(seconds(3)));
    // The next ones cannot know better how far the clocks are apart, and 3 s it stays.
    for _ in 0..2 {
        clock.pass(seconds(5));
        said.as_of_ms += 5_000;
        fixture.take(statement("l", said.clone())).unwrap();
        assert_eq!(fixture.age.link(), Some(seconds(3)));
    }
}

#[test]
fn a_heartbeat_without_anything_moves_nothing() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let nothing = Update {
        ledger: None,
        version: "0-0a".to_owned(),
        content: Content::Nothing,
        head: Some(ServerHead {
            version: "0-0a".to_owned(),
            complete: true,
        }),
        checkpoint: None,
    };
    let answer = fixture.take(nothing).unwrap();
    assert_eq!(answer, Answer::default());
    assert!(!fixture.readiness.is_complete());
    assert_eq!(fixture.subscription.versions(), []);
}

#[test]
fn a_difference_never_gates_and_after_a_minute_everything_is_asked_for_again() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let adapter = [entry("a", NOW), entry("b", NOW)];
    fixture
        .take(update("l", "2-0a", &adapter[..1], WALK))
        .unwrap();
    let mut walks = 0;
    for second in 0..=70 {
        let answer = fixture
            .take(statement("l", said("2-0a", &adapter, true)))
            .unwrap();
        assert_eq!(answer.proof, Some(Proof::Diverged));
        assert!(fixture.readiness.is_complete());
        walks += usize::from(answer.walk);
        assert_eq!(walks, usize::from(second >= 60));
        assert_eq!(fixture.health.report().degraded.len(), walks);
        clock.pass(Duration::from_secs(1));
    }
    fixture.take(update("l", "2-0a", &adapter, WALK)).unwrap();
    let answer = fixture
        .take(statement("l", said("2-0a", &adapter, true)))
        .unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
    assert_eq!(fixture.health.report().degraded, []);
}

#[test]
fn what_another_ledger_had_is_kept_enforced_and_counted() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let both = [entry("a", NOW), entry("b", NOW)];
    fixture.take(update("one", "2-0a", &both, WALK)).unwrap();
    fixture
        .take(update("two", "1-0b", &both[..1], WALK))
        .unwrap();
    let answer = fixture
        .take(statement("two", said("1-0b", &both[..1], true)))
        .unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
    assert!(fixture.has("a") && fixture.has("b"));
    assert_eq!(fixture.metrics.surplus_entries.get(), 1);
    assert_eq!(fixture.subscription.versions().len(), 2);
}

#[test]
fn it_drops_what_the_adapter_has_dropped_and_never_past_its_own_clock_less_an_hour() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let old = entry("old", NOW - 4_000);
    let young = entry("young", NOW - 1_800);
    fixture
        .take(update("l", "2-0a", &[old, young], WALK))
        .unwrap();
    // An adapter whose clock runs ahead.
    let mut said = said("2-0a", &[], true);
    said.horizon = NOW + 6_000;
    let answer = fixture.take(statement("l", said)).unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
    assert!(!fixture.has("old") && fixture.has("young"));
}

#[test]
fn packed_bytes_that_are_none_are_refused_whole() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let mut bad = update("l", "1-0a", &[entry("a", NOW)], WALK);
    if let Content::Packed(packed) = &mut bad.content {
        packed.entries.push(9);
    }
    let rejection = fixture.take(bad).unwrap_err();
    assert!(
        rejection.0.starts_with("packed entries: section at offset"),
        "{rejection}"
    );
    assert!(!fixture.has("a") && fixture.subscription.versions().is_empty());
}

#[test]
fn an_old_adapter_is_believed_only_where_that_is_allowed() {
    for allowed in [false, true] {
        let clock = clock();
        let mut fixture = opened(&clock);
        fixture.subscription = fixture.subscription.allowing_unproven(allowed);
        fixture.apply("652374093", vec![token("a")], None).unwrap();
        assert_eq!(fixture.readiness.is_complete(), allowed);
        assert_eq!(fixture.health.report().degraded[0].0, "unproven adapter");
        clock.pass(Duration::from_secs(100));
        let quiet = Duration::from_secs(5);
        fixture.subscription.link(LinkState::Alive { quiet });
        let age = fixture.age.link();
        assert_eq!(age, allowed.then_some(Duration::ZERO));
    }
}

#[test]
fn an_old_adapter_that_says_nothing_counts_after_15_s() {
    let clock = clock();
    let mut fixture = opened(&clock);
    fixture.subscription = fixture.subscription.allowing_unproven(true);
    for (seconds, ready) in [(5, false), (14, false), (15, true)] {
        let quiet = Duration::from_secs(seconds);
        fixture.subscription.link(LinkState::Alive { quiet });
        assert_eq!(fixture.readiness.is_complete(), ready, "{seconds}");
    }
}
