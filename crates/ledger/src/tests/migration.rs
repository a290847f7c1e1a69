//! Files of an older form.

use rescind_revocation::{Expiry, Revocation, UnixMillis, UnixSeconds};
use rusqlite::Connection;
use tempfile::TempDir;

use super::revocations::{app, doubted, known, subject, token};
use crate::{Cursor, Epoch, Ledger, Opening, Origin, Resolved, store::read_unwritable};

fn made_by(sql: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection.execute_batch(sql).unwrap();
    directory
}

fn first_form() -> TempDir {
    made_by(include_str!("files/first_form.sql"))
}

/// The fourth form had checksums of `meta` and `epochs`, and did not say its number in `meta`.
fn fourth_form() -> TempDir {
    made_by(include_str!("files/fourth_form.sql"))
}

fn schema_version(directory: &TempDir) -> i64 {
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// The version as `meta` says it.
fn said_version(directory: &TempDir) -> Option<i64> {
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .query_row(
            "SELECT max(value) FROM meta WHERE name = 'schema version'",
            [],
            |row| row.get(0),
        )
        .unwrap()
}

/// Keeps everyone else from writing.
fn blocked(directory: &TempDir) -> Connection {
    let blocker = Connection::open(directory.path().join("ledger.db")).unwrap();
    // The log is there already, so that the opening needs no lock of its own to make it.
    blocker
        .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    blocker
}

fn live(ledger: &Ledger) -> Vec<(u64, Revocation)> {
    let live = ledger.reader().read(0, u64::MAX, usize::MAX);
    let entry = |live: crate::Live| (live.sequence, live.revocation);
    live.into_iter().map(entry).collect()
}

#[test]
fn a_file_of_the_first_form_is_read_and_raised() {
    let directory = first_form();
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage, []);
    assert!(opening.complete);
    assert_eq!(opening.source_good_at, Some(UnixMillis(1_710_000_000_000)));
    let expected = [
        (
            1,
            known("4e330dbd-75c6-4ab5-a749-b9497aa3521a", 1_800_000_000),
        ),
        (3, app("key", 1_710_000_000_000)),
        (4, subject("someone", "USER_ID", 1_710_000_000_001)),
        (5, token("opaque", Expiry::Never)),
        (6, token("far", Expiry::Never)),
        (7, known("last", 1000)),
    ];
    assert_eq!(live(&ledger), expected);
    for (sequence, epoch, resolved) in [
        (6, 795_290_542, Resolved::At(6)),
        (7, 795_290_542, Resolved::Beyond),
        (7, 1_368_979_995, Resolved::At(7)),
    ] {
        let epoch = Epoch(epoch);
        assert_eq!(ledger.reader().place(Cursor { sequence, epoch }), resolved);
    }
    assert_eq!(ledger.reader().horizon(), UnixSeconds(0));
    assert_eq!(schema_version(&directory), 5);

    let far = 4_000_000_000_000;
    let new = doubted(app("key", 1_720_000_000_000), far);
    let appended = ledger.append(std::slice::from_ref(&new)).unwrap();
    assert_eq!(appended.head.sequence, 8);
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.damage, []);
    assert_eq!(live(&ledger).last(), Some(&(8, new)));
}

#[test]
fn a_file_of_the_first_form_that_cannot_be_written_is_served_as_it_is() {
    let directory = first_form();
    let blocker = blocked(&directory);
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(opening.unwritable.is_some());
    assert_eq!(opening.entries, 6);
    drop(blocker);
    assert_eq!(schema_version(&directory), 1);
    ledger.append(&[known("new", 1)]).unwrap();
    assert_eq!(schema_version(&directory), 5);
}

/// The second form had a horizon, and no origins.
fn second_form() -> TempDir {
    let directory = first_form();
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA user_version = 2;
             INSERT INTO meta VALUES('horizon',600);",
        )
        .unwrap();
    directory
}

