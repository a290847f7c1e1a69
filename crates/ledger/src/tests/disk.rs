//! Disks that are full or read-only. A process of its own gets a limit to the size of its files: no privilege is needed,
//! and SQLite sees what it sees on a full disk.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::Command,
};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::geteuid,
};
use tempfile::TempDir;

use super::revocations::known;
use crate::{Ledger, LedgerError};

const DIRECTORY: &str = "RESCIND_LEDGER_DISK_DIRECTORY";

/// Runs a test of this file as a process of its own, started by `shell`, which has the program as `$0`.
#[track_caller]
fn run(test: &str, directory: &Path, program: &Path, shell: &str) {
    let output = Command::new("sh")
        .args(["-c", shell])
        .arg(program)
        .args(["--exact", &format!("tests::disk::{test}"), "--nocapture"])
        .env(DIRECTORY, directory)
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
}

fn directory() -> Option<std::ffi::OsString> {
    env::var_os(DIRECTORY)
}

fn group(from: usize) -> Vec<rescind_revocation::Revocation> {
    (from..from + 1_000)
        .map(|n| known(&format!("token-{n}-{}", "x".repeat(100)), 1))
        .collect()
}

fn set_limit(bytes: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, bytes, hard).unwrap();
}

/// Not a test of its own: runs below.
#[test]
fn on_a_disk_that_fills_up() {
    let Some(directory) = directory() else {
        return;
    };
    let (mut ledger, _) = Ledger::open(&directory).unwrap();
    set_limit(1_000_000);
    let reader = ledger.reader();
    let mut committed = 0;
    let mut failed = 0;
    // A failed commit closes the file, which may make a little room; three in a row find none.
    while failed < 3 {
        match ledger.append(&group(committed)) {
            Ok(appended) => {
                committed += appended.changed;
                failed = 0;
            }
            Err(error) => {
                assert!(matches!(error, LedgerError::Sqlite { .. }), "{error}");
                failed += 1;
            }
        }
        // Nothing of a group that failed shows.
        assert_eq!(
            (reader.len(), reader.head().sequence),
            (committed, committed as u64)
        );
    }
    assert!(committed > 0);
    // An opening in that state serves what there is.
    drop(ledger);
    let (mut ledger, opening) = Ledger::open(&directory).unwrap();
    assert_eq!((opening.entries, &opening.damage[..]), (committed, &[][..]));
    if let Ok(appended) = ledger.append(&group(committed)) {
        committed += appended.changed;
    }
    assert_eq!(ledger.reader().len(), committed);

    // Room again: it goes on where it was.
    set_limit(getrlimit(Resource::RLIMIT_FSIZE).unwrap().1);
    let appended = ledger.append(&group(committed)).unwrap();
    assert_eq!(appended.changed, 1_000);
    assert_eq!(appended.head.epoch, opening.head.epoch);
    drop(ledger);
    let (_, opening) = Ledger::open(&directory).unwrap();
    assert_eq!(
        (opening.entries, &opening.damage[..]),
        (committed + 1_000, &[][..])
    );
}

/// Not a test of its own: a salvage for which there is no room, and then there is.
#[test]
fn where_a_salvaged_file_has_no_room() {
    let Some(directory) = directory() else {
        return;
    };
    let database = Path::new(&directory).join("ledger.db");
    let (mut ledger, _) = Ledger::open(&directory).unwrap();
    for n in 0..45 {
        ledger.append(&group(n * 1_000)).unwrap();
    }
    drop(ledger);
    let mut bytes = fs::read(&database).unwrap();
    let needle = b"token-100-";
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    bytes[at] ^= 1;
    fs::write(&database, &bytes).unwrap();
    // The log has room, since it begins anew once it has grown; the last of it cannot be moved into the database.
    set_limit(bytes.len() as u64 - 300_000);
    let (mut ledger, opening) = Ledger::open(&directory).unwrap();
    assert_eq!((opening.entries, opening.complete), (44_000, false));
    assert_eq!((opening.damage.len(), &opening.aside), (1, &None));
    assert!(opening.unwritable.is_some());
    // It serves what is whole, and goes on asking for room.
    let error = ledger.append(&group(50_000)).unwrap_err();
    assert!(!error.needs_opening(), "{error}");
    assert_eq!(ledger.reader().len(), 44_000);

    set_limit(getrlimit(Resource::RLIMIT_FSIZE).unwrap().1);
    let error = ledger.append(&group(50_000)).unwrap_err();
    assert!(matches!(error, LedgerError::Salvaged { .. }), "{error}");
    assert!(error.needs_opening());
    drop(ledger);
    let (ledger, opening) = Ledger::open(&directory).unwrap();
    assert_eq!((opening.entries, opening.unwritable), (44_000, None));
    assert_eq!((ledger.reader().len(), opening.damage.len()), (44_000, 0));
}

#[test]
fn a_salvage_gives_nothing_up_before_the_fresh_file_holds_it() {
    let directory = TempDir::new().unwrap();
    let program = env::current_exe().unwrap();
    let shell = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let test = "where_a_salvaged_file_has_no_room";
    run(test, directory.path(), &program, shell);
}

