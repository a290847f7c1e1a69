//! Several enforcers under one name: what is said of it is what the weakest of them holds.

use super::*;

pub(super) fn ours(stream: u64) -> Client {
    client(stream, "pod", Method::DeltaRange)
}

#[test]
fn of_several_that_were_live_together_and_are_away_the_one_that_held_least_counts() {
    for ends in [[1, 2], [2, 1]] {
        let fixture = fixture();
        fixture.opened(&ours(1), 5);
        fixture.opened(&ours(2), 3);
        for stream in ends {
            let acked = [5, 3][stream as usize - 1];
            fixture.roster.closed(&ours(stream), Position(acked));
        }
        assert_eq!(fixture.standings(5, false)[0].1, Standing::Missing);
        assert_eq!(fixture.standings(3, false)[0].1, Standing::Acked);
    }
}

#[tokio::test]
async fn what_is_written_while_they_are_live_is_what_the_weakest_holds() {
    let fixture = fixture();
    let (store, _) = Store::open(fixture.directory.path()).unwrap();
    fixture.opened(&ours(1), 2);
    fixture.opened(&ours(2), 5);
    fixture.roster.acked(&ours(1), Position(2), Position(3));
    fixture.roster.acked(&ours(2), Position(5), Position(5));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let keep = fixture.roster.clone().keep(store, Duration::MAX, cancel);
    keep.await.unwrap();
    // Killed, and started again.
    let (_, rows) = Store::open(fixture.directory.path()).unwrap();
    assert_eq!(rows[0].acked, 3);
}

fn part(stream: u64) -> Client {
    Client {
        subscribes_to_all: false,
        ..ours(stream)
    }
}

impl Fixture {
    /// The same, sorted, without the name.
    pub(super) fn all(&self, sequence: u64) -> Vec<(Standing, bool)> {
        let standings = self.standings(sequence, false).into_iter();
        let mut standings: Vec<_> = standings.map(|s| (s.1, s.2)).collect();
        standings.sort_by_key(|standing| format!("{:?}", standing.0));
        standings
    }

    /// The roster of an adapter that was killed and started again.
    async fn restarted(self) -> Self {
        let path = self.directory.path();
        let (store, _) = Store::open(path).unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let keep = self.roster.clone().keep(store, Duration::MAX, cancel);
        keep.await.unwrap();
        let (_, rows) = Store::open(path).unwrap();
        let roster = Roster::new(rows, self.ledger.reader(), Arc::new(Metrics::default()));
        Self { roster, ..self }
    }
}

const ACKED: (Standing, bool) = (Standing::Acked, true);
pub(super) const MISSING: (Standing, bool) = (Standing::Missing, false);
const PARTIAL: (Standing, bool) = (Standing::Partial, false);

#[test]
fn who_takes_a_part_hides_nobody_who_is_away_under_its_name() {
    for order in [[1, 2], [2, 1]] {
        let fixture = fixture();
        for stream in order {
            match stream {
                1 => {
                    fixture.opened(&ours(1), 4);
                    fixture.roster.closed(&ours(1), Position(4));
                }
                _ => fixture.opened(&part(2), 0),
            }
        }
        // Its answers are not those of the other.
        fixture.roster.acked(&part(2), Position(0), Position(5));
        assert_eq!(fixture.all(4), [ACKED, PARTIAL]);
        assert_eq!(fixture.all(5), [MISSING, PARTIAL]);
        let later = fixture.standings_later(5);
        let later = later.iter().filter(|s| s.1 == Standing::Gone);
        assert_eq!(later.count(), 0, "it may live by the other stream");
        let id = fixture.roster.receipts(None)[0].row.id;
        assert_eq!(fixture.roster.forget(id), Forget::Done);
        assert_eq!(fixture.all(5), [PARTIAL]);
        assert_eq!(fixture.roster.forget(id), Forget::Connected);
        fixture.roster.closed(&part(2), Position(0));
        assert_eq!(fixture.all(5), [PARTIAL]);
    }
}

