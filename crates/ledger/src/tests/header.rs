//! The two numbers of the file's header that say whose it is and of which version: damage to them is damage, and what
//! belongs to others or to a later version stays as it is.

use std::{fs, path::PathBuf};

use rescind_revocation::UnixMillis;
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Cursor, Damage, Ledger, LedgerError, Opening, Origin, Resolved};

const USER_VERSION: usize = 60;
const APPLICATION_ID: usize = 68;

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("ledger.db")
}

fn origin() -> Origin {
    Origin {
        at: UnixMillis(7),
        source: "list".to_owned(),
    }
}

fn filled() -> (TempDir, Cursor) {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for name in ["one", "two"] {
        let group = [known(name, 2_000_000_000)];
        ledger.append_from(&group, &origin()).unwrap();
    }
    ledger.mark_complete(UnixMillis(5)).unwrap();
    let head = ledger.reader().head();
    (directory, head)
}

fn change(directory: &TempDir, sql: &str) {
    let connection = Connection::open(database(directory)).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Opens a ledger of which only the header is damaged: nothing of it is lost.
#[track_caller]
fn check_salvaged(directory: &TempDir, head: Cursor) -> Opening {
    let damaged = fs::read(database(directory)).unwrap();
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    let aside = opening.aside.as_ref().expect("it is kept");
    assert_eq!(fs::read(aside).unwrap(), damaged);
    assert_eq!((opening.entries, opening.complete), (2, false));
    assert_eq!(opening.source_good_at, Some(UnixMillis(5)));
    let reader = ledger.reader();
    assert_eq!(reader.place(head), Resolved::At(2));
    assert_eq!(reader.ledger_id(), head.epoch);
    assert_eq!(reader.origin(2).unwrap(), Some(origin()));
    drop(ledger);
    let (_, again) = Ledger::open(directory.path()).unwrap();
    assert_eq!((again.entries, again.damage), (2, vec![]));
    opening
}

#[test]
fn any_flipped_bit_of_either_number_is_damage_and_costs_nothing() {
    let (whole, head) = filled();
    let bytes = fs::read(database(&whole)).unwrap();
    for at in [USER_VERSION, APPLICATION_ID] {
        for bit in 0..32 {
            let directory = TempDir::new().unwrap();
            let mut bytes = bytes.clone();
            bytes[at + bit / 8] ^= 1 << (bit % 8);
            fs::write(database(&directory), bytes).unwrap();
            let opening = check_salvaged(&directory, head);
            let [Damage::Header { .. }] = opening.damage[..] else {
                panic!("{at} {bit}: {:?}", opening.damage);
            };
        }
    }
}

#[test]
fn damage_to_both_numbers_says_what_was_found() {
    let (directory, head) = filled();
    change(
        &directory,
        "PRAGMA application_id = 255; PRAGMA user_version = 9",
    );
    let opening = check_salvaged(&directory, head);
    assert_eq!(
        opening.damage[0].to_string(),
        "the header: application id is 000000ff and schema version 9, in a ledger of schema version 5"
    );
}

#[test]
fn a_strange_number_over_our_tables_is_damage_also_where_what_they_say_is_damaged() {
    let (directory, head) = filled();
    change(
        &directory,
        "PRAGMA application_id = 255; UPDATE meta SET value = 9 WHERE name = 'horizon' OR name = 'complete'",
    );
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    let [Damage::Header { .. }, Damage::Table { what, .. }] = opening.damage[..] else {
        panic!("{:?}", opening.damage);
    };
    assert_eq!(what, "table meta");
    assert_eq!((opening.entries, opening.complete), (2, false));
    assert_eq!(ledger.reader().place(head), Resolved::At(2));
}

/// What a later program leaves, as far as this one can read it.
fn later() -> TempDir {
    let (directory, _) = filled();
    // Its number in both places, under a checksum that holds.
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.store.as_mut().unwrap().say_version(6).unwrap();
    directory
}

#[track_caller]
fn check_refused(directory: &TempDir, is_expected: impl Fn(&LedgerError) -> bool) {
    let before = fs::read(database(directory)).unwrap();
    for _ in 0..2 {
        let error = Ledger::open(directory.path()).unwrap_err();
        assert!(is_expected(&error), "{error}");
    }
    assert_eq!(fs::read(database(directory)).unwrap(), before);
    assert!(!directory.path().join("damaged-1.db").exists());
}

#[test]
fn a_later_ledger_is_refused_whichever_of_its_numbers_says_so() {
    let is_later = |error: &LedgerError| matches!(error, LedgerError::Later { found: 6, .. });
    for sql in [
        "PRAGMA user_version = 6",
        // A bit has turned: it is the later version's all the same.
        "PRAGMA user_version = 4",
        "PRAGMA user_version = 5; PRAGMA application_id = 255",
    ] {
        let directory = later();
        change(&directory, sql);
        check_refused(&directory, is_later);
    }
}

#[test]
fn a_later_ledger_whose_tables_say_nothing_to_us_is_refused_by_its_header() {
    let (directory, _) = filled();
    change(&directory, "PRAGMA user_version = 6; DROP TABLE meta");
    check_refused(&directory, |error| {
        matches!(error, LedgerError::Later { found: 6, .. })
    });
}

#[test]
fn a_file_of_others_is_refused_whatever_it_is_like() {
    for sql in [
        "CREATE TABLE theirs (a)",
        "CREATE TABLE meta (name, value); INSERT INTO meta VALUES ('complete', 1)",
        "PRAGMA user_version = 5; CREATE TABLE groups (first, last); CREATE TABLE epochs (epoch); CREATE TABLE meta (name, value)",
    ] {
        let directory = TempDir::new().unwrap();
        change(&directory, sql);
        check_refused(&directory, |error| {
            matches!(error, LedgerError::Foreign { .. })
        });
    }
}

/// Zeros over the header's end and the first page's account of its cells: for SQLite a database without a table.
#[test]
fn a_file_without_a_table_is_no_new_ledger() {
    let (directory, _) = filled();
    let mut bytes = fs::read(database(&directory)).unwrap();
    bytes[USER_VERSION..APPLICATION_ID + 4].fill(0);
    bytes[103..105].fill(0);
    fs::write(database(&directory), &bytes).unwrap();
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(matches!(opening.damage[0], Damage::File { .. }));
    assert_eq!((opening.entries, opening.complete), (2, false));
    assert_eq!(ledger.reader().len(), 2);
    assert_eq!(fs::read(opening.aside.unwrap()).unwrap(), bytes);
}
