//! The own log behind the subscription: what was ACKed outlives the process.

use std::{path::Path, time::Duration};

use super::*;
use crate::clock::ManualClock;

/// A process on that folder, in that boot, at that moment of it.
fn process(folder: &Path, clock: &Arc<ManualClock>) -> Fixture {
    let health = Health::new();
    let readiness = Readiness::new(&health);
    let metrics = Metrics::register(&mut Registry::default());
    let (durable, restored) = Durable::open(folder, clock.clone(), &health, &metrics).unwrap();
    let set = Arc::new(restored.map_or_else(RevokedSet::new, |restored| restored.set));
    let age = Age::new(clock.clone());
    let signals = Signals {
        age: age.clone(),
        clock: clock.clone(),
        readiness: readiness.clone(),
        health: health.clone(),
        metrics: metrics.clone(),
    };
    Fixture {
        subscription: Subscription::new(set.clone(), durable, signals),
        set,
        age,
        readiness,
        health,
        metrics,
    }
}

#[test]
fn what_was_acked_is_refused_at_once_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut before = process(folder.path(), &clock);
    let head = Some(("2-0a", true));
    before.apply("1-0a", vec![token("a")], head).unwrap();
    before.apply("2-0a", vec![token("b")], head).unwrap();
    drop(before);

    clock.pass(Duration::from_secs(40));
    let after = process(folder.path(), &clock);
    assert!(after.has("a") && after.has("b"));
    assert!(after.readiness.is_complete() && after.health.is_ready());
    assert_eq!(after.subscription.version(), "2-0a");
    assert_eq!(after.age.link(), Some(Duration::from_secs(40)));
    assert_eq!(after.metrics.set_entries.get(), 2);
    assert_eq!(after.metrics.set_version.get(), 2);
}

#[test]
fn what_was_never_whole_is_not_whole_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut before = process(folder.path(), &clock);
    let resources = vec![token("a")];
    before
        .apply("1-0a", resources, Some(("2-0a", true)))
        .unwrap();
    drop(before);
    let mut after = process(folder.path(), &clock);
    assert!(after.has("a") && !after.readiness.is_complete());
    assert_eq!(after.age.link(), None);
    after.apply("2-0a", vec![], Some(("2-0a", true))).unwrap();
    assert!(after.readiness.is_complete());
}

#[test]
fn after_another_boot_it_waits_for_a_complete_adapter_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut before = process(folder.path(), &clock);
    let head = Some(("1-0a", true));
    before.apply("1-0a", vec![token("a")], head).unwrap();
    drop(before);
    let clock = ManualClock::at(5_000, 2);
    let mut after = process(folder.path(), &clock);
    assert!(after.has("a") && !after.readiness.is_complete());
    assert_eq!(after.subscription.version(), "1-0a");
    assert_eq!(after.age.link(), None);
    after.apply("1-0a", vec![], head).unwrap();
    assert!(after.readiness.is_complete());
    drop(after);
    assert!(process(folder.path(), &clock).readiness.is_complete());
}

#[test]
fn a_set_is_as_old_as_the_last_word_that_it_is_all_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut fixture = process(folder.path(), &clock);
    let seconds = Duration::from_secs;
    let complete = Some(("1-0a", true));
    fixture.apply("1-0a", vec![], complete).unwrap();
    clock.pass(seconds(5));
    assert_eq!(fixture.age.link(), Some(seconds(5)));
    // There is more than was sent.
    fixture.apply("2-0a", vec![], Some(("3-0a", true))).unwrap();
    assert_eq!(fixture.age.link(), Some(seconds(5)));
    assert_eq!(fixture.age.silence(), seconds(0));
    // An adapter that does not call its set whole confirms what is held all the same.
    fixture
        .apply("3-0a", vec![], Some(("3-0a", false)))
        .unwrap();
    assert_eq!(fixture.age.link(), Some(seconds(0)));
    clock.pass(seconds(7));
    // What does not say where it stands confirms nothing.
    fixture.apply("3-0a", vec![], None).unwrap();
    assert_eq!(fixture.age.link(), Some(seconds(7)));
}