#[test]
fn files_of_both_older_forms_say_nothing_of_origins_and_take_them_from_then_on() {
    for directory in [first_form(), second_form()] {
        let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
        assert_eq!(opening.damage, []);
        let reader = ledger.reader();
        for sequence in 1..=8 {
            assert_eq!(reader.origin(sequence).unwrap(), None);
        }
        let origin = Origin {
            at: UnixMillis(1_720_000_000_000),
            source: "list https://apim:9443/".to_owned(),
        };
        ledger
            .append_from(&[known("new", 2_000_000_000)], &origin)
            .unwrap();
        assert_eq!(reader.origin(8).unwrap(), Some(origin.clone()));
        assert_eq!(reader.origin(7).unwrap(), None);
        assert_eq!(schema_version(&directory), 5);
        drop(ledger);
        let (ledger, opening) = Ledger::open(directory.path()).unwrap();
        assert_eq!(opening.damage, []);
        assert_eq!(ledger.reader().origin(8).unwrap(), Some(origin));
    }
}

/// All that `fourth_form` holds, the head aside.
#[track_caller]
fn holds_the_fourth_form(ledger: &Ledger, opening: &Opening) {
    assert_eq!((&opening.damage[..], &opening.aside), (&[][..], &None));
    assert!(opening.complete);
    assert_eq!(opening.source_good_at, Some(UnixMillis(1_720_000_060_000)));
    let reader = ledger.reader();
    assert_eq!(reader.horizon(), UnixSeconds(1_699_999_800));
    let expected = [
        (
            1,
            known("4e330dbd-75c6-4ab5-a749-b9497aa3521a", 1_800_000_000),
        ),
        (3, app("key", 1_710_000_000_000)),
        (4, subject("someone", "USER_ID", 1_710_000_000_001)),
        (5, token("opaque", Expiry::Never)),
        (
            6,
            doubted(app("other", 1_720_000_000_000), 4_000_000_000_000),
        ),
        (7, known("last", 2_000_000_000)),
    ];
    assert_eq!(live(ledger)[..6], expected);
    for (sequence, epoch, resolved) in [
        (4, 956_770_620, Resolved::At(4)),
        (5, 956_770_620, Resolved::Beyond),
        (7, 3_295_515_105, Resolved::At(7)),
    ] {
        let epoch = Epoch(epoch);
        assert_eq!(reader.place(Cursor { sequence, epoch }), resolved);
    }
    for (sequence, source) in [
        (1, Some("list https://apim:9443/")),
        (3, Some("hub")),
        (6, Some("hub")),
        (7, None),
    ] {
        let origin = source.map(|source| Origin {
            at: UnixMillis(1_720_000_000_000),
            source: source.to_owned(),
        });
        assert_eq!(reader.origin(sequence).unwrap(), origin, "{sequence}");
    }
}

#[test]
fn a_file_of_the_fourth_form_is_read_and_raised_and_nothing_of_it_is_lost() {
    let directory = fourth_form();
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    holds_the_fourth_form(&ledger, &opening);
    let new = known("new", 2_000_000_000);
    let appended = ledger.append(std::slice::from_ref(&new)).unwrap();
    assert_eq!(appended.head.sequence, 8);
    drop(ledger);
    assert_eq!(schema_version(&directory), 5);
    assert_eq!(said_version(&directory), Some(5));
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    holds_the_fourth_form(&ledger, &opening);
    assert_eq!(live(&ledger).last(), Some(&(8, new)));
    assert_eq!(
        ledger.reader().place(appended.head),
        Resolved::At(8),
        "its epoch is kept"
    );
}

#[test]
fn a_file_of_the_fourth_form_that_cannot_be_written_is_served_as_it_is() {
    let directory = fourth_form();
    let blocker = blocked(&directory);
    let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(opening.unwritable.is_some());
    holds_the_fourth_form(&ledger, &opening);
    drop(blocker);
    assert_eq!(
        (schema_version(&directory), said_version(&directory)),
        (4, None)
    );
    ledger.append(&[known("new", 2_000_000_000)]).unwrap();
    assert_eq!(schema_version(&directory), 5);
    drop(ledger);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.unwritable, None);
    holds_the_fourth_form(&ledger, &opening);
}

#[test]
fn a_file_of_the_fourth_form_in_a_directory_that_cannot_be_written_is_whole_too() {
    let directory = fourth_form();
    let contents = read_unwritable(&directory.path().join("ledger.db")).unwrap();
    assert_eq!(contents.damage, []);
    assert!(contents.complete);
    assert_eq!((contents.head, contents.log.len()), (7, 6));
    assert_eq!(contents.epochs.len(), 2);
    assert_eq!(contents.source_good_at, Some(UnixMillis(1_720_000_060_000)));
    assert_eq!(schema_version(&directory), 4);
}
