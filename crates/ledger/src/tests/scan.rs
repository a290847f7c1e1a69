//! What a file that SQLite cannot open says of its ledger as a whole, and of when and whence things came.

use std::{fs, path::PathBuf};

use rescind_revocation::{UnixMillis, UnixSeconds};
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Cursor, Epoch, Ledger, Opening, Origin, Resolved};

const PAGE: usize = 4096;
const HORIZON: UnixSeconds = UnixSeconds(1_200_000_000);
const GOOD: UnixMillis = UnixMillis(1_300_000_000_000);
const OPENINGS: u64 = 300;

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("ledger.db")
}

fn origin(sequence: u64) -> Origin {
    Origin {
        at: UnixMillis(1_710_000_000_000 + sequence),
        source: format!("event hub amqp://broker-{}:5672/", sequence % 2),
    }
}

/// A ledger of so many openings, each with one commit of two entries.
fn filled(openings: u64) -> (TempDir, Cursor, Epoch) {
    let directory = TempDir::new().unwrap();
    let mut first = None;
    let mut head = None;
    for n in 0..openings {
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        first.get_or_insert(ledger.reader().ledger_id());
        if n == 0 {
            ledger.sweep(HORIZON).unwrap();
            ledger.mark_complete(GOOD).unwrap();
        }
        let group = ["a", "b"].map(|name| known(&format!("{name}-{n}"), 2_000_000_000));
        ledger.append_from(&group, &origin(2 * n + 1)).unwrap();
        head = Some(ledger.reader().head());
    }
    (directory, head.unwrap(), first.unwrap())
}

fn change(directory: &TempDir, sql: &str) {
    let connection = Connection::open(database(directory)).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// Breaks the first page: no database for SQLite.
fn break_first_page(directory: &TempDir) {
    let mut bytes = fs::read(database(directory)).unwrap();
    bytes[..PAGE].fill(0xa5);
    fs::write(database(directory), bytes).unwrap();
}

/// Breaks the size of a page in the header: SQLite takes it for no database, and its tables can be found.
fn break_page_size(directory: &TempDir) {
    let mut bytes = fs::read(database(directory)).unwrap();
    bytes[16] ^= 1;
    fs::write(database(directory), bytes).unwrap();
}

fn opened(directory: &TempDir) -> (Ledger, Opening) {
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(!opening.damage.is_empty());
    assert!(!opening.complete);
    (ledger, opening)
}

#[test]
fn it_is_the_same_ledger_without_its_first_page_however_many_openings_it_had() {
    for openings in [1, 2, OPENINGS] {
        let (directory, head, first) = filled(openings);
        break_first_page(&directory);
        let (ledger, opening) = opened(&directory);
        let reader = ledger.reader();
        assert_eq!(opening.entries as u64, 2 * openings);
        assert_eq!(reader.ledger_id(), first, "{openings}");
        assert_eq!(reader.place(head), Resolved::At(2 * openings));
        assert_eq!(reader.horizon(), HORIZON);
        assert_eq!(opening.source_good_at, Some(GOOD));
    }
}

#[test]
fn nothing_of_it_is_believed_without_its_checksum() {
    for break_file in [break_first_page, break_page_size] {
        for sql in [
            "UPDATE epochs SET first = first + 1 WHERE opening = 2",
            "UPDATE epochs SET last = last + 1 WHERE opening = 1",
            "DELETE FROM epochs WHERE opening = 1",
            "DELETE FROM meta WHERE name = 'checksum of epochs'",
        ] {
            let (directory, head, _) = filled(3);
            change(&directory, sql);
            break_file(&directory);
            let (ledger, opening) = opened(&directory);
            assert_eq!(opening.entries, 6, "{sql}");
            assert_eq!(ledger.reader().place(head), Resolved::Unknown, "{sql}");
        }
        for sql in [
            "UPDATE meta SET value = value + 600 WHERE name = 'horizon'",
            "UPDATE meta SET name = 'horizon ' WHERE name = 'horizon'",
        ] {
            let (directory, _, _) = filled(3);
            change(&directory, sql);
            break_file(&directory);
            let (ledger, opening) = opened(&directory);
            assert_eq!(ledger.reader().horizon(), UnixSeconds(0), "{sql}");
            assert_eq!(opening.source_good_at, None, "{sql}");
        }
    }
}

fn said(ledger: &Ledger, sequences: u64) -> Vec<Option<Origin>> {
    let reader = ledger.reader();
    let said = (1..=sequences).map(|sequence| reader.origin(sequence).unwrap());
    said.collect()
}

#[test]
fn it_is_still_said_when_and_whence_each_came() {
    let (directory, _, _) = filled(OPENINGS);
    break_page_size(&directory);
    let (ledger, _) = opened(&directory);
    for (at, said) in said(&ledger, 2 * OPENINGS).into_iter().enumerate() {
        let first = at as u64 / 2 * 2 + 1;
        assert_eq!(said, Some(origin(first)), "{at}");
    }
}

/// Without the first page nobody knows how the pages follow each other: of the last row of each, how far it reaches.
#[test]
fn without_the_first_page_it_is_said_of_all_but_the_ends_of_pages() {
    let (directory, _, _) = filled(OPENINGS);
    let rows = fs::metadata(database(&directory)).unwrap().len();
    break_first_page(&directory);
    let (ledger, _) = opened(&directory);
    let mut unsaid = 0;
    for (at, said) in said(&ledger, 2 * OPENINGS).into_iter().enumerate() {
        let first = at as u64 / 2 * 2 + 1;
        match said {
            None => unsaid += 1,
            said => assert_eq!(said, Some(origin(first)), "{at}"),
        }
    }
    assert!((1..rows / PAGE as u64).contains(&unsaid), "{unsaid}");
}

#[test]
fn a_row_that_is_not_what_was_written_ends_the_one_before_it() {
    for sql in [
        "UPDATE origins SET at = at + 1 WHERE first = 5",
        "UPDATE origins SET first = 6 WHERE first = 5",
    ] {
        let (directory, _, _) = filled(5);
        change(&directory, sql);
        break_page_size(&directory);
        let (ledger, _) = opened(&directory);
        let firsts = [
            Some(1),
            Some(1),
            Some(3),
            None,
            None,
            None,
            Some(7),
            Some(7),
            Some(9),
            Some(9),
        ];
        let expected = firsts.map(|first| first.map(origin));
        assert_eq!(said(&ledger, 10), expected, "{sql}");
    }
}

/// The page's account of its rows leaves out the last: none of them is sure to reach to the next.
#[test]
fn where_a_page_may_miss_a_row_each_answers_for_its_first_sequence_alone() {
    let (directory, _, _) = filled(5);
    let connection = Connection::open(database(&directory)).unwrap();
    let root: u32 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'origins'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    let mut bytes = fs::read(database(&directory)).unwrap();
    let page = (root as usize - 1) * PAGE;
    assert_eq!(bytes[page + 3..page + 5], [0, 5]);
    bytes[page + 4] = 4;
    fs::write(database(&directory), bytes).unwrap();
    let (ledger, _) = opened(&directory);
    let firsts = [
        Some(1),
        None,
        Some(3),
        None,
        Some(5),
        None,
        Some(7),
        None,
        None,
        None,
    ];
    assert_eq!(said(&ledger, 10), firsts.map(|first| first.map(origin)));
}
