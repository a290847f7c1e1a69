//! Images that are written while the log goes on.

use std::sync::{
    Mutex,
    mpsc::{Receiver, Sender, channel},
};

use super::*;
use crate::{
    journal::steps::{Observer, Step},
    testing::patiently,
};

/// Holds the writing of an image before each of its steps.
pub(in crate::journal) struct Gate {
    steps: Receiver<Step>,
    go: Sender<()>,
}

impl Gate {
    pub(in crate::journal) fn on(journal: &mut Journal) -> Self {
        let (reached, steps) = channel();
        let (go, wait) = channel();
        let wait = Mutex::new(wait);
        journal.observer = Some(Observer::of(move |step| {
            let _ = reached.send(step);
            // Nobody holds it any more once the gate is gone.
            let _ = wait.lock().unwrap().recv();
        }));
        Self { steps, go }
    }

    /// Waits for the next step, which is held.
    pub(in crate::journal) fn reached(&self) -> Step {
        self.steps.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn pass(&self) {
        self.go.send(()).unwrap();
    }

    /// Lets everything pass.
    pub(in crate::journal) fn open(self) {}
}

/// What a process finds that starts after this one has died here and now. It goes on, and dies too.
fn assert_survives(folder: &Path, process: &Process) {
    let copy = tempfile::tempdir().unwrap();
    for file in files(folder) {
        match fs::copy(folder.join(&file), copy.path().join(&file)) {
            // An old image that is being removed on its own thread: gone, at the moment of this death.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
    let mut expected = entries(&process.set);
    let (mut next, found) = Process::start(copy.path(), BOOT);
    assert_eq!(found, Some((true, true, 0)));
    assert_eq!(
        (entries(&next.set), &next.state),
        (expected.clone(), &process.state)
    );
    assert_eq!(files(copy.path()).len(), 3, "image, lock and log");
    next.take(&[token(999_999)], "9-0f");
    drop(next);
    let (last, _) = Process::start(copy.path(), BOOT);
    expected.push(format!(
        "{:?} {:x}",
        token(999_999),
        token(999_999).id().as_u128()
    ));
    expected.sort();
    assert_eq!(entries(&last.set), expected);
}

#[test]
fn a_process_that_dies_at_any_step_of_an_image_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    let many: Vec<_> = (0..3_000).map(token).collect();
    process.take(&many, "3000-0a");
    process.take(&[app(9)], "3001-0a");
    let gate = Gate::on(&mut process.journal);
    let first = image(folder.path());
    process
        .journal
        .begin_beside(&process.set, &process.state)
        .unwrap();
    let mut n = 10_000;
    loop {
        let step = gate.reached();
        assert_survives(folder.path(), &process);
        // What comes meanwhile takes no longer than without: the image stands still.
        process.commit(&[token(n), app(n)], &format!("{n}-0a"));
        n += 1;
        assert!(process.journal.poll().is_none());
        assert_survives(folder.path(), &process);
        gate.pass();
        if step == Step::Verified {
            break;
        }
    }
    patiently(|| process.journal.poll().map(Result::unwrap).is_some());
    assert!(n > 10_100 && !process.journal.is_writing());
    // With everything that came while it was written, and nothing from before.
    assert_eq!(
        process.journal.records(),
        u32::try_from(n - 10_000).unwrap()
    );
    assert_survives(folder.path(), &process);
    process.commit(&[token(n)], "4-0a");
    assert_survives(folder.path(), &process);
    assert_ne!(image_named_by_log(folder.path()), first);
}

fn image_named_by_log(folder: &Path) -> PathBuf {
    let log = fs::read(folder.join("log")).unwrap();
    let id: String = log[12..28]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    folder.join(format!("image.{id}"))
}

#[test]
fn what_comes_is_in_both_logs_or_in_neither_that_counts() {
    // The process dies between the two writes: the old log counts, and has it.
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.take(&[token(1)], "1-0a");
    let gate = Gate::on(&mut process.journal);
    process
        .journal
        .begin_beside(&process.set, &process.state)
        .unwrap();
    gate.reached();
    let before = fs::read(folder.path().join("log.new")).unwrap();
    process.commit(&[token(2)], "2-0a");
    let after = fs::read(folder.path().join("log.new")).unwrap();
    for length in before.len()..after.len() {
        fs::write(folder.path().join("log.new"), &after[..length]).unwrap();
        assert_survives(folder.path(), &process);
    }
    gate.open();
}

#[test]
fn an_old_image_is_removed_once_another_has_taken_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    for round in 0..3 {
        process.take(&[token(round)], "1-0a");
        process
            .journal
            .begin_beside(&process.set, &process.state)
            .unwrap();
        patiently(|| process.journal.poll().map(Result::unwrap).is_some());
    }
    // The removal is on its way: whoever goes waits for it.
    drop(process);
    assert_eq!(files(folder.path()).len(), 3, "image, lock and log");
}

#[test]
fn a_process_that_ends_in_an_orderly_way_does_not_wait_for_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.take(&[token(1)], "1-0a");
    let gate = Gate::on(&mut process.journal);
    process
        .journal
        .begin_beside(&process.set, &process.state)
        .unwrap();
    assert_eq!(gate.reached(), Step::Part(0));
    gate.pass();
    assert_eq!(gate.reached(), Step::Part(1));
    gate.open();
    let set = process.set.clone();
    drop(process);
    let (process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, Some((true, true, 0)));
    assert_eq!(entries(&process.set), entries(&set));
    assert_eq!(files(folder.path()).len(), 3, "image, lock and log");
}

#[test]
fn an_image_leaves_the_set_alone_but_for_the_part_it_copies() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.take(&[token(1)], "1-0a");
    let gate = Gate::on(&mut process.journal);
    process
        .journal
        .begin_beside(&process.set, &process.state)
        .unwrap();
    for part in 0..RevokedSet::PARTS {
        assert_eq!(gate.reached(), Step::Part(part));
        process.set.sweep(UnixSeconds(500 * part as u64));
        process.set.apply(&[token(part as u64)], "2-0a");
        gate.pass();
    }
    gate.open();
}
