//! Files of which pages are gone or broken: every group that stands on the other pages is there still.

use std::{collections::HashSet, fs, path::PathBuf};

use rescind_revocation::UnixMillis;
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Cursor, Damage, Ledger, Opening, Resolved};

const PAGE: usize = 4096;
/// Some of them reach over several pages.
const SIZES: [usize; 12] = [9, 300, 9, 9, 40, 9, 300, 40, 9, 9, 300, 9];

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("ledger.db")
}

fn group(number: usize, size: usize) -> Vec<String> {
    (0..size)
        .map(|n| format!("{number}-{n}-{}", "x".repeat(40)))
        .collect()
}

/// A group of each size, many times over, so that the table has interior pages.
fn groups() -> Vec<Vec<String>> {
    let sizes = SIZES.iter().cycle().take(36);
    sizes.enumerate().map(|(n, size)| group(n, *size)).collect()
}

fn fill(directory: &TempDir) -> Cursor {
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for group in groups() {
        let group: Vec<_> = group.iter().map(|name| known(name, 5)).collect();
        ledger.append(&group).unwrap();
    }
    ledger.mark_complete(UnixMillis(1)).unwrap();
    ledger.reader().head()
}

/// Opens a directory with this file in it. What is found, and that a second opening finds the same in a whole file.
fn open(bytes: &[u8]) -> (TempDir, Opening, HashSet<String>) {
    let directory = TempDir::new().unwrap();
    fs::write(database(&directory), bytes).unwrap();
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    let found = names(&ledger);
    drop(ledger);
    let (ledger, again) = Ledger::open(directory.path()).unwrap();
    assert_eq!(again.damage, []);
    assert_eq!(names(&ledger), found);
    (directory, opening, found)
}

fn names(ledger: &Ledger) -> HashSet<String> {
    let live = ledger.reader().read(0, u64::MAX, usize::MAX);
    let name = |live: &crate::Live| live.revocation.identifier().as_str().to_owned();
    live.iter().map(name).collect()
}

/// The groups of which no part stands on any of these pages; what was moved has left an old copy behind.
fn elsewhere(bytes: &[u8], is_broken: impl Fn(usize) -> bool) -> HashSet<String> {
    let mut groups = groups();
    for at in 1..bytes.len() - 4 {
        if &bytes[at..at + 4] != b"xxxx" || bytes[at - 1] != b'-' {
            continue;
        }
        let before = String::from_utf8_lossy(&bytes[at.saturating_sub(8)..at - 1]).into_owned();
        let Some(number) = before.rsplit('-').nth(1) else {
            continue;
        };
        let digits = number.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        if let Ok(number) = digits.parse::<usize>()
            && [at - 8, at + 40].iter().any(|at| is_broken(at / PAGE))
        {
            groups[number].clear();
        }
    }
    groups.into_iter().flatten().collect()
}

#[track_caller]
fn check(bytes: &[u8], broken: &[u8], is_broken: impl Fn(usize) -> bool) {
    let (directory, opening, found) = open(broken);
    let all: HashSet<_> = groups().into_iter().flatten().collect();
    assert!(found.is_subset(&all));
    assert!(!opening.damage.is_empty());
    assert!(!opening.complete);
    assert_eq!(
        fs::read(directory.path().join("damaged-1.db")).unwrap(),
        broken
    );
    let lost: Vec<_> = elsewhere(bytes, is_broken)
        .difference(&found)
        .cloned()
        .collect();
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), opening.damage);
}

#[test]
fn one_broken_page_costs_what_stands_on_it() {
    let directory = TempDir::new().unwrap();
    fill(&directory);
    let bytes = fs::read(database(&directory)).unwrap();
    for page in 1..bytes.len() / PAGE {
        let mut broken = bytes.clone();
        broken[page * PAGE..(page + 1) * PAGE].fill(0xa5);
        check(&bytes, &broken, |at| at == page);
    }
}

