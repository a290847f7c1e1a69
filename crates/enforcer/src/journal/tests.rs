use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use prometheus_client::registry::Registry;
use rescind_revocation::{Entry, Expiry, RevokedSet, TokenId, UnixMillis, UnixSeconds};
use rescind_runtime::health::Health;

use super::*;
use crate::{clock::ManualClock, metrics::Metrics};

mod beside;
mod damage;
mod failures;

const BOOT: u128 = 7;

const CHECKPOINT: Checkpoint = Checkpoint {
    wall: UnixMillis(5),
    boot: 6,
};

fn token(n: u64) -> Entry {
    Entry::Token {
        id: TokenId::of(&format!("token-{n}")),
        expiry: Expiry::Known(UnixSeconds(1_000_000 + n)),
    }
}

fn app(revoked_at: u64) -> Entry {
    Entry::App {
        id: TokenId::of("app"),
        revoked_at: UnixMillis(revoked_at),
    }
}

/// Everything in a set, in one order.
fn entries(set: &RevokedSet) -> Vec<String> {
    let mut all = Vec::new();
    set.for_each(|entry| all.push(format!("{entry:?} {:x}", entry.id().as_u128())));
    all.sort();
    all
}

fn state(cursor: &str) -> State {
    let mut state = State::default();
    state.horizon = UnixSeconds(600);
    state.complete = true;
    state.checkpoint = Some(CHECKPOINT);
    state.set_cursor("", cursor);
    state
}

/// A process: a journal and the set beside it.
struct Process {
    journal: Journal,
    set: Arc<RevokedSet>,
    state: State,
}

impl Process {
    fn start(path: &Path, boot: u128) -> (Self, Option<(bool, bool, u64)>) {
        let (mut journal, restored) = Journal::open(path, boot).unwrap();
        let found = restored.as_ref().map(|restored| {
            let Restored {
                same_boot,
                torn_bytes,
                state,
                ..
            } = restored;
            (*same_boot, state.complete, *torn_bytes)
        });
        let (set, state) = match restored {
            Some(restored) => (restored.set, restored.state),
            None => (RevokedSet::new(), State::default()),
        };
        if !journal.is_open() {
            journal.begin(&set, &state).unwrap();
        }
        let process = Self {
            journal,
            set: Arc::new(set),
            state,
        };
        (process, found)
    }

    /// Without a look at the length of the log.
    fn commit(&mut self, entries: &[Entry], cursor: &str) {
        self.state = state(cursor);
        self.journal.append(entries, &self.state, None).unwrap();
        self.set.apply(entries, cursor);
    }

    fn take(&mut self, entries: &[Entry], cursor: &str) {
        self.commit(entries, cursor);
        if self.journal.wants_image() {
            self.journal.begin(&self.set, &self.state).unwrap();
        }
    }
}

fn files(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn image(path: &Path) -> PathBuf {
    let name = files(path)
        .into_iter()
        .find(|name| name.starts_with("image."));
    path.join(name.unwrap())
}

#[test]
fn what_was_taken_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, None);
    process.take(&[token(1), app(9)], "2-0a");
    process.take(&[], "3-0a");
    process.take(&[token(2), app(8)], "4-0a");
    let (held, state) = (entries(&process.set), process.state.clone());
    assert_eq!(held.len(), 3);
    // No orderly end: the process is gone.
    drop(process);

    for _ in 0..3 {
        let (process, found) = Process::start(folder.path(), BOOT);
        assert_eq!(found, Some((true, true, 0)));
        assert_eq!(entries(&process.set), held);
        assert_eq!(process.state, state);
        let version = process.set.read(|view| view.version().clone());
        assert_eq!(&*version, "4-0a");
    }
}

#[test]
fn a_restart_goes_on_where_the_log_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for start in 0..5 {
        let (mut process, _) = Process::start(folder.path(), BOOT);
        assert_eq!(entries(&process.set).len(), expected);
        for n in 0..3 {
            process.take(&[token(start * 10 + n)], "1-0a");
            expected += 1;
        }
    }
}

