use rescind_ledger::Ledger;
use rescind_revocation::UnixSeconds;
use rusqlite::Connection;
use tempfile::TempDir;

use rescind_eventhub::DecodeError;

use super::*;
use crate::testing::{PLACE, message, prepared, prepared_in, revoked, soon, subscribed, token};

mod failures;

const UPDATE: &str = "New Revoked token cache update for the label: commonEnforcerLabel version: ";

/// Holds the write lock of the ledger's file: every commit fails until it is dropped.
fn blocker(directory: &TempDir) -> Connection {
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[tokio::test]
async fn an_acknowledged_event_is_published_and_on_disk() {
    let mut running = prepared().run();
    running
        .acknowledged(&["4e330dbd-75c6-4ab5-a749-b9497aa3521a"])
        .await;
    assert_eq!(running.sequence(), 1);
    assert_eq!(
        running.log.lines("INFO"),
        [
            "INFO Event JWT is received".to_owned(),
            format!("INFO {UPDATE}1")
        ]
    );
    assert_eq!(
        running.log.lines("DEBUG"),
        ["DEBUG RevokedToken: **********521a, Token Type: JWT"]
    );
    let directory = running.stop().await;
    let (_, opening) = Ledger::open(directory.path()).unwrap();
    assert_eq!(opening.entries, 1);
}

#[tokio::test]
async fn what_arrives_meanwhile_is_one_group() {
    let prepared = prepared();
    let mut receipts = Vec::new();
    for n in 0..60 {
        let (message, receipt) = revoked(&format!("token-{}", n / 2));
        prepared.hub.try_send(message).unwrap();
        receipts.push(receipt);
    }
    let mut running = prepared.run();
    for receipt in receipts {
        soon(receipt).await.unwrap();
    }
    assert_eq!(running.metrics.commits.get(), 1);
    assert_eq!(running.metrics.events.get(), 60);
    assert_eq!(running.metrics.changes.get(), 30);
    assert_eq!(running.log.lines("Event JWT is received").len(), 60);
    assert_eq!(running.log.lines(UPDATE), [format!("INFO {UPDATE}30")]);
}

#[tokio::test]
async fn a_storm_has_one_line_for_each_group() {
    let prepared = prepared();
    let mut receipts = Vec::new();
    for n in 0..412 {
        let (message, receipt) = revoked(&format!("token-{n}"));
        prepared.hub.try_send(message).unwrap();
        receipts.push(receipt);
    }
    let mut running = prepared.run();
    for receipt in receipts {
        soon(receipt).await.unwrap();
    }
    assert_eq!(
        running.log.lines("Event JWT is received"),
        ["INFO Event JWT is received (and 411 more in this group)"]
    );
}

#[tokio::test]
async fn a_duplicate_is_acknowledged_and_published_by_nobody() {
    let mut running = prepared().run();
    running.acknowledged(&["token-a"]).await;
    running.acknowledged(&["token-a", "token-a"]).await;
    assert_eq!(running.sequence(), 1);
    assert_eq!(running.log.lines("Event JWT is received").len(), 3);
    assert_eq!(running.log.lines(UPDATE).len(), 1);
}

#[tokio::test]
async fn versions_grow_over_restarts() {
    let mut directory = TempDir::new().unwrap();
    for (version, name) in [(1, "token-a"), (2, "token-b"), (3, "token-c")] {
        let mut running = prepared_in(directory).run();
        running.acknowledged(&["token-a", name]).await;
        assert_eq!(
            running.log.lines(UPDATE).last(),
            Some(&format!("INFO {UPDATE}{version}"))
        );
        directory = running.stop().await;
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_before_its_commit_works() {
    let mut running = prepared().run();
    let blocker = blocker(&running.directory);
    let (message, mut receipt) = revoked("token-a");
    running.hub.send(message).await.unwrap();
    running.log.line("Cannot commit").await;
    running.log.line("Cannot commit").await;
    assert!(receipt.try_recv().is_err());
    assert_eq!(running.sequence(), 0);
    assert_eq!(running.degraded(), ["ledger"]);
    assert_eq!(running.log.lines(UPDATE), [""; 0]);

    drop(blocker);
    soon(receipt).await.unwrap();
    assert_eq!(running.sequence(), 1);
    assert_eq!(running.degraded(), [""; 0]);
    assert!(running.metrics.commit_failures.get() >= 2);
}

#[tokio::test]
async fn what_cannot_be_read_does_not_wait_for_the_disk() {
    let running = prepared().run();
    let _blocker = blocker(&running.directory);
    let (message, receipt) = message(Err(DecodeError::NotUtf8));
    running.hub.send(message).await.unwrap();
    soon(receipt).await.unwrap();
    assert_eq!(running.metrics.commit_failures.get(), 0);
}

#[tokio::test]
async fn it_ends_when_told_also_while_commits_fail() {
    let mut running = prepared().run();
    let blocker = blocker(&running.directory);
    let (message, receipt) = revoked("token-a");
    running.hub.send(message).await.unwrap();
    running.log.line("Cannot commit").await;
    running.stop().await;
    assert!(receipt.await.is_err());
    drop(blocker);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_settled_and_told_once_a_second() {
    let prepared = prepared();
    let mut receipts = Vec::new();
    for error in [
        DecodeError::MissingToken,
        DecodeError::NotUtf8,
        DecodeError::MissingToken,
        DecodeError::MissingToken,
    ] {
        let (message, receipt) = message(Err(error));
        prepared.hub.try_send(message).unwrap();
        receipts.push(receipt);
    }
    let mut running = prepared.run();
    for receipt in receipts {
        soon(receipt).await.unwrap();
    }
    let first = running.log.lines("Hence dropping the event");
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(first[0].contains("event data: revokedToken is missing. Hence"));
    assert!(first[0].contains("kind=\"missing_token\" count=1"));
    assert!(first[1].contains("event data: body is not UTF-8. Hence"));
    // The two that were counted are told a second later, also when nothing else comes.
    let rest = running.log.line("count=2").await;
    assert!(rest.contains("revokedToken is missing"), "{rest}");
    assert_eq!(running.sequence(), 0);
}

#[tokio::test]
async fn live_events_go_before_the_list() {
    // Without an order among what is ready one would win by chance: not sixteen times.
    for _ in 0..16 {
        let prepared = prepared();
        let (answer, merged) = oneshot::channel();
        let list = vec![token("token-listed")];
        let merge = Command::Merge(list, "list".into(), answer);
        prepared.commands.try_send(merge).unwrap();
        let (message, _receipt) = revoked("token-live");
        prepared.hub.try_send(message).unwrap();
        let running = prepared.run();
        assert_eq!(soon(merged).await, Ok(1));
        let live = running.reader.read(0, 2, 2);
        let names: Vec<_> = live
            .iter()
            .map(|entry| entry.revocation.identifier().as_str())
            .collect();
        assert_eq!(names, ["token-live", "token-listed"]);
    }
}

#[tokio::test]
async fn a_subscription_asks_for_the_list_and_its_loss_is_shown() {
    let running = prepared().run();
    let reason = "amqp://******@broker:5672/: connection refused".to_owned();
    let lost = HubMessage::Lost {
        place: PLACE,
        reason,
        at: Instant::now(),
    };
    running.hub.send(lost).await.unwrap();
    running.acknowledged(&["token-a"]).await;
    assert_eq!(running.degraded(), ["event hub"]);
    running.hub.send(subscribed()).await.unwrap();
    soon(running.asked.asked()).await;
    running.acknowledged(&["token-b"]).await;
    assert_eq!(running.degraded(), [""; 0]);
}

#[tokio::test]
async fn a_batch_asks_for_the_list() {
    let mut running = prepared().run();
    let (message, receipt) = message(Ok(Event::Refetch {
        kind_name: "token_revocation_batch".into(),
    }));
    running.hub.send(message).await.unwrap();
    soon(running.asked.asked()).await;
    soon(receipt).await.unwrap();
    assert_eq!(
        running.log.lines("is received"),
        ["INFO Event token_revocation_batch is received"]
    );
}

#[tokio::test]
async fn the_ledger_is_complete_once_the_list_is_in_until_it_is_an_old_copy() {
    let mut running = prepared().run();
    let (answer, completed) = oneshot::channel();
    let caught_up = CaughtUp {
        subscriptions: 0,
        began: now(),
    };
    let complete = Command::Complete(caught_up, answer);
    running.commands.send(complete).await.unwrap();
    soon(completed).await.unwrap();
    assert!(running.head.borrow_and_update().complete);
    assert_eq!(running.degraded(), [""; 0]);

    running.commands.send(Command::SetBack).await.unwrap();
    soon(running.head.changed()).await.unwrap();
    assert!(!running.head.borrow().complete);
    soon(running.asked.asked()).await;
    assert_eq!(running.degraded(), ["completeness"]);
}

#[tokio::test]
async fn the_age_of_a_lost_source_counts_from_its_loss() {
    let running = prepared().run();
    running.hub.send(subscribed()).await.unwrap();
    soon(running.asked.asked()).await;
    let (answer, completed) = oneshot::channel();
    let caught_up = CaughtUp {
        subscriptions: 1,
        began: now(),
    };
    let complete = Command::Complete(caught_up, answer);
    running.commands.send(complete).await.unwrap();
    soon(completed).await.unwrap();
    // The first look of the minute is over when the next group is in.
    running.acknowledged(&["token-a"]).await;
    let stored = running.reader.source_good_at().unwrap();
    while now() <= stored {
        tokio::task::yield_now().await;
    }

    // It was noticed a minute ago, and is heard of now.
    let minute = Duration::from_secs(60);
    let earliest = now();
    let at = Instant::now() - minute;
    let latest = now();
    let lost = HubMessage::Lost {
        place: PLACE,
        reason: "amqp://******@broker:5672/: connection refused".into(),
        at,
    };
    running.hub.send(lost).await.unwrap();
    running.acknowledged(&["token-b"]).await;
    let counts_from = running.reader.source_good_at().unwrap().0 + 60_000;
    // A millisecond to either side is lost in rounding.
    assert!((earliest.0 - 1..=latest.0 + 1).contains(&counts_from));
}

#[tokio::test]
async fn a_hub_that_is_gone_ends_the_task() {
    let prepared = prepared();
    let (hub, gone) = mpsc::channel(1);
    drop(hub);
    let ledger = Ledger::open(TempDir::new().unwrap().path()).unwrap().0;
    let health = prepared.health.clone();
    let metrics = Arc::clone(&prepared.metrics);
    let writer = Writer::new(ledger, false, health.clone(), Arc::clone(&metrics));
    let (_commands, received) = mpsc::channel(1);
    let sweep = SweepClock::new(None, Duration::from_secs(3600));
    let asked = Asked::default();
    let ingest = Ingest::new(writer, Some(gone), received, asked, sweep, health, metrics);
    let error = soon(ingest.run(CancellationToken::new()))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the subscription to the event hub has ended"
    );
}

fn expiring(name: &str, seconds: u64) -> Revocation {
    Revocation::Token {
        identifier: rescind_revocation::Identifier::new(name).unwrap(),
        expiry: rescind_revocation::Expiry::Known(UnixSeconds(seconds)),
    }
}

#[tokio::test]
async fn the_upkeep_moves_the_horizon_and_joins_rows() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    for n in 0..20 {
        ledger
            .append(&[expiring(&format!("token-{n}"), 500 * n)])
            .unwrap();
    }
    let metrics = Arc::new(Metrics::default());
    let mut writer = Writer::new(ledger, false, Health::new(), Arc::clone(&metrics));
    let horizon = UnixSeconds(6_000);
    writer.keep_up(Some(horizon), 10).await.unwrap().unwrap();
    assert_eq!(writer.reader().horizon(), horizon);
    assert_eq!((metrics.swept.get(), metrics.entries.get()), (12, 8));
    assert_eq!(metrics.horizon.get(), 6_000);
    let connection = Connection::open(directory.path().join("ledger.db")).unwrap();
    let rows: i64 = connection
        .query_row("SELECT count(*) FROM groups", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
    writer.keep_up(None, 10).await.unwrap().unwrap();
    assert_eq!(writer.reader().horizon(), horizon);
}

#[tokio::test]
async fn an_upkeep_that_cannot_write_is_degraded_until_it_can() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[expiring("token-a", 1)]).unwrap();
    let health = Health::new();
    let metrics = Arc::new(Metrics::default());
    let mut writer = Writer::new(ledger, false, health.clone(), metrics);
    let blocker = blocker(&directory);
    let horizon = Some(UnixSeconds(6_000));
    writer.keep_up(horizon, 1).await.unwrap().unwrap_err();
    assert_eq!(health.report().degraded.len(), 1);
    assert_eq!(writer.reader().len(), 1);
    drop(blocker);
    writer.keep_up(horizon, 1).await.unwrap().unwrap();
    assert_eq!(health.report().degraded, []);
    assert!(writer.reader().is_empty());
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_to_at_the_start_is_degraded_and_not_unready() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[expiring("token-a", 1)]).unwrap();
    drop(ledger);
    let blocker = blocker(&directory);
    let (ledger, opening) = Ledger::open(directory.path()).unwrap();
    assert!(opening.unwritable.is_some());
    let health = Health::new();
    let metrics = Arc::new(Metrics::default());
    let mut writer = Writer::new(ledger, false, health.clone(), metrics);
    assert_eq!(health.report().degraded.len(), 1);
    assert!(health.is_ready());
    drop(blocker);
    writer.keep_up(None, 1).await.unwrap().unwrap();
    assert_eq!(health.report().degraded, []);
}

