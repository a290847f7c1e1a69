//! Disks that are full, and folders that cannot be used.

use super::*;
use crate::testing::patiently;

struct Fixture {
    clock: Arc<ManualClock>,
    health: Health,
    metrics: Metrics,
}

fn fixture() -> Fixture {
    Fixture {
        clock: ManualClock::at(1_000, BOOT),
        health: Health::new(),
        metrics: Metrics::register(&mut Registry::default()),
    }
}

impl Fixture {
    fn open(&self, path: &Path) -> (Durable, Option<Restored>) {
        Durable::open(path, self.clock.clone(), &self.health, &self.metrics).unwrap()
    }

    fn degraded(&self) -> Option<String> {
        let degraded = self.health.report().degraded;
        degraded.first().map(|(_, reason)| reason.clone())
    }
}

fn commit(durable: &mut Durable, n: u64) -> Result<(), Undurable> {
    durable.commit(&[token(n)], None, |state| {
        state.set_cursor("", &format!("{n}-0a"));
        state.complete = true;
        state.checkpoint = Some(CHECKPOINT);
    })
}

#[test]
fn what_is_committed_is_there_after_a_restart() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let (mut durable, restored) = fixture.open(folder.path());
    assert!(restored.is_none());
    for n in 1..4 {
        commit(&mut durable, n).unwrap();
    }
    drop(durable);
    let (durable, restored) = fixture.open(folder.path());
    assert_eq!(entries(&restored.unwrap().set).len(), 3);
    assert_eq!(durable.state().newest_cursor(), "3-0a");
    assert_eq!(fixture.degraded(), None);
}

#[test]
fn a_log_that_cannot_be_written_is_deleted_and_begun_anew_later() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let (mut durable, _) = fixture.open(folder.path());
    commit(&mut durable, 1).unwrap();
    let set = Arc::new(RevokedSet::new());
    set.apply(&[token(1)], "1-0a");

    durable.journal_mut().fill_disk();
    commit(&mut durable, 2).unwrap();
    set.apply(&[token(2)], "2-0a");
    let reason = fixture.degraded().unwrap();
    assert!(reason.contains("cannot be written"), "{reason}");
    assert_eq!(files(folder.path()), ["lock"]);
    assert_eq!(durable.state().newest_cursor(), "2-0a");
    // Not at once, but after a while.
    durable.tend(&set);
    assert_eq!(files(folder.path()), ["lock"]);
    commit(&mut durable, 3).unwrap();
    set.apply(&[token(3)], "3-0a");
    fixture.clock.pass(Duration::from_secs(61));
    durable.tend_to_end(&set);
    assert_eq!(fixture.degraded(), None);
    drop(durable);
    let (_, restored) = fixture.open(folder.path());
    let restored = restored.unwrap();
    assert_eq!(entries(&restored.set).len(), 3);
    assert!(restored.state.complete);
}

#[test]
fn where_it_cannot_be_deleted_either_nothing_may_be_acked() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let (mut durable, _) = fixture.open(folder.path());
    commit(&mut durable, 1).unwrap();
    durable.journal_mut().fill_disk();
    // A folder in its place cannot be removed as a file is.
    let log = folder.path().join("log");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    for _ in 0..2 {
        assert_eq!(commit(&mut durable, 2), Err(Undurable));
        assert_eq!(durable.state().newest_cursor(), "1-0a");
    }
    let reason = fixture.degraded().unwrap();
    assert!(reason.contains("neither written nor deleted"), "{reason}");
    fs::remove_dir(&log).unwrap();
    assert_eq!(commit(&mut durable, 2), Ok(()));
    assert_eq!(durable.state().newest_cursor(), "2-0a");
}

#[test]
fn a_folder_that_cannot_be_used_leaves_the_set_in_memory() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let path = folder.path().join("file");
    fs::write(&path, b"").unwrap();
    let (mut durable, restored) = fixture.open(&path);
    assert!(restored.is_none());
    let reason = fixture.degraded().unwrap();
    assert!(reason.contains(path.to_str().unwrap()), "{reason}");
    commit(&mut durable, 1).unwrap();
    durable.tend(&Arc::new(RevokedSet::new()));
    assert_eq!(durable.state().newest_cursor(), "1-0a");
}