#[test]
fn who_leaves_what_it_subscribed_to_holds_nothing_for_certain() {
    let fixture = fixture();
    fixture.opened(&ours(1), 5);
    fixture.opened(&ours(2), 5);
    fixture.roster.subscribed(&ours(2), false, Position(5));
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    // What it answers now says nothing of that.
    fixture.roster.acked(&ours(2), Position(5), Position(5));
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    fixture.roster.subscribed(&ours(2), true, Position(0));
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    fixture.roster.acked(&ours(2), Position(0), Position(5));
    assert_eq!(fixture.all(5), [ACKED, ACKED]);
    fixture.roster.subscribed(&ours(2), false, Position(5));
    fixture.roster.closed(&ours(2), Position(5));
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    fixture.roster.closed(&ours(1), Position(5));
    assert_eq!(fixture.all(5), [MISSING]);
}

#[test]
fn who_takes_a_part_first_and_all_later_counts_from_then_on() {
    let fixture = fixture();
    fixture.opened(&part(1), 5);
    assert_eq!(fixture.all(5), [PARTIAL]);
    fixture.roster.subscribed(&part(1), true, Position(0));
    assert_eq!(fixture.all(5), [MISSING]);
    fixture.roster.acked(&part(1), Position(0), Position(5));
    assert_eq!(fixture.all(5), [ACKED]);
    fixture.roster.closed(&part(1), Position(5));
    assert_eq!(fixture.all(5), [ACKED]);
}

#[tokio::test]
async fn after_a_restart_the_one_that_comes_first_does_not_speak_for_the_others() {
    let fixture = fixture();
    fixture.opened(&ours(1), 5);
    fixture.opened(&ours(2), 3);
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.all(5), [MISSING]);
    fixture.opened(&ours(3), 5);
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    let fixture = fixture.restarted().await;
    fixture.opened(&ours(4), 5);
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    fixture.opened(&ours(5), 5);
    assert_eq!(fixture.all(5), [ACKED, ACKED]);
}

#[test]
fn who_goes_is_missed_though_another_of_its_name_stays_and_who_came_again_is_not() {
    let fixture = fixture();
    fixture.opened(&ours(1), 3);
    fixture.opened(&ours(2), 5);
    // Both have spoken since: there are two.
    fixture.roster.acked(&ours(1), Position(3), Position(4));
    fixture.roster.closed(&ours(1), Position(4));
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    fixture.opened(&ours(3), 5);
    assert_eq!(fixture.all(5), [ACKED, ACKED]);
    // The third one's connection is dead, and its client is back before that is known.
    fixture.opened(&ours(4), 5);
    fixture.roster.closed(&ours(3), Position(5));
    assert_eq!(fixture.all(5), [ACKED, ACKED]);
}

/// One of two goes; the path of the other breaks without a word, and it comes again before that is known. Nobody knows
/// which of them came, so the one that is away holds no more than either did.
#[test]
fn who_came_again_stands_for_one_alone_though_another_was_away_meanwhile() {
    // Its old stream ends after the new one came, or the new one ends first.
    for ends in [&[2][..], &[3, 2]] {
        let fixture = fixture();
        fixture.opened(&ours(1), 4);
        fixture.opened(&ours(2), 4);
        fixture.roster.acked(&ours(1), Position(4), Position(4));
        fixture.roster.acked(&ours(2), Position(4), Position(5));
        fixture.roster.closed(&ours(1), Position(4));
        assert_eq!(fixture.all(5), [ACKED, MISSING]);
        fixture.opened(&ours(3), 5);
        for stream in ends {
            fixture.roster.closed(&ours(*stream), Position(5));
        }
        match ends.len() {
            1 => assert_eq!(fixture.all(5), [ACKED, MISSING]),
            _ => assert_eq!(fixture.all(5), [MISSING]),
        }
        // Both come back.
        for stream in [4, 5] {
            fixture.opened(&ours(stream), 5);
        }
        assert!(fixture.all(5).iter().all(|standing| *standing == ACKED));
    }
}