#[test]
fn a_file_that_was_cut_keeps_what_is_left_of_it() {
    let directory = TempDir::new().unwrap();
    let head = fill(&directory);
    let bytes = fs::read(database(&directory)).unwrap();
    for page in 1..bytes.len() / PAGE {
        let cut = page * PAGE;
        check(&bytes, &bytes[..cut], |at| at >= page);
        if page % 5 == 0 {
            check(&bytes, &bytes[..cut + 1000], |at| at >= page);
        }
    }
    let last = bytes.len() - PAGE;
    let (directory, opening, found) = open(&bytes[..last]);
    assert!(found.len() > 2_500, "{}", found.len());
    let reason = opening.damage[0].to_string();
    assert!(reason.starts_with("the file: "), "{reason}");
    // It is the same ledger still.
    let (ledger, _) = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.reader().ledger_id(), head.epoch);
}

#[test]
fn a_broken_header_costs_no_group() {
    let directory = TempDir::new().unwrap();
    fill(&directory);
    let bytes = fs::read(database(&directory)).unwrap();
    let all: HashSet<_> = groups().into_iter().flatten().collect();
    let table = bytes
        .windows(12)
        .position(|window| window == b"TABLE groups")
        .unwrap();
    for at in [
        0,
        5,
        16,
        17,
        18,
        28,
        29,
        30,
        31,
        56,
        100,
        104,
        table,
        table + 20,
    ] {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            let (_, opening, found) = open(&broken);
            assert_eq!(found, all, "{at} {bit}: {:?}", opening.damage);
        }
    }
}

#[test]
fn an_empty_file_is_damage_and_its_log_is_read() {
    for gone in [false, true] {
        let directory = TempDir::new().unwrap();
        fill(&directory);
        // As a killed process leaves it: the last commits stand in the log alone.
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        let last = ledger.append(&[known("last", 5)]).unwrap().head;
        let log = fs::read(directory.path().join("ledger.db-wal")).unwrap();
        drop(ledger);
        assert!(!log.is_empty());

        let cut = TempDir::new().unwrap();
        if !gone {
            fs::write(database(&cut), "").unwrap();
        }
        fs::write(cut.path().join("ledger.db-wal"), &log).unwrap();
        let (ledger, opening) = Ledger::open(cut.path()).unwrap();
        assert!(names(&ledger).contains("last"));
        assert!(matches!(opening.damage[0], Damage::File { .. }));
        assert_eq!(opening.aside, Some(cut.path().join("damaged-1.db")));
        assert_eq!(fs::read(cut.path().join("damaged-1.db-wal")).unwrap(), log);
        // Its sequence is not given out again.
        assert!(opening.head.sequence >= last.sequence);
        assert!(!opening.complete);
        assert_ne!(ledger.reader().place(last), Resolved::Beyond);
    }
}

#[test]
fn an_empty_file_alone_is_told_and_kept() {
    let directory = TempDir::new().unwrap();
    fill(&directory);
    fs::write(database(&directory), "").unwrap();
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(matches!(opening.damage[..], [Damage::File { .. }]));
    assert!(opening.aside.unwrap().exists());
    assert!(ledger.reader().is_empty());
}

#[test]
fn a_ledger_that_was_never_finished_is_made_again() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("creating.db"), "").unwrap();
    fs::write(directory.path().join("creating.db-wal"), "half").unwrap();
    let (_, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!((opening.damage, opening.aside), (vec![], None));
}

#[test]
fn what_a_page_holds_that_the_index_misses_is_found() {
    let directory = TempDir::new().unwrap();
    fill(&directory);
    let connection = Connection::open(database(&directory)).unwrap();
    let root: i64 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'groups'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    let bytes = fs::read(database(&directory)).unwrap();
    let mut broken = bytes.clone();
    let root = usize::try_from(root).unwrap() - 1;
    broken[root * PAGE..(root + 1) * PAGE].fill(0);
    let all: HashSet<_> = groups().into_iter().flatten().collect();
    assert_eq!(open(&broken).2, all);
}
