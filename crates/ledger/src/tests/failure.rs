//! Commits that fail: somebody else holds the file's write lock, and lets it go.

use std::fs;

use rescind_revocation::UnixMillis;
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Ledger, LedgerError, Resolved};

fn blocker(directory: &TempDir) -> Connection {
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[test]
fn a_failed_commit_changes_nothing_and_the_next_one_goes_on() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let reader = ledger.reader();
    let before = ledger.append(&[known("a", 1)]).unwrap().head;

    let blocker = blocker(&directory);
    for _ in 0..2 {
        let error = ledger.append(&[known("b", 1)]).unwrap_err();
        assert!(matches!(error, LedgerError::Sqlite { .. }), "{error}");
        assert_eq!(reader.head(), before);
        assert_eq!(reader.len(), 1);
    }
    drop(blocker);

    let after = ledger.append(&[known("b", 1), known("c", 1)]).unwrap();
    assert_eq!(after.changed, 2);
    assert_eq!(after.head.sequence, 3);
    assert_eq!(after.head.epoch, before.epoch);
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.entries, 3);
    assert_eq!(ledger.reader().place(after.head), Resolved::At(3));
}

#[test]
fn what_a_failed_commit_wrote_all_the_same_is_taken_in() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[known("a", 1)]).unwrap();
    // The group is written behind the ledger's back, as if COMMIT had failed after the disk had it.
    let mut store = ledger.store.take().unwrap();
    store
        .append(None, 2..=3, &[(2, known("b", 1)), (3, known("c", 1))], None)
        .unwrap();
    drop(store);
    let appended = ledger
        .append(&[known("b", 1), known("c", 1), known("d", 1)])
        .unwrap();
    // It is published now, and with it what was not said of it then.
    assert_eq!(appended.changed, 3);
    assert_eq!(appended.head.sequence, 4);
    assert_eq!(ledger.reader().len(), 4);
    assert_eq!(ledger.append(&[known("d", 1)]).unwrap().changed, 0);
}

#[test]
fn what_a_failed_commit_wrote_is_said_by_the_next_append_also_where_another_write_took_it_in() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let group = [known("a", 1), known("b", 1)];
    let mut store = ledger.store.take().unwrap();
    store
        .append(
            None,
            1..=2,
            &[(1, group[0].clone()), (2, group[1].clone())],
            None,
        )
        .unwrap();
    drop(store);
    ledger.source_good(UnixMillis(1)).unwrap();
    assert_eq!(ledger.reader().len(), 2);
    for changed in [2, 0] {
        assert_eq!(ledger.append(&group).unwrap().changed, changed);
    }
}

#[test]
fn a_file_that_lost_what_was_committed_is_not_written_to() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[known("a", 1), known("b", 1)]).unwrap();
    ledger.store = None;
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection.execute_batch("DELETE FROM groups").unwrap();
    let error = ledger.append(&[known("c", 1)]).unwrap_err();
    assert!(
        matches!(
            error,
            LedgerError::Behind {
                end: 0,
                head: 2,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(ledger.reader().len(), 2);
}

#[test]
fn an_opening_that_cannot_write_serves_and_writes_later() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let first = ledger.append(&[known("a", 1)]).unwrap().head;
    drop(ledger);

    let blocker = blocker(&directory);
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(opening.unwritable.is_some());
    assert_eq!(opening.entries, 1);
    let reader = ledger.reader();
    assert_eq!(reader.place(first), Resolved::At(1));
    ledger.append(&[known("b", 1)]).unwrap_err();
    drop(blocker);

    let second = ledger.append(&[known("b", 1)]).unwrap().head;
    assert_eq!(second.epoch, opening.head.epoch);
    drop(ledger);
    let (ledger, _) = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.reader().place(first), Resolved::At(1));
    assert_eq!(ledger.reader().place(second), Resolved::At(2));
    assert_eq!(ledger.reader().place(opening.head), Resolved::At(1));
}

#[test]
fn damage_while_running_wants_a_new_opening_and_that_salvages() {
    let garbage = "not a database, by far".repeat(100);
    for (bytes, kept) in [(garbage.as_str(), 0), ("", 2)] {
        let directory = TempDir::new().unwrap();
        let database = directory.path().join("ledger.db");
        let log = directory.path().join("ledger.db-wal");
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        ledger.append(&[known("a", 1), known("b", 1)]).unwrap();
        let logged = fs::read(&log).unwrap();
        // The file breaks, and a commit fails.
        ledger.store = None;
        fs::write(&database, bytes).unwrap();
        if bytes.is_empty() {
            fs::write(&log, logged).unwrap();
        }
        for _ in 0..2 {
            let error = ledger.append(&[known("c", 1)]).unwrap_err();
            assert!(error.needs_opening(), "{error}");
        }
        assert_eq!(ledger.reader().len(), 2);
        drop(ledger);
        let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
        assert!(!opening.damage.is_empty());
        assert_eq!(opening.entries, kept);
        assert_eq!(ledger.append(&[known("c", 1)]).unwrap().changed, 1);
    }
}
