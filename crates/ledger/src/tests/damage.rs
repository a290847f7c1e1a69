//! Files that are not as they were written.

use std::{collections::HashSet, fs, path::PathBuf};

use proptest::{collection::vec, prelude::*};
use rescind_revocation::UnixMillis;
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::known;
use crate::{Damage, Ledger, LedgerError, Resolved};

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("ledger.db")
}

/// Three groups of two, complete, all of it in the database file. Returns the head.
fn filled(directory: &TempDir) -> crate::Cursor {
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for pair in [["aaaa", "bbbb"], ["cccc", "dddd"], ["eeee", "ffff"]] {
        ledger.append(&pair.map(|name| known(name, 1))).unwrap();
    }
    ledger.mark_complete(UnixMillis(1)).unwrap();
    ledger.reader().head()
}

fn flip(directory: &TempDir, needle: &str) {
    let mut bytes = fs::read(database(directory)).unwrap();
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle.as_bytes())
        .unwrap();
    bytes[at] ^= 1;
    fs::write(database(directory), bytes).unwrap();
}

fn names(ledger: &Ledger) -> Vec<String> {
    let live = ledger.reader().read(0, u64::MAX, usize::MAX);
    let name = |entry: &crate::Live| entry.revocation.identifier().as_str().to_owned();
    live.iter().map(name).collect()
}

#[test]
fn a_flipped_bit_costs_its_group_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let head = filled(&directory);
    flip(&directory, "cccc");
    let damaged = fs::read(database(&directory)).unwrap();

    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    let [
        damage @ Damage::Checksum {
            first: 3, last: 4, ..
        },
    ] = &opening.damage[..]
    else {
        panic!("{:?}", opening.damage);
    };
    assert!(damage.to_string().starts_with("group 3-4: checksum is "));
    assert!(!opening.complete);
    assert_eq!(opening.entries, 4);
    let aside = directory.path().join("damaged-1.db");
    assert_eq!(opening.aside.as_ref(), Some(&aside));
    assert_eq!(fs::read(&aside).unwrap(), damaged);

    assert_eq!(names(&ledger), ["aaaa", "bbbb", "eeee", "ffff"]);
    assert_eq!(ledger.reader().ledger_id(), head.epoch);
    assert_eq!(ledger.reader().place(head), Resolved::At(6));
    let appended = ledger.append(&[known("cccc", 1)]).unwrap();
    assert_eq!((appended.head.sequence, appended.changed), (7, 1));
    // What is written anew from here on are the rows of the fresh file.
    for n in 0..20 {
        ledger.append(&[known(&format!("more-{n}"), 1)]).unwrap();
    }
    while ledger.tidy().unwrap() {}
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!((opening.damage, opening.aside), (vec![], None));
    let held = names(&ledger);
    assert_eq!(held[..5], ["aaaa", "bbbb", "eeee", "ffff", "cccc"]);
    assert_eq!(held.len(), 25);
}

#[test]
fn the_sequences_of_a_damaged_last_group_are_not_given_out_again() {
    let directory = TempDir::new().unwrap();
    let head = filled(&directory);
    flip(&directory, "ffff");
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.head.sequence, 6);
    assert_eq!(ledger.reader().place(head), Resolved::At(6));
    assert_eq!(ledger.append(&[known("gggg", 1)]).unwrap().head.sequence, 7);
}

#[test]
fn a_group_that_is_not_there_shows() {
    let directory = TempDir::new().unwrap();
    filled(&directory);
    let connection = Connection::open(database(&directory)).unwrap();
    connection
        .execute_batch("DELETE FROM groups WHERE first = 3")
        .unwrap();
    drop(connection);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage, [Damage::Missing { first: 3, last: 4 }]);
    assert!(!opening.complete);
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage, []);
    assert_eq!(names(&ledger), ["aaaa", "bbbb", "eeee", "ffff"]);
}

#[test]
fn a_file_that_is_no_database_is_kept_aside() {
    let directory = TempDir::new().unwrap();
    filled(&directory);
    fs::write(database(&directory), "not a database, by far".repeat(100)).unwrap();
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(matches!(opening.damage[..], [Damage::File { .. }]));
    assert!(opening.aside.unwrap().exists());
    assert!(ledger.reader().is_empty());
}

#[test]
fn a_salvage_that_was_cut_short_is_finished_or_begun_again() {
    let directory = TempDir::new().unwrap();
    filled(&directory);
    // Cut before the fresh file was whole:
    fs::write(directory.path().join("salvaging.db"), "half a page").unwrap();
    flip(&directory, "aaaa");
    drop(Ledger::open(directory.path()).unwrap());
    // Cut after it was whole, and before it took the ledger's place:
    fs::rename(database(&directory), directory.path().join("salvaged.db")).unwrap();
    fs::write(database(&directory), "what was damaged").unwrap();
    fs::write(directory.path().join("ledger.db-wal"), "and its log").unwrap();
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage, []);
    assert_eq!(opening.aside, Some(directory.path().join("damaged-2.db")));
    assert_eq!(
        fs::read(directory.path().join("damaged-2.db-wal")).unwrap(),
        b"and its log"
    );
    assert_eq!(names(&ledger), ["cccc", "dddd", "eeee", "ffff"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_makes_up_an_entry_or_a_panic(
        at in any::<prop::sample::Index>(),
        garbage in vec(any::<u8>(), 1..600),
        groups in 1..60usize,
    ) {
        let directory = TempDir::new().unwrap();
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        let all: Vec<Vec<_>> = (0..groups)
            .map(|group| (0..9).map(|n| format!("{group}-{n}-{}", "x".repeat(40))).collect())
            .collect();
        for group in &all {
            let group: Vec<_> = group.iter().map(|name| known(name, 5)).collect();
            ledger.append(&group).unwrap();
        }
        drop(ledger);
        let mut bytes = fs::read(database(&directory)).unwrap();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + garbage.len());
        let changed = bytes[at..end] != garbage[..end - at];
        bytes[at..end].copy_from_slice(&garbage[..end - at]);
        fs::write(database(&directory), bytes).unwrap();

        match Ledger::open(directory.path()) {
            Ok((ledger, opening)) => {
                let known: HashSet<_> = all.iter().flatten().cloned().collect();
                let found = names(&ledger);
                if !opening.damage.is_empty() {
                    drop(ledger);
                    let (ledger, again) = Ledger::open(directory.path()).unwrap();
                    prop_assert_eq!(again.damage, []);
                    prop_assert_eq!(&names(&ledger), &found);
                }
                prop_assert!(found.iter().all(|name| known.contains(name)));
                prop_assert!(found.len() == known.len() || changed && !opening.damage.is_empty());
            }
            // The page that says which program and version the file is of.
            Err(LedgerError::Later { .. } | LedgerError::Foreign { .. }) => prop_assert!(at < 100),
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }
}
