//! What an opening makes, refuses and remembers.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use rescind_revocation::UnixMillis;
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Cursor, Ledger, LedgerError, Resolved};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_directory_and_its_files_are_the_owners_alone() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("lib/rescind");
    let (mut ledger, _) = Ledger::open(&directory).unwrap();
    ledger.append(&[known("a", 1)]).unwrap();
    assert_eq!(mode(&directory), 0o700);
    let files: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let names = |suffix: &str| files.iter().any(|file| file.ends_with(suffix));
    assert!(names("ledger.db") && names("ledger.db-wal") && names("ledger.db-shm"));
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_file_that_others_can_read_is_closed_to_them() {
    let directory = TempDir::new().unwrap();
    drop(Ledger::open(directory.path()).unwrap());
    let database = directory.path().join("ledger.db");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Ledger::open(directory.path()).unwrap());
    assert_eq!(mode(&database), 0o600);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let directory = TempDir::new().unwrap();
    let first = Ledger::open(directory.path()).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "ledger directory {} is in use by another process (pid {})",
            directory.path().display(),
            std::process::id()
        )
    );
    drop(first);
    Ledger::open(directory.path()).unwrap();
}

#[test]
fn a_file_of_a_later_version_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[known("a", 1)]).unwrap();
    ledger.store.as_mut().unwrap().say_version(6).unwrap();
    drop(ledger);
    let database = directory.path().join("ledger.db");
    let before = fs::read(&database).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has schema version 6, this version knows up to 5: it was written by a later version",
            database.display()
        )
    );
    assert_eq!(fs::read(&database).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = TempDir::new().unwrap();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(connection);
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(matches!(error, LedgerError::Foreign { .. }), "{error}");
}

#[test]
fn where_no_shared_memory_can_be_made_it_does_without() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[known("a", 1)]).unwrap();
    drop(ledger);
    // The file that readers and writer would share cannot be made, as on a full disk: SQLite follows no link.
    symlink("nowhere", directory.path().join("ledger.db-shm")).unwrap();
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!((opening.entries, opening.unwritable), (1, None));
    assert_eq!(ledger.append(&[known("b", 1)]).unwrap().head.sequence, 2);
    drop(ledger);
    let (_, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.entries, 2);
}

#[test]
fn the_ledger_remembers_its_name_and_that_it_is_complete() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(!opening.complete);
    assert_eq!(opening.source_good_at, None);
    let name = ledger.reader().ledger_id();
    assert_eq!(name, opening.head.epoch);
    ledger.mark_complete(UnixMillis(1000)).unwrap();
    ledger.source_good(UnixMillis(2000)).unwrap();
    drop(ledger);
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(opening.complete);
    assert_eq!(opening.source_good_at, Some(UnixMillis(2000)));
    assert_ne!(opening.head.epoch, name);
    assert_eq!(ledger.reader().ledger_id(), name);
    ledger.mark_incomplete().unwrap();
    drop(ledger);
    let (_, opening) = Ledger::open(directory.path()).unwrap();
    assert!(!opening.complete);
    assert_eq!(opening.source_good_at, Some(UnixMillis(2000)));
}

#[test]
fn a_cursor_beyond_an_old_copy_is_known_as_such() {
    let directory = TempDir::new().unwrap();
    let copy = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[known("a", 1)]).unwrap();
    drop(ledger);
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for name in ["ledger.db", "ledger.db-wal"] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let within = ledger.reader().head();
    let beyond = ledger.append(&[known("b", 1)]).unwrap().head;
    let (restored, opening) = Ledger::open(copy.path()).unwrap();
    assert_eq!(opening.head.sequence, 1);
    assert_eq!(restored.reader().place(within), Resolved::At(1));
    assert_eq!(restored.reader().place(beyond), Resolved::Beyond);
}

#[test]
fn an_epoch_ends_where_the_next_one_begins_for_ever() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let end = ledger.append(&[known("a", 1)]).unwrap().head;
    for name in ["b", "c"] {
        drop(ledger);
        ledger = Ledger::open(directory.path()).unwrap().0;
        ledger.append(&[known(name, 1)]).unwrap();
    }
    let beyond = Cursor { sequence: 2, ..end };
    assert_eq!(ledger.reader().place(end), Resolved::At(1));
    assert_eq!(ledger.reader().place(beyond), Resolved::Beyond);
}
