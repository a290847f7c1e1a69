//! Long work is done in steps, and what is new goes in between; walks that are merged as they come.

use std::time::Duration;

use rescind_revocation::UnixSeconds;
use rescind_xds::server::Proof;

use super::{
    packed::{NOW, WALK, clock, entry, opened, said, statement, update},
    *,
};

fn many(count: usize) -> Vec<Entry> {
    (0..count).map(|n| entry(&n.to_string(), NOW)).collect()
}

#[test]
fn a_large_set_is_looked_at_in_steps_with_what_is_new_in_between() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let mut all = many(100_000);
    fixture.take(update("l", "2-0a", &all, WALK)).unwrap();
    let answer = fixture
        .take(statement("l", said("2-0a", &all, true)))
        .unwrap();
    assert_eq!(answer.proof, None, "not looked at yet");
    assert!(fixture.readiness.is_complete(), "which gates nothing");
    let mut steps = 0;
    while fixture.subscription.work() {
        steps += 1;
        let new = entry(&format!("new {steps}"), NOW);
        all.push(new);
        fixture
            .take(update("l", "3-0a", &[new], Walk::None))
            .unwrap();
        assert!(fixture.has(&format!("new {steps}")));
        let answer = fixture
            .take(statement("l", said("3-0a", &all, true)))
            .unwrap();
        assert_eq!(answer, Answer::default());
    }
    assert!(steps >= 2, "{steps}");
    let answer = fixture
        .take(statement("l", said("3-0a", &all, true)))
        .unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
}

#[test]
fn a_repair_walk_over_a_large_set_ends_in_steps_and_finds_what_was_not_named() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let mut all = many(100_000);
    fixture.take(update("one", "2-0a", &all, WALK)).unwrap();
    let mut adapter = all.split_off(10);
    fixture.take(update("two", "1-0b", &adapter, WALK)).unwrap();
    let mut steps = 0;
    while fixture.subscription.work() {
        steps += 1;
        assert_eq!(
            fixture.metrics.surplus_entries.get(),
            0,
            "all at once, at the end"
        );
        let new = entry(&format!("new {steps}"), NOW);
        adapter.push(new);
        fixture
            .take(update("two", "2-0b", &[new], Walk::None))
            .unwrap();
    }
    assert!(steps >= 2, "{steps}");
    assert_eq!(fixture.metrics.surplus_entries.get(), 10);
    let answer = fixture
        .take(statement("two", said("2-0b", &adapter, true)))
        .unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
    assert!(
        all.iter()
            .all(|entry| fixture.set.read(|view| view.has_token(entry.id())))
    );
}

#[test]
fn a_large_set_is_swept_in_steps_and_the_horizon_moves_at_the_end() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let mut all = many(200_000);
    let old: Vec<_> = (0..100_000)
        .map(|n| entry(&format!("old {n}"), NOW - 8_000))
        .collect();
    all.extend(&old);
    fixture.take(update("l", "2-0a", &all, WALK)).unwrap();
    let mut said = said("2-0a", &many(200_000), true);
    said.horizon = NOW - 6_000 - (NOW - 6_000) % 600;
    fixture.take(statement("l", said.clone())).unwrap();
    let left = || fixture.set.read(rescind_revocation::View::len);
    assert!(left() > 200_000 && left() < 300_000, "{}", left());
    let horizon = |fixture: &Fixture| fixture.subscription.durable.state().horizon;
    assert_eq!(horizon(&fixture), UnixSeconds(0));
    while fixture.subscription.work() {}
    assert_eq!(fixture.set.read(rescind_revocation::View::len), 200_000);
    assert_eq!(horizon(&fixture), UnixSeconds(said.horizon));
    assert_eq!(fixture.metrics.set_entries.get(), 200_000);
    let answer = fixture.take(statement("l", said)).unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
}

fn part(begins: bool, ends: bool) -> Walk {
    Walk::Part { begins, ends }
}

#[test]
fn nobody_is_told_of_half_a_first_walk_that_it_were_the_set() {
    let clock = clock();
    let mut fixture = opened(&clock);
    let all = [entry("a", NOW), entry("b", NOW), entry("c", NOW)];
    for (at, walk) in [part(true, false), part(false, false), part(false, true)]
        .into_iter()
        .enumerate()
    {
        let version = format!("{}-0a", at + 1);
        fixture
            .take(update("l", &version, &all[at..=at], walk))
            .unwrap();
        // It may be asked, and then gives what it has; but nothing is decided by it.
        assert!(!fixture.readiness.is_complete() && !fixture.health.is_ready());
        assert_eq!(fixture.age.link(), None);
        clock.pass(Duration::from_millis(100));
    }
    fixture
        .take(statement("l", said("3-0a", &all, true)))
        .unwrap();
    assert!(fixture.readiness.is_complete());
}

#[test]
fn who_is_ready_and_holds_nothing_enforces_each_part_of_a_walk_as_soon_as_it_is_acked() {
    let clock = clock();
    let mut fixture = opened(&clock);
    fixture
        .take(statement("one", said("0-0a", &[], true)))
        .unwrap();
    assert!(fixture.readiness.is_complete());
    // It goes to another adapter, which knows more.
    let all = [entry("a", NOW), entry("b", NOW)];
    fixture
        .take(update("two", "1-0b", &all[..1], part(true, false)))
        .unwrap();
    assert!(fixture.has("a") && !fixture.has("b"));
    fixture
        .take(update("two", "2-0b", &all[1..], part(false, true)))
        .unwrap();
    assert!(fixture.has("b"));
    let answer = fixture
        .take(statement("two", said("2-0b", &all, true)))
        .unwrap();
    assert_eq!(answer.proof, Some(Proof::Proven));
}
