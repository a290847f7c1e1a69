//! When and whence entries came, through all that happens to their rows.

use rescind_revocation::{UnixMillis, UnixSeconds};
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Ledger, Origin};

const FAR: u64 = 4_000_000_000;

fn origin(at: u64) -> Origin {
    Origin {
        at: UnixMillis(at),
        source: format!("hub {}", at % 3),
    }
}

fn count(directory: &TempDir) -> i64 {
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let count = connection.query_row("SELECT count(*) FROM origins", [], |row| row.get(0));
    count.unwrap()
}

/// A commit of its own for each, at 1, 2 and so on; every second one expires soon.
fn filled(directory: &TempDir, entries: u64) -> Ledger {
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for n in 1..=entries {
        let expiry = if n % 2 == 0 { 1_000 } else { FAR };
        let group = [known(&format!("token-{n}"), expiry)];
        ledger.append_from(&group, &origin(n)).unwrap();
    }
    ledger
}

#[test]
fn each_entry_says_when_and_whence_it_came() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger
        .append_from(&[known("a", FAR), known("b", FAR)], &origin(1))
        .unwrap();
    ledger.append(&[known("c", FAR)]).unwrap();
    // A repetition changes nothing.
    ledger.append_from(&[known("a", FAR)], &origin(7)).unwrap();
    ledger
        .append_from(&[known("b", FAR + 1)], &origin(2))
        .unwrap();
    let reader = ledger.reader();
    let said: Vec<_> = (0..=4).map(|at| reader.origin(at).unwrap()).collect();
    assert_eq!(
        said,
        [
            None,
            Some(origin(1)),
            Some(origin(1)),
            None,
            Some(origin(2))
        ]
    );
}

#[test]
fn joining_rows_keeps_what_is_live_and_forgets_the_rest() {
    let directory = TempDir::new().unwrap();
    let mut ledger = filled(&directory, 64);
    while ledger.tidy().unwrap() {}
    assert_eq!(count(&directory), 64);
    assert_eq!(ledger.sweep(UnixSeconds(6_000)).unwrap().dropped, 32);
    for n in 1..=16 {
        let group = [known(&format!("more-{n}"), FAR)];
        ledger.append_from(&group, &origin(100 + n)).unwrap();
    }
    while ledger.tidy().unwrap() {}
    assert_eq!(count(&directory), 32 + 16);
    drop(ledger);
    let (ledger, _) = Ledger::open(directory.path()).unwrap();
    let reader = ledger.reader();
    for n in (1..=63).step_by(2) {
        assert_eq!(reader.origin(n).unwrap(), Some(origin(n)), "{n}");
    }
    for n in 1..=16 {
        assert_eq!(reader.origin(64 + n).unwrap(), Some(origin(100 + n)));
    }
}

#[test]
fn a_salvaged_ledger_has_them_still() {
    let directory = TempDir::new().unwrap();
    drop(filled(&directory, 9));
    let path = directory.path().join("ledger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = b"token-5";
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage.len(), 1);
    ledger.append(&[known("later", FAR)]).unwrap();
    let reader = ledger.reader();
    for live in reader.read(0, 9, 100) {
        let sequence = live.sequence;
        assert_eq!(reader.origin(sequence).unwrap(), Some(origin(sequence)));
    }
    assert_eq!(reader.origin(10).unwrap(), None);
}

#[test]
fn an_origin_that_is_not_what_was_written_says_nothing() {
    let directory = TempDir::new().unwrap();
    let ledger = filled(&directory, 3);
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute_batch("UPDATE origins SET at = at + 1 WHERE first = 2")
        .unwrap();
    let reader = ledger.reader();
    let said: Vec<_> = (1..=3).map(|at| reader.origin(at).unwrap()).collect();
    assert_eq!(said, [Some(origin(1)), None, Some(origin(3))]);
}

/// The last rows are gone from the file, and what was said of their coming is not.
#[test]
fn what_is_said_of_lost_sequences_is_not_said_of_those_that_get_their_numbers() {
    let directory = TempDir::new().unwrap();
    drop(filled(&directory, 9));
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute_batch(
            "DELETE FROM groups WHERE first > 5;
             UPDATE groups SET checksum = checksum + 1 WHERE first = 2",
        )
        .unwrap();
    drop(connection);
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage.len(), 1);
    let appended = ledger.append_from(&[known("later", FAR), known("last", FAR)], &origin(50));
    assert_eq!(appended.unwrap().head.sequence, 7);
    let reader = ledger.reader();
    let said: Vec<_> = (5..=7).map(|at| reader.origin(at).unwrap()).collect();
    assert_eq!(said, [Some(origin(5)), Some(origin(50)), Some(origin(50))]);
}