#[test]
fn a_folder_of_another_process_is_an_error() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let _durable = fixture.open(folder.path());
    let clock = fixture.clock.clone();
    let error = Durable::open(folder.path(), clock, &fixture.health, &fixture.metrics).unwrap_err();
    assert!(error.to_string().ends_with("is used by another process"));
}

#[test]
fn an_image_that_cannot_be_written_leaves_the_log_as_it_is_and_is_tried_again_later() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let (mut durable, _) = fixture.open(folder.path());
    durable.journal_mut().least_log = 0;
    let set = Arc::new(RevokedSet::new());
    (0..2).for_each(|_| commit(&mut durable, 1).unwrap());
    set.apply(&[token(1)], "1-0a");
    let gate = beside::Gate::on(durable.journal_mut());
    durable.tend(&set);
    gate.reached();
    durable.journal_mut().fill_disk_of_next();
    gate.open();
    commit(&mut durable, 2).unwrap();
    set.apply(&[token(2)], "2-0a");
    assert!(!durable.journal_mut().is_writing());
    assert_eq!(fixture.degraded(), None);
    let failures = fixture.metrics.journal_failures.get();
    durable.tend(&set);
    assert_eq!(fixture.metrics.journal_failures.get(), failures + 1);
    assert_eq!(files(folder.path()).len(), 3, "image, lock and log");
    durable.tend(&set);
    assert!(!durable.journal_mut().is_writing(), "not at once");
    fixture.clock.pass(Duration::from_secs(61));
    durable.tend_to_end(&set);
    assert_eq!(durable.journal_mut().records(), 0);
    drop(durable);
    let (_, restored) = fixture.open(folder.path());
    assert_eq!(entries(&restored.unwrap().set).len(), 2);
}

#[test]
fn a_log_that_fails_while_an_image_is_written_takes_the_image_with_it() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let (mut durable, _) = fixture.open(folder.path());
    durable.journal_mut().least_log = 0;
    let set = Arc::new(RevokedSet::new());
    (0..2).for_each(|_| commit(&mut durable, 1).unwrap());
    let gate = beside::Gate::on(durable.journal_mut());
    durable.tend(&set);
    gate.reached();
    gate.open();
    durable.journal_mut().fill_disk();
    commit(&mut durable, 2).unwrap();
    assert_eq!(files(folder.path()), ["lock"]);
    assert_eq!(durable.state().newest_cursor(), "2-0a");
}

#[test]
fn a_log_that_has_room_once_the_image_is_given_up_goes_on() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let (mut durable, _) = fixture.open(folder.path());
    durable.journal_mut().least_log = 0;
    let set = Arc::new(RevokedSet::new());
    (0..2).for_each(|_| commit(&mut durable, 1).unwrap());
    let gate = beside::Gate::on(durable.journal_mut());
    durable.tend(&set);
    gate.reached();
    gate.open();
    durable.journal_mut().fill_disk_with_image();
    commit(&mut durable, 2).unwrap();
    assert_eq!(durable.journal_mut().records(), 3);
    assert!(!durable.is_writing());
    assert_eq!(fixture.degraded(), None);
    assert_eq!(files(folder.path()).len(), 3, "image, lock and log");
    // That it was given up is counted, and it is not tried again at once.
    let failures = fixture.metrics.journal_failures.get();
    durable.tend(&set);
    assert_eq!(fixture.metrics.journal_failures.get(), failures + 1);
    durable.tend(&set);
    assert!(!durable.is_writing());
    commit(&mut durable, 3).unwrap();
    drop(durable);
    let (_, restored) = fixture.open(folder.path());
    let restored = restored.unwrap();
    assert_eq!(entries(&restored.set).len(), 3);
    assert_eq!((restored.state.complete, restored.torn_bytes), (true, 0));
}