#[test]
fn a_full_disk_loses_nothing_and_merges_nothing_by_halves() {
    let directory = TempDir::new().unwrap();
    let program = env::current_exe().unwrap();
    // A file beyond the limit sends a signal, which would end the process.
    let shell = "trap '' XFSZ; exec \"$0\" \"$@\"";
    run("on_a_disk_that_fills_up", directory.path(), &program, shell);
}

/// Not a test of its own: runs below as a user who may not write.
#[test]
fn in_a_directory_that_cannot_be_written() {
    let Some(directory) = directory() else {
        return;
    };
    let (mut ledger, opening) = Ledger::open(&directory).unwrap();
    assert_eq!((opening.entries, opening.complete), (2, true));
    let reason = opening.unwritable.unwrap();
    assert!(reason.contains("ledger.db: Permission denied"), "{reason}");
    let error = ledger.append(&[known("new", 1)]).unwrap_err();
    assert!(super::super::store::cannot_write(&error), "{error}");
    assert_eq!(ledger.reader().len(), 2);

    let directory = Path::new(&directory);
    fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    for file in fs::read_dir(directory).unwrap() {
        fs::set_permissions(file.unwrap().path(), Permissions::from_mode(0o600)).unwrap();
    }
    let appended = ledger.append(&[known("new", 1)]).unwrap();
    assert_eq!(appended.head.sequence, 3);
    assert_eq!(appended.head.epoch, opening.head.epoch);
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory).unwrap();
    assert_eq!((opening.entries, opening.unwritable), (3, None));
    assert_eq!(ledger.reader().place(appended.head), crate::Resolved::At(3));
}

/// Makes the directory and all in it read-only, and another user's where this one may write all the same.
fn close(directory: &Path) -> &'static str {
    let root = geteuid().is_root();
    let mut paths = vec![directory.to_owned()];
    paths.extend(
        fs::read_dir(directory)
            .unwrap()
            .map(|file| file.unwrap().path()),
    );
    for (at, path) in paths.iter().enumerate() {
        let mode = if at == 0 { 0o500 } else { 0o400 };
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        if root {
            chown(path, Some(65_534), Some(65_534)).unwrap();
        }
    }
    if root {
        "exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" \"$@\""
    } else {
        "exec \"$0\" \"$@\""
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_served_until_it_can() {
    // The parent is open to whom the process runs as.
    let parent = TempDir::new().unwrap();
    fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
    for (name, cleanly) in [("closed", true), ("killed", false)] {
        let directory = parent.path().join(name);
        let (mut ledger, _) = Ledger::open(&directory).unwrap();
        ledger.append(&[known("a", 1), known("b", 1)]).unwrap();
        ledger
            .mark_complete(rescind_revocation::UnixMillis(1))
            .unwrap();
        let copy = parent.path().join("copy");
        if !cleanly {
            // As a killed process leaves it: the last commits stand in the log alone.
            fs::create_dir(&copy).unwrap();
            for file in ["ledger.db", "ledger.db-wal", "lock"] {
                fs::copy(directory.join(file), copy.join(file)).unwrap();
            }
        }
        drop(ledger);
        let directory = if cleanly { directory } else { copy };
        run_closed("in_a_directory_that_cannot_be_written", &directory);
    }
}

/// Not a test of its own: runs below as a user who may not write.
#[test]
fn in_a_damaged_directory_that_cannot_be_written() {
    let Some(directory) = directory() else {
        return;
    };
    let (mut ledger, opening) = Ledger::open(&directory).unwrap();
    assert_eq!((opening.entries, opening.complete), (2, false));
    assert!(!opening.damage.is_empty() && opening.unwritable.is_some());
    let error = ledger.append(&[known("new", 1)]).unwrap_err();
    assert!(!error.needs_opening(), "{error}");
    assert_eq!(ledger.reader().len(), 2);
}

#[test]
fn a_damaged_ledger_that_cannot_be_salvaged_is_served() {
    let parent = TempDir::new().unwrap();
    fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).unwrap();
    let directory = parent.path().join("closed");
    let (mut ledger, _) = Ledger::open(&directory).unwrap();
    ledger.append(&[known("a", 1), known("b", 1)]).unwrap();
    ledger
        .mark_complete(rescind_revocation::UnixMillis(1))
        .unwrap();
    drop(ledger);
    let database = directory.join("ledger.db");
    let mut bytes = fs::read(&database).unwrap();
    // The page size that SQLite reads first.
    bytes[16] ^= 0x40;
    fs::write(&database, bytes).unwrap();
    run_closed("in_a_damaged_directory_that_cannot_be_written", &directory);
}

/// Runs a test of this file in a directory that is closed to it.
#[track_caller]
fn run_closed(test: &str, directory: &Path) {
    let shell = close(directory);
    // The program stands where only this user may look: a copy can be run by the other one. Another process makes it: while
    // a child that another thread forks holds a file open for writing, it cannot be started.
    let program = directory.with_extension("program");
    let copied = Command::new("cp")
        .arg(env::current_exe().unwrap())
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    run(test, directory, &program, shell);
    fs::remove_file(&program).unwrap();
}

#[test]
fn without_a_ledger_a_directory_that_cannot_be_written_is_an_error() {
    let parent = TempDir::new().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Ledger::open(file.join("ledger")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot create the ledger directory "),
        "{error}"
    );
}
