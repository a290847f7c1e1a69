use tempfile::TempDir;

use super::*;

const FIRST_FORM: &str = include_str!("../tests/files/first_form.sql");

fn file(statements: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    connection.execute_batch(statements).unwrap();
    directory
}

/// What was made and then killed before it said its form.
#[test]
fn a_file_that_says_no_form_is_decided_by_its_columns() {
    let directory = file(&format!("{FIRST_FORM} PRAGMA user_version = 0;"));
    for _ in 0..2 {
        let (mut store, rows) = Store::open(directory.path()).unwrap();
        assert_eq!((rows.len(), rows[0].acked, rows[0].away), (1, 4, 1));
        store.write(&rows, &[]).unwrap();
    }
}

#[test]
fn a_file_of_a_later_form_is_left_alone() {
    let directory = file("PRAGMA user_version = 3;");
    let opened = Store::open(directory.path());
    assert!(matches!(opened, Err(StoreError::Form { found: 3, .. })));
}

/// Reading goes on where nothing can be written, and writing once it can.
#[test]
fn a_file_of_an_older_form_that_cannot_be_written_is_read() {
    let directory = file(FIRST_FORM);
    let path = directory.path().join(FILE);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "query_only", true).unwrap();
    let (mut store, rows) = Store::of(connection, &path).unwrap();
    assert_eq!((rows.len(), rows[0].acked, rows[0].away), (1, 4, 1));
    assert!(rows[0].subscribes_to_all);
    store.write(&rows, &[]).unwrap_err();
    let room = store.connection.pragma_update(None, "query_only", false);
    room.unwrap();
    store.write(&rows, &[]).unwrap();
    drop(store);
    let (store, rows) = Store::open(directory.path()).unwrap();
    assert!(store.older.is_none());
    assert_eq!((rows[0].acked, rows[0].away), (4, 1));
}

#[test]
fn a_file_that_may_not_be_written_at_all_is_read() {
    let directory = file(FIRST_FORM);
    let path = directory.path().join(FILE);
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(&path, flags).unwrap();
    let (_, rows) = Store::of(connection, &path).unwrap();
    assert_eq!(rows.len(), 1);
}
