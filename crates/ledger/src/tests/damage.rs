//! Files that are not as they were written.

use std::{collections::HashSet, fs, path::PathBuf};

use proptest::{collection::vec, prelude::*};
use rescind_revocation::{UnixMillis, UnixSeconds};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    places::{PageSet, Places},
    revocations::known,
};
use crate::{Cursor, Damage, Epoch, Ledger, Opening, Origin, Resolved};

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

/// What a ledger said before it was damaged.
struct Before {
    directory: TempDir,
    groups: Vec<Vec<String>>,
    head: Cursor,
    ledger_id: Epoch,
    places: Places,
    bytes: Vec<u8>,
}

const HORIZON: UnixSeconds = UnixSeconds(1_200_000_000);
const GOOD: UnixMillis = UnixMillis(1_300_000_000_000);

fn origin(group: usize) -> Origin {
    Origin {
        at: UnixMillis(group as u64),
        source: format!("source {}", group % 3),
    }
}

/// Groups of these sizes, from several openings, in a ledger that is complete and has a horizon.
fn before(sizes: &[usize]) -> Before {
    let directory = TempDir::new().unwrap();
    let group = |(at, size): (usize, &usize)| -> Vec<String> {
        (0..*size)
            .map(|n| format!("{at}-{n}-{}", "x".repeat(40)))
            .collect()
    };
    let groups: Vec<_> = sizes.iter().enumerate().map(group).collect();
    let (mut head, mut ledger_id) = (None, None);
    for (at, group) in groups.iter().enumerate() {
        if at % 8 == 0 {
            drop(head.take());
            let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
            ledger.sweep(HORIZON).unwrap();
            ledger.mark_complete(GOOD).unwrap();
            ledger_id.get_or_insert(ledger.reader().ledger_id());
            head = Some(ledger);
        }
        let group: Vec<_> = group
            .iter()
            .map(|name| known(name, 2_000_000_000))
            .collect();
        let ledger = head.as_mut().unwrap();
        ledger.append_from(&group, &origin(at)).unwrap();
    }
    let head = head.take().map(|ledger| ledger.reader().head()).unwrap();
    Before {
        groups,
        head,
        ledger_id: ledger_id.unwrap(),
        places: Places::of(&database(&directory)),
        bytes: fs::read(database(&directory)).unwrap(),
        directory,
    }
}

impl Before {
    /// Puts `garbage` over the file, and says on which pages that changed something.
    fn damage(&self, at: usize, garbage: &[u8]) -> PageSet {
        let mut bytes = self.bytes.clone();
        let end = bytes.len().min(at + garbage.len());
        bytes[at..end].copy_from_slice(&garbage[..end - at]);
        let broken = (at..end).filter(|at| bytes[*at] != self.bytes[*at]);
        let broken = broken.map(|at| at / 4096).collect();
        fs::write(database(&self.directory), bytes).unwrap();
        broken
    }

    /// The names that stand on whole pages alone.
    fn elsewhere(&self, broken: &PageSet) -> HashSet<String> {
        let groups = self.groups.iter().zip(&self.places.groups);
        let whole = groups.filter(|(_, pages)| pages.is_disjoint(broken));
        whole.flat_map(|(group, _)| group.clone()).collect()
    }

    fn is_whole(&self, tables: &[&str], broken: &PageSet) -> bool {
        let pages = |table: &&str| self.places.table(table);
        tables
            .iter()
            .map(pages)
            .all(|pages| pages.is_disjoint(broken))
    }

    /// What holds of a ledger that is opened from a file of which these pages are broken.
    fn check(&self, broken: &PageSet) {
        let (ledger, opening) = Ledger::open(self.directory.path()).unwrap();
        let found: HashSet<_> = names(&ledger).into_iter().collect();
        let all: HashSet<_> = self.groups.iter().flatten().cloned().collect();
        assert!(found.is_subset(&all));
        let lost: Vec<_> = self.elsewhere(broken).difference(&found).cloned().collect();
        assert_eq!(lost, [""; 0], "{broken:?} {:?}", opening.damage);
        assert_eq!(opening.complete, opening.damage.is_empty());
        if opening.damage.is_empty() {
            assert_eq!(found.len(), all.len());
        }
        self.check_facts(&ledger, &opening, broken);
        self.check_origins(&ledger, broken);
        drop(ledger);
        let (ledger, again) = Ledger::open(self.directory.path()).unwrap();
        assert_eq!(again.damage, []);
        assert_eq!(again.complete, opening.complete);
        assert_eq!(names(&ledger).into_iter().collect::<HashSet<_>>(), found);
    }

    fn check_facts(&self, ledger: &Ledger, opening: &Opening, broken: &PageSet) {
        let reader = ledger.reader();
        let place = reader.place(self.head);
        let has_last = self.places.groups.last().unwrap().is_disjoint(broken);
        // Nothing is ever made up of the ledger as a whole, and what stands on whole pages is known.
        assert!([UnixSeconds(0), HORIZON].contains(&reader.horizon()));
        assert!([None, Some(GOOD)].contains(&opening.source_good_at));
        if self.is_whole(&["meta"], broken) {
            let said = (reader.horizon(), opening.source_good_at);
            assert_eq!(said, (HORIZON, Some(GOOD)), "{broken:?}");
        }
        if self.is_whole(&["meta", "epochs"], broken) {
            assert_eq!(reader.ledger_id(), self.ledger_id, "{broken:?}");
            // Where the last group is lost, the ledger may be one that was set back, as far as it knows.
            let at_head = place == Resolved::At(self.head.sequence);
            assert!(
                at_head || !has_last && place == Resolved::Beyond,
                "{place:?} {broken:?}"
            );
        }
    }

    /// It is said rightly when and whence each came, or not at all; and it is said where nothing of that is broken.
    fn check_origins(&self, ledger: &Ledger, broken: &PageSet) {
        let reader = ledger.reader();
        // Only the first page tells how its pages follow each other.
        let is_whole = self.is_whole(&["origins", "sources"], broken) && !broken.contains(&0);
        for live in reader.read(0, u64::MAX, usize::MAX) {
            let name = live.revocation.identifier().as_str();
            let group = name.split('-').next().unwrap().parse().unwrap();
            let said = reader.origin(live.sequence).unwrap();
            if is_whole || said.is_some() {
                assert_eq!(said, Some(origin(group)), "{broken:?} {name}");
            }
        }
    }
}

#[test]
fn any_broken_page_costs_what_stands_on_it_and_makes_nothing_up() {
    let before = before(&[
        9, 40, 1, 200, 9, 9, 120, 9, 1, 60, 9, 9, 9, 150, 9, 30, 9, 9, 9,
    ]);
    for page in 0..before.bytes.len() / 4096 {
        for filling in [0, 0xa5] {
            let broken = before.damage(page * 4096, &[filling; 4096]);
            before.check(&broken);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_costs_more_than_its_pages_or_makes_anything_up(
        at in any::<prop::sample::Index>(),
        in_front in any::<bool>(),
        garbage in vec(any::<u8>(), 1..600),
        sizes in vec(1..60usize, 1..40),
    ) {
        let before = before(&sizes);
        // The first page leads to all others, and the numbers of its header say whose it is.
        let length = if in_front { 4096 } else { before.bytes.len() };
        let broken = before.damage(at.index(length), &garbage);
        before.check(&broken);
    }
}
