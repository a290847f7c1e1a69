//! The sweep, the joining of rows, and what both leave in the file.

use rescind_revocation::{Expiry, UnixSeconds};
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::{app, known, token};
use crate::{Ledger, Swept};

fn rows(directory: &TempDir) -> Vec<(i64, i64, i64)> {
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let mut statement = connection
        .prepare("SELECT first, last, length(entries) FROM groups ORDER BY first")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

fn sequences(ledger: &Ledger) -> Vec<u64> {
    let live = ledger.reader().read(0, u64::MAX, usize::MAX);
    live.iter().map(|live| live.sequence).collect()
}

#[test]
fn what_expired_before_the_horizon_is_dropped_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let group = [
        known("a", 5_999),
        known("b", 6_000),
        known("c", 6_001),
        token("d", Expiry::Unknown),
        token("e", Expiry::Never),
        app("f", 1),
    ];
    ledger.append(&group).unwrap();
    let swept = ledger.sweep(UnixSeconds(6_599)).unwrap();
    let horizon = UnixSeconds(6_000);
    assert_eq!(
        swept,
        Swept {
            horizon,
            dropped: 1
        }
    );
    assert_eq!(sequences(&ledger), [2, 3, 4, 5, 6]);
    assert_eq!(ledger.reader().checkpoint().entries, 5);
    // What comes from before the horizon is ignored, and takes no sequence.
    let appended = ledger
        .append(&[known("a", 5_999), known("g", 6_000)])
        .unwrap();
    assert_eq!((appended.head.sequence, appended.changed), (7, 1));
    drop(ledger);
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!((opening.entries, opening.head.sequence), (6, 7));
    assert_eq!(ledger.reader().horizon(), horizon);
    assert_eq!(ledger.sweep(horizon).unwrap().dropped, 0);
}

#[test]
fn the_horizon_goes_back_with_its_clock() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger
        .append(&[known("a", 700), known("b", 9_000)])
        .unwrap();
    assert_eq!(ledger.sweep(UnixSeconds(6_000)).unwrap().dropped, 1);
    ledger.sweep(UnixSeconds(600)).unwrap();
    assert_eq!(sequences(&ledger), [2]);
    drop(ledger);
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.entries, 1);
    assert_eq!(ledger.append(&[known("a", 700)]).unwrap().head.sequence, 3);
    assert_eq!(sequences(&ledger), [2, 3]);
}

#[test]
fn commits_of_one_event_end_as_few_rows() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for n in 0..40 {
        ledger.append(&[known(&format!("token-{n}"), 1)]).unwrap();
    }
    assert_eq!(rows(&directory).len(), 40);
    assert!(ledger.tidy().unwrap());
    assert!(!ledger.tidy().unwrap());
    let [(1, 40, _)] = rows(&directory)[..] else {
        panic!("{:?}", rows(&directory));
    };
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage, []);
    assert_eq!(sequences(&ledger), Vec::from_iter(1..=40));
}

#[test]
fn what_was_dropped_leaves_the_file_and_its_sequences_stay_answered_for() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger
        .append(&[known("aaaa", 1), known("bbbb", 1)])
        .unwrap();
    ledger
        .append(&[known("cccc", 1), known("dddd", 9_000)])
        .unwrap();
    ledger.append(&[known("aaaa", 9_000)]).unwrap();
    ledger.sweep(UnixSeconds(600)).unwrap();
    while ledger.tidy().unwrap() {}
    let [(1, 5, length)] = rows(&directory)[..] else {
        panic!("{:?}", rows(&directory));
    };
    assert!(length < 20, "{length}");
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage, []);
    assert_eq!(sequences(&ledger), [4, 5]);
}

#[test]
fn a_ledger_of_which_everything_expired_comes_to_rest() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for n in 0..5 {
        ledger.append(&[known(&format!("token-{n}"), 1)]).unwrap();
    }
    assert_eq!(ledger.sweep(UnixSeconds(600)).unwrap().dropped, 5);
    while ledger.tidy().unwrap() {}
    assert_eq!(rows(&directory), [(1, 5, 0)]);
    assert_eq!(
        ledger.append(&[known("new", 600)]).unwrap().head.sequence,
        6
    );
    assert_eq!(ledger.reader().checkpoint().entries, 1);
}

#[test]
fn who_asks_for_one_range_gets_one_buffer() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let group: Vec<_> = (0..100).map(|n| known(&format!("token-{n}"), 1)).collect();
    ledger.append(&group).unwrap();
    let reader = ledger.reader();
    let range = reader.read_packed(0, u64::MAX, 1 << 20);
    assert_eq!(
        (range.to, range.entries, range.bytes.len()),
        (100, 100, 5 + 100 * 20)
    );
    let again = ledger.reader().read_packed(0, 100, 1 << 20);
    assert!(std::sync::Arc::ptr_eq(&range, &again));
    // Also when others were read meanwhile.
    for after in 1..20 {
        assert_eq!(
            reader.read_packed(after, 100, 1 << 20).entries,
            100 - after as usize
        );
    }
    let again = reader.read_packed(0, 100, 1 << 20);
    assert!(std::sync::Arc::ptr_eq(&range, &again));
    assert_eq!(reader.read_packed(100, u64::MAX, 1 << 20).entries, 0);
    // Who takes less gets less.
    let little = reader.read_packed(0, 100, 100);
    assert!(little.bytes.len() <= 100 && little.to == 3, "{little:?}");
}
