//! Commits that fail, and what the file holds all the same, or no more.

use rescind_ledger::LedgerError;

use super::*;

/// What a commit of `revocation` to an empty ledger writes, put into the file of which `file` holds the lock: as if the
/// commit had failed after the disk had it.
fn write_all_the_same(file: &Connection, revocation: Revocation) {
    let elsewhere = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(elsewhere.path()).unwrap();
    ledger.append(&[revocation]).unwrap();
    drop(ledger);
    let written = Connection::open(elsewhere.path().join("ledger.db")).unwrap();
    let row = "SELECT checksum, entries FROM groups WHERE first = 1";
    let (checksum, entries): (i64, Vec<u8>) = written
        .query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let insert = "INSERT INTO groups (first, last, checksum, entries) VALUES (1, 1, ?1, ?2)";
    file.execute(insert, (checksum, entries)).unwrap();
    file.execute_batch("COMMIT").unwrap();
}

/// Takes from the file what had been committed to it, and lets nothing new in.
fn set_back(file: &Connection) {
    file.execute_batch(
        "DELETE FROM groups;
         CREATE TRIGGER full BEFORE INSERT ON groups BEGIN SELECT RAISE(ABORT, 'no'); END;
         COMMIT",
    )
    .unwrap();
}

#[tokio::test]
async fn what_a_failed_commit_wrote_all_the_same_is_published_with_its_line() {
    let mut running = prepared().run();
    let blocker = blocker(&running.directory);
    let (message, receipt) = revoked("token-a");
    running.hub.send(message).await.unwrap();
    running.log.line("Cannot commit").await;
    write_all_the_same(&blocker, token("token-a"));
    soon(receipt).await.unwrap();
    assert_eq!(running.sequence(), 1);
    assert_eq!(running.log.lines(UPDATE), [format!("INFO {UPDATE}1")]);
    assert_eq!(running.metrics.changes.get(), 1);
    // And once.
    running.acknowledged(&["token-a"]).await;
    assert_eq!(running.log.lines(UPDATE).len(), 1);
}

#[tokio::test]
async fn a_file_that_lost_what_was_committed_ends_the_task_and_nothing_is_acknowledged() {
    let mut running = prepared().run();
    running.acknowledged(&["token-a"]).await;
    let blocker = blocker(&running.directory);
    let (message, receipt) = revoked("token-b");
    running.hub.send(message).await.unwrap();
    running.log.line("Cannot commit").await;
    set_back(&blocker);
    let error = running.ended().await;
    let behind = error.downcast_ref::<LedgerError>();
    assert!(
        matches!(
            behind,
            Some(LedgerError::Behind {
                end: 0,
                head: 1,
                ..
            })
        ),
        "{error}"
    );
    assert!(receipt.await.is_err());
}

#[tokio::test]
async fn an_upkeep_that_finds_such_a_file_ends_the_task_too() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[token("token-a")]).unwrap();
    let metrics = Arc::new(Metrics::default());
    let mut writer = Writer::new(ledger, false, Health::new(), metrics);
    let blocker = blocker(&directory);
    let horizon = Some(UnixSeconds(6_000));
    // The file is closed by a write that fails.
    writer.keep_up(horizon, 1).await.unwrap().unwrap_err();
    set_back(&blocker);
    let error = writer.keep_up(horizon, 1).await.unwrap_err();
    let behind = error.downcast_ref::<LedgerError>();
    assert!(behind.is_some_and(LedgerError::needs_opening), "{error}");
    assert_eq!(writer.reader().len(), 1);
}
