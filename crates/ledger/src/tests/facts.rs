//! Bits that turn in what a file says of its ledger as a whole: whole rows, with values that were never written.

use rescind_revocation::{UnixMillis, UnixSeconds};
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Cursor, Damage, Ledger, Opening, Resolved};

/// A ledger with two entries, opened twice, in which `sql` has then changed something.
fn changed(is_complete: bool, sql: &str) -> (TempDir, Cursor) {
    let directory = TempDir::new().unwrap();
    for name in ["one", "two"] {
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        ledger.append(&[known(name, 2_000_000_000)]).unwrap();
        if is_complete {
            ledger.mark_complete(UnixMillis(1)).unwrap();
        }
    }
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!((opening.complete, opening.damage), (is_complete, vec![]));
    drop(ledger);
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    assert!(connection.execute(sql, []).unwrap() > 0, "{sql}");
    (directory, opening.head)
}

fn opened(directory: &TempDir, table: &str) -> (Ledger, Opening) {
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    let [Damage::Table { what, .. }] = &opening.damage[..] else {
        panic!("{:?}", opening.damage);
    };
    assert_eq!(*what, table);
    assert!(opening.aside.is_some());
    assert_eq!((opening.entries, opening.complete), (2, false));
    (ledger, opening)
}

#[test]
fn nothing_that_meta_never_said_is_believed() {
    for (is_complete, sql) in [
        (false, "INSERT OR REPLACE INTO meta VALUES ('complete', 1)"),
        (
            true,
            "INSERT OR REPLACE INTO meta VALUES ('horizon', 4000000000)",
        ),
        (
            true,
            "UPDATE meta SET value = 2 WHERE name = 'source_good_at'",
        ),
        (true, "DELETE FROM meta WHERE name = 'complete'"),
        (true, "DELETE FROM meta WHERE name = 'checksum of meta'"),
    ] {
        let (directory, head) = changed(is_complete, sql);
        let (ledger, opening) = opened(&directory, "table meta");
        assert_eq!(opening.source_good_at, None, "{sql}");
        assert_eq!(ledger.reader().horizon(), UnixSeconds(0), "{sql}");
        assert_eq!(ledger.reader().place(head), Resolved::At(2), "{sql}");
    }
}

#[test]
fn a_commit_to_one_table_does_not_bless_the_other() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for name in ["one", "two"] {
        ledger.append(&[known(name, 2_000_000_000)]).unwrap();
    }
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let sql = "UPDATE epochs SET first = first + 1";
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
    drop(connection);
    ledger.mark_complete(UnixMillis(1)).unwrap();
    drop(ledger);
    opened(&directory, "table epochs");
}

#[test]
fn no_cursor_is_taken_for_another_place() {
    for sql in [
        "UPDATE epochs SET epoch = epoch + 1 WHERE opening = 1",
        "UPDATE epochs SET first = first + 1 WHERE opening = 2",
        "UPDATE epochs SET last = NULL",
        "DELETE FROM epochs WHERE opening = 1",
        "DELETE FROM meta WHERE name = 'checksum of epochs'",
    ] {
        let (directory, head) = changed(true, sql);
        let (mut ledger, _) = opened(&directory, "table epochs");
        assert_eq!(ledger.reader().place(head), Resolved::Unknown, "{sql}");
        let appended = ledger.append(&[known("three", 2_000_000_000)]).unwrap();
        assert_eq!(appended.head.sequence, 3, "{sql}");
        drop(ledger);
        let (_, opening) = Ledger::open(directory.path()).unwrap();
        assert_eq!((opening.entries, opening.damage), (3, vec![]), "{sql}");
    }
}