#[test]
fn an_image_that_fails_takes_its_file_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), BOOT).unwrap();
    let set = Arc::new(RevokedSet::new());
    let state = State::default();
    let gate = beside::Gate::on(&mut journal);
    journal.begin_beside(&set, &state).unwrap();
    gate.reached();
    // Cut while it is written, it is not what was written.
    fs::write(image(folder.path()), b"").unwrap();
    gate.open();
    patiently(|| files(folder.path()) == ["lock", "log.new"]);
    assert!(journal.is_writing(), "nobody has asked yet");
}

#[test]
fn an_image_that_nobody_wants_is_not_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let (process, _) = Process::start(folder.path(), BOOT);
    let path = image(folder.path());
    let steps = steps::Steps::default();
    assert!(image::verify(&path, &steps).is_ok());
    steps.cancel();
    let error = image::verify(&path, &steps).unwrap_err();
    assert!(error.to_string().starts_with("cancelled"), "{error}");
    drop(process);
}

/// A process whose log of this boot cannot be written, and takes no image in its place.
fn start_with_a_log_that_takes_nothing(fixture: &Fixture, folder: &Path) -> Durable {
    let (mut durable, _) = fixture.open(folder);
    commit(&mut durable, 1).unwrap();
    durable.journal_mut().lose_log();
    fs::create_dir(folder.join("log.new")).unwrap();
    durable.begin(&RevokedSet::new());
    assert!(fixture.degraded().unwrap().contains("takes no image"));
    durable
}

#[test]
fn a_log_that_cannot_be_gone_on_with_at_the_start_is_deleted_before_an_ack() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let mut durable = start_with_a_log_that_takes_nothing(&fixture, folder.path());
    assert!(folder.path().join("log").exists());
    commit(&mut durable, 2).unwrap();
    assert!(!folder.path().join("log").exists());
    assert_eq!(durable.state().newest_cursor(), "2-0a");
    drop(durable);
    let (_, restored) = fixture.open(folder.path());
    assert!(restored.is_none());
}

#[test]
fn where_it_cannot_be_deleted_at_the_start_nothing_may_be_acked() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    let mut durable = start_with_a_log_that_takes_nothing(&fixture, folder.path());
    let log = folder.path().join("log");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    for _ in 0..2 {
        assert_eq!(commit(&mut durable, 2), Err(Undurable));
        assert_eq!(durable.state().newest_cursor(), "1-0a");
    }
    fs::remove_dir(&log).unwrap();
    assert_eq!(commit(&mut durable, 2), Ok(()));
}

/// What an earlier process left in a folder, which then cannot be locked.
fn make_unusable(fixture: &Fixture, folder: &Path) {
    let (mut durable, _) = fixture.open(folder);
    commit(&mut durable, 1).unwrap();
    drop(durable);
    fs::remove_file(folder.join("lock")).unwrap();
    fs::create_dir(folder.join("lock")).unwrap();
}

#[test]
fn a_log_in_a_folder_that_cannot_be_used_is_deleted_before_an_ack() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    make_unusable(&fixture, folder.path());
    let (mut durable, restored) = fixture.open(folder.path());
    assert!(restored.is_none());
    assert!(folder.path().join("log").exists());
    commit(&mut durable, 2).unwrap();
    assert!(!folder.path().join("log").exists());
    drop(durable);
    fs::remove_dir(folder.path().join("lock")).unwrap();
    let (_, restored) = fixture.open(folder.path());
    assert!(restored.is_none());
}

#[test]
fn in_a_folder_that_cannot_be_used_a_log_that_stays_holds_everything() {
    let (fixture, folder) = (fixture(), tempfile::tempdir().unwrap());
    make_unusable(&fixture, folder.path());
    let log = folder.path().join("log");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let (mut durable, _) = fixture.open(folder.path());
    let unusable = fixture.degraded().unwrap();
    for _ in 0..2 {
        assert_eq!(commit(&mut durable, 2), Err(Undurable));
    }
    let reason = fixture.degraded().unwrap();
    assert!(reason.contains("neither written nor deleted"), "{reason}");
    fs::remove_dir(&log).unwrap();
    assert_eq!(commit(&mut durable, 2), Ok(()));
    assert_eq!(durable.state().newest_cursor(), "2-0a");
    assert_eq!(fixture.degraded().unwrap(), unusable);
}