#[tokio::test]
async fn of_several_brokers_the_lost_one_is_named() {
    let running = prepared().run();
    let place = |index| Place { index, count: 2 };
    let stands = HubMessage::Subscribed {
        place: place(0),
        endpoint: "amqp://******@one:5672/".into(),
    };
    let lost = HubMessage::Lost {
        place: place(1),
        reason: "amqp://******@two:5672/: refused".into(),
        at: Instant::now(),
    };
    running.hub.send(stands).await.unwrap();
    running.hub.send(lost).await.unwrap();
    running.acknowledged(&["token-a"]).await;
    let reason = "1 of 2 brokers: amqp://******@two:5672/: refused".to_owned();
    assert_eq!(running.health.report().degraded, [(HUB, reason)]);
}

#[tokio::test]
async fn it_is_kept_when_and_whence_each_came() {
    let prepared = prepared();
    let mut receipts = Vec::new();
    for (identifier, broker) in [("a", "one"), ("b", "two"), ("c", "one"), ("a", "two")] {
        let (message, receipt) = revoked(identifier);
        let HubMessage::Delivery(mut delivery) = message else {
            unreachable!();
        };
        delivery.source = format!("amqp://{broker}:5672/").into();
        let sent = prepared.hub.try_send(HubMessage::Delivery(delivery));
        sent.unwrap();
        receipts.push(receipt);
    }
    let began = now();
    let running = prepared.run();
    for receipt in receipts {
        soon(receipt).await.unwrap();
    }
    let (answer, merged) = oneshot::channel();
    let list = "list https://apim:9443/".into();
    let merge = Command::Merge(vec![token("a"), token("d")], list, answer);
    running.commands.send(merge).await.unwrap();
    assert_eq!(soon(merged).await.unwrap(), 1);
    for (identifier, source) in [
        ("a", "event hub amqp://one:5672/"),
        ("b", "event hub amqp://two:5672/"),
        ("c", "event hub amqp://one:5672/"),
        ("d", "list https://apim:9443/"),
    ] {
        let identifier = rescind_revocation::Identifier::new(identifier).unwrap();
        let kind = rescind_revocation::Kind::Token;
        let live = running.reader.find(kind, &identifier).unwrap();
        let origin = running.reader.origin(live.sequence).unwrap().unwrap();
        assert_eq!(origin.source, source);
        assert!((began..=now()).contains(&origin.at));
    }
}