#[test]
fn who_goes_while_another_comes_again_holds_no_more_than_it_did() {
    let fixture = fixture();
    fixture.opened(&ours(1), 4);
    fixture.opened(&ours(2), 5);
    // The second one again; then the first one goes, and the stream that broke ends last.
    fixture.opened(&ours(3), 5);
    fixture.roster.closed(&ours(1), Position(4));
    fixture.roster.closed(&ours(2), Position(5));
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
}

/// That an ACK is late is not a word of the client.
#[test]
fn who_is_said_to_be_stale_and_came_again_is_not_away() {
    let fixture = fixture();
    fixture.opened(&ours(1), 5);
    fixture.opened(&ours(2), 5);
    fixture.roster.changed(StreamStatus {
        stream: 1,
        identity: "gateway".to_owned(),
        instance: "pod".to_owned(),
        address: None,
        audience: Audience::Rescind,
        method: Method::DeltaRange,
        subscribes_to_all: true,
        declared: Declared::default(),
        proof: None,
        acked: Position(5),
        sent: Position(5),
        state: ClientState::Stale,
        last_error: None,
        not_enforced: 0,
    });
    fixture.roster.closed(&ours(1), Position(5));
    assert_eq!(fixture.all(5), [ACKED]);
}

#[test]
fn who_has_spoken_since_another_came_back_is_not_taken_for_it() {
    let fixture = fixture();
    fixture.opened(&ours(1), 4);
    fixture.opened(&ours(2), 5);
    fixture.roster.acked(&ours(1), Position(4), Position(4));
    fixture.roster.closed(&ours(1), Position(4));
    fixture.opened(&ours(3), 4);
    fixture.roster.acked(&ours(2), Position(5), Position(5));
    fixture.roster.acked(&ours(3), Position(4), Position(5));
    // Both have spoken: the third is the first one again, and durable.
    fixture.roster.closed(&ours(3), Position(5));
    assert_eq!(fixture.all(5), [ACKED, ACKED]);
}

#[test]
fn streams_of_one_connection_are_one_client() {
    let fixture = fixture();
    let here = |stream| Client {
        address: Some(([127, 0, 0, 1], 4000).into()),
        ..ours(stream)
    };
    fixture.opened(&here(1), 5);
    fixture.opened(&here(2), 5);
    fixture.roster.acked(&here(1), Position(5), Position(5));
    fixture.roster.closed(&here(1), Position(5));
    assert_eq!(fixture.all(5), [ACKED]);
}

#[test]
fn who_is_away_is_forgotten_though_streams_of_another_come_and_go_beside_it() {
    let fixture = fixture();
    let here = |stream| Client {
        address: Some(([127, 0, 0, 1], 4000).into()),
        ..ours(stream)
    };
    fixture.opened(&ours(1), 4);
    fixture.opened(&here(2), 5);
    fixture.opened(&here(3), 5);
    fixture.roster.acked(&ours(1), Position(4), Position(4));
    fixture.roster.closed(&ours(1), Position(4));
    for row in fixture.roster.state().rows.values_mut() {
        row.left_at = UnixMillis(0);
    }
    // Its client goes on over the same connection.
    fixture.roster.closed(&here(3), Position(5));
    assert_eq!(fixture.all(5), [ACKED, MISSING]);
    fixture
        .roster
        .forget_who_is_away(Duration::from_secs(86_400));
    assert_eq!(fixture.all(5), [ACKED]);
}

#[test]
fn a_file_of_the_first_form_is_read_and_its_rows_go_on_counting() {
    let directory = TempDir::new().unwrap();
    let connection = rusqlite::Connection::open(directory.path().join("roster.db")).unwrap();
    connection
        .execute_batch(include_str!("files/first_form.sql"))
        .unwrap();
    drop(connection);
    for _ in 0..2 {
        let (_, rows) = Store::open(directory.path()).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].acked, rows[0].away), (4, 1));
        assert!(rows[0].subscribes_to_all && rows[0].durable);
    }
}
