//! The own log behind the subscription: what was ACKed outlives the process.

use std::{path::Path, time::Duration};

use super::*;
use crate::{clock::ManualClock, journal::Observer};

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

/// A process that believes an adapter which cannot say whether its set is whole.
fn believing(folder: &Path, clock: &Arc<ManualClock>) -> Fixture {
    let mut fixture = process(folder, clock);
    fixture.subscription = fixture.subscription.allowing_unproven(true);
    fixture
}

#[test]
fn what_was_only_believed_is_whole_after_a_restart_where_it_still_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut before = believing(folder.path(), &clock);
    before.apply("652374093", vec![token("a")], None).unwrap();
    assert!(before.readiness.is_complete());
    drop(before);

    let believes = believing(folder.path(), &clock);
    assert!(believes.has("a") && believes.readiness.is_complete());
    drop(believes);
    let mut proves = process(folder.path(), &clock);
    assert!(proves.has("a") && !proves.readiness.is_complete());
    assert_eq!(proves.age.link(), None);
    let head = Some(("1-0a", true));
    proves.apply("1-0a", vec![], head).unwrap();
    assert!(proves.readiness.is_complete());
    drop(proves);
    assert!(process(folder.path(), &clock).readiness.is_complete());
}

#[test]
fn what_was_proven_stays_so_beside_an_adapter_that_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut before = believing(folder.path(), &clock);
    before.apply("1-0a", vec![], Some(("1-0a", true))).unwrap();
    drop(before);
    let mut before = believing(folder.path(), &clock);
    before.apply("652374093", vec![], None).unwrap();
    drop(before);
    assert!(process(folder.path(), &clock).readiness.is_complete());
}

#[test]
fn a_moment_of_an_earlier_boot_is_none_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(5_000, 1);
    let mut before = believing(folder.path(), &clock);
    before.apply("1-0a", vec![], Some(("1-0a", true))).unwrap();
    drop(before);
    // After a boot it is believed again, hours before the next restart.
    let clock = ManualClock::at(1_000, 2);
    let mut before = believing(folder.path(), &clock);
    assert!(!before.readiness.is_complete());
    before.apply("652374093", vec![], None).unwrap();
    drop(before);
    clock.pass(Duration::from_secs(4));
    let after = believing(folder.path(), &clock);
    assert!(after.readiness.is_complete());
    assert_eq!(after.age.link(), None);
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

#[test]
fn what_the_own_log_can_neither_take_nor_forget_is_applied_and_not_acked_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut fixture = process(folder.path(), &clock);
    let head = Some(("1-0a", true));
    fixture.apply("1-0a", vec![token("a")], head).unwrap();
    fixture.subscription.durable.journal_mut().fill_disk();
    let log = folder.path().join("log");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();

    let update = Update {
        ledger: None,
        version: "2-0a".to_owned(),
        content: Content::Resources(vec![token("b")]),
        head: None,
        checkpoint: None,
    };
    for _ in 0..2 {
        let outcome = fixture.subscription.apply(update.clone());
        assert_eq!(outcome, Ok(Outcome::Held));
        assert!(fixture.has("b"), "applied");
        assert_eq!(fixture.subscription.version(), "1-0a", "not reported");
        assert_eq!(fixture.subscription.settle(), None);
    }
    std::fs::remove_dir(&log).unwrap();
    assert_eq!(fixture.subscription.settle(), Some(Answer::default()));
    assert_eq!(fixture.subscription.version(), "2-0a");
    assert_eq!(fixture.subscription.settle(), None, "once");
    // Once the disk has room, a new log begins with all of it.
    clock.pass(Duration::from_secs(61));
    fixture.apply("3-0a", vec![token("c")], None).unwrap();
    let set = fixture.set.clone();
    fixture.subscription.durable.tend_to_end(&set);
    drop(fixture);
    let after = process(folder.path(), &clock);
    assert!(after.has("a") && after.has("b") && after.has("c"));
    assert_eq!(after.subscription.version(), "3-0a");
}

#[test]
fn updates_are_acked_and_last_while_an_image_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_000_000, 1);
    let mut fixture = process(folder.path(), &clock);
    let (reached, steps) = std::sync::mpsc::channel();
    let (gate, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let journal = fixture.subscription.durable.journal_mut();
    journal.least_log = 0;
    journal.observer = Some(Observer::of(move |_| {
        let _ = reached.send(());
        let _ = wait.lock().unwrap().recv();
    }));
    let head = Some(("1-0a", true));
    fixture.apply("1-0a", vec![token("a")], head).unwrap();
    steps.recv().unwrap();
    // The image stands still; these are ACKed all the same.
    for n in 0..100 {
        let name = format!("token-{n}");
        fixture.apply("2-0a", vec![token(&name)], None).unwrap();
        assert!(fixture.has(&name));
    }
    assert!(fixture.subscription.durable.journal_mut().is_writing());
    drop(gate);
    let set = fixture.set.clone();
    fixture.subscription.durable.tend_to_end(&set);
    assert_eq!(fixture.metrics.images_written.get(), 2);
    drop(fixture);
    let after = process(folder.path(), &clock);
    assert_eq!(after.metrics.set_entries.get(), 101);
}