#[test]
fn after_the_machine_has_started_anew_nothing_passes_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.take(&[token(1)], "2-0a");
    drop(process);
    // Also when that process dies before an adapter has answered.
    for (boot, expected) in [
        (8, Some((false, false, 0))),
        (8, Some((true, false, 0))),
        (9, Some((false, false, 0))),
    ] {
        let (process, found) = Process::start(folder.path(), boot);
        assert_eq!(found, expected);
        assert_eq!(entries(&process.set).len(), 1);
        assert_eq!(process.state.newest_cursor(), "2-0a");
    }
}

#[test]
fn a_log_that_has_outgrown_its_image_is_changed_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.journal.least_log = 2_000;
    let first = image(folder.path());
    for n in 0..1_000 {
        process.take(&[token(n)], &format!("{n}-0a"));
        assert_eq!(files(folder.path()).len(), 3, "image, lock and log");
        assert!(process.journal.bytes() < 50_000);
    }
    assert_ne!(image(folder.path()), first);
    let held = entries(&process.set);
    drop(process);
    let (process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, Some((true, true, 0)));
    assert_eq!(entries(&process.set), held);
    assert_eq!(process.state.newest_cursor(), "999-0a");
}

#[test]
fn an_image_of_many_records_is_read_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    let many: Vec<_> = (0..50_000).map(token).collect();
    process.take(&many, "50000-0a");
    process.journal.begin(&process.set, &process.state).unwrap();
    drop(process);
    let (process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, Some((true, true, 0)));
    assert_eq!(entries(&process.set).len(), 50_000);
}

#[test]
fn an_image_leaves_out_what_the_adapter_has_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.take(&[token(1), token(2), app(1)], "1-0a");
    process.state.horizon = UnixSeconds(1_000_002);
    process.journal.begin(&process.set, &process.state).unwrap();
    drop(process);
    let (process, _) = Process::start(folder.path(), BOOT);
    assert_eq!(entries(&process.set).len(), 2);
}

#[test]
fn marks_are_kept_until_others_take_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    let marks = |folder: &Path| Journal::open(folder, BOOT).unwrap().1.unwrap().marks;
    process
        .journal
        .append(&[token(1)], &state("1-0a"), Some(b"marks"))
        .unwrap();
    process.take(&[token(2)], "2-0a");
    drop(process);
    assert_eq!(marks(folder.path()), b"marks");
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.journal.begin(&process.set, &process.state).unwrap();
    drop(process);
    assert_eq!(marks(folder.path()), b"marks");
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process
        .journal
        .append(&[], &state("3-0a"), Some(b""))
        .unwrap();
    drop(process);
    assert_eq!(marks(folder.path()), b"");
}

#[test]
fn a_folder_is_for_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let (process, _) = Process::start(folder.path(), BOOT);
    let error = Journal::open(folder.path(), BOOT).unwrap_err();
    assert!(matches!(error, JournalError::Taken(_)), "{error}");
    drop(process);
    Process::start(folder.path(), BOOT);
}

#[test]
fn nobody_else_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let (mut process, _) = Process::start(&path, BOOT);
    process.take(&[token(1)], "1-0a");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for name in files(&path) {
        assert_eq!(mode(&path.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn what_a_crash_left_of_an_image_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut process, _) = Process::start(folder.path(), BOOT);
    process.take(&[token(1)], "1-0a");
    drop(process);
    let before = files(folder.path());
    for name in ["image.00000000000000000000000000000001", "log.new"] {
        fs::write(folder.path().join(name), b"half").unwrap();
    }
    fs::write(folder.path().join("not ours"), b"").unwrap();
    let (process, found) = Process::start(folder.path(), BOOT);
    assert_eq!(found, Some((true, true, 0)));
    assert_eq!(entries(&process.set).len(), 1);
    let mut after = files(folder.path());
    after.retain(|name| name != "not ours");
    assert_eq!(after, before);
}
