use rescind_ledger::Ledger;
use rescind_xds::{
    Audience, Position,
    server::{ClientState, Declared, Method, StreamStatus, Watch as _},
};
use tempfile::TempDir;

use super::*;
use crate::testing::token;

mod model;
mod shared;

struct Fixture {
    directory: TempDir,
    ledger: Ledger,
    roster: Roster,
}

/// A ledger of five entries.
fn fixture() -> Fixture {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let group: Vec<_> = ["a", "b", "c", "d", "e"].map(token).into();
    ledger.append(&group).unwrap();
    let metrics = Arc::new(Metrics::default());
    Fixture {
        roster: Roster::new(Vec::new(), ledger.reader(), metrics),
        directory,
        ledger,
    }
}

fn client(stream: u64, instance: &str, method: Method) -> Client {
    Client {
        stream,
        identity: "gateway".to_owned(),
        instance: instance.to_owned(),
        address: None,
        audience: match method {
            Method::DeltaRange => Audience::Rescind,
            Method::Stream | Method::DeltaNames => Audience::Classic,
        },
        method,
        subscribes_to_all: true,
        declared: Declared {
            adapters: Some(1),
            stale_after_s: Some(900),
            stale_policy: Some("deny".to_owned()),
        },
    }
}

impl Fixture {
    fn opened(&self, client: &Client, acked: u64) {
        self.roster.opened(client, Position(acked), Position(5));
    }

    /// Who stands how towards a version.
    fn standings(&self, sequence: u64, is_rule: bool) -> Vec<(String, Standing, bool)> {
        standings_in(&self.roster, Asked { sequence, is_rule }, 0)
    }

    /// The same for a token, beyond the bound that was declared.
    fn standings_later(&self, sequence: u64) -> Vec<(String, Standing, bool)> {
        let is_rule = false;
        standings_in(&self.roster, Asked { sequence, is_rule }, 901)
    }
}

fn standings_in(roster: &Roster, asked: Asked, after_s: u64) -> Vec<(String, Standing, bool)> {
    let then = Instant::now() + Duration::from_secs(after_s);
    let receipts = roster.receipts_at(Some(asked), then).into_iter();
    receipts
        .map(|r| (r.row.named.instance, r.standing.unwrap(), r.counts))
        .collect()
}

#[test]
fn who_has_acked_has_it_and_two_connections_of_one_name_count_as_two() {
    let fixture = fixture();
    let (one, two) = (
        client(1, "a", Method::DeltaRange),
        client(2, "a", Method::DeltaRange),
    );
    fixture.opened(&one, 5);
    fixture.opened(&two, 3);
    let mut standings = fixture.standings(5, false);
    standings.sort_by_key(|standing| standing.2);
    assert_eq!(
        standings,
        [
            ("a".to_owned(), Standing::Missing, false),
            ("a".to_owned(), Standing::Acked, true)
        ]
    );
    fixture.roster.acked(&two, Position(3), Position(5));
    assert!(
        fixture
            .standings(5, false)
            .iter()
            .all(|s| s.1 == Standing::Acked)
    );
}

#[test]
fn an_older_enforcer_cannot_enforce_an_application_and_who_refused_something_cannot_either() {
    let fixture = fixture();
    fixture.opened(&client(1, "old", Method::Stream), 5);
    let other = client(2, "ours", Method::DeltaRange);
    fixture.opened(&other, 5);
    assert_eq!(
        fixture.standings(5, true),
        [
            ("old".to_owned(), Standing::Cannot, false),
            ("ours".to_owned(), Standing::Acked, true)
        ]
    );
    fixture.roster.changed(StreamStatus {
        stream: 2,
        identity: "gateway".to_owned(),
        instance: "ours".to_owned(),
        address: None,
        audience: Audience::Rescind,
        method: Method::DeltaRange,
        subscribes_to_all: true,
        declared: Declared::default(),
        proof: None,
        acked: Position(5),
        sent: Position(5),
        state: ClientState::Error,
        last_error: Some("no".to_owned()),
        not_enforced: 1,
    });
    assert_eq!(fixture.standings(5, false)[1].1, Standing::Cannot);
    let receipts = fixture.roster.receipts(None);
    assert_eq!(receipts[1].row.state, "ERROR");
    fixture.roster.acked(&other, Position(5), Position(5));
    let receipts = fixture.roster.receipts(None);
    assert_eq!(receipts[1].row.state, "SYNCED");
}

#[test]
fn who_passes_what_is_not_sent_to_it_has_what_is_there_unless_more_is_to_come() {
    let mut fixture = fixture();
    let names = client(1, "names", Method::DeltaNames);
    fixture.opened(&names, 3);
    let standing = |fixture: &Fixture, sequence| fixture.standings(sequence, false)[0].1;
    fixture.roster.passed(&names, Position(4));
    assert_eq!(standing(&fixture, 4), Standing::Missing, "the head is at 5");
    fixture.roster.passed(&names, Position(5));
    assert_eq!(standing(&fixture, 5), Standing::Acked);
    assert_eq!(fixture.roster.receipts(None)[0].row.state, "NOT_SENT");

    fixture.ledger.append(&[token("f")]).unwrap();
    fixture.roster.passed(&names, Position(5));
    assert_eq!(standing(&fixture, 6), Standing::Missing);
    // What was not said of it while it was here does not count when it is away.
    fixture.roster.closed(&names, Position(6));
    assert_eq!(fixture.roster.receipts(None)[0].acked, 5);
}

#[test]
fn who_is_away_has_what_it_acked_durably_and_is_gone_once_it_refuses_everything() {
    let fixture = fixture();
    let (ours, old) = (
        client(1, "ours", Method::DeltaRange),
        client(2, "old", Method::Stream),
    );
    for client in [&ours, &old] {
        fixture.opened(client, 4);
        fixture.roster.closed(client, Position(4));
    }
    // The older one forgets all with its process.
    assert_eq!(
        fixture.standings(4, false),
        [
            ("old".to_owned(), Standing::Missing, false),
            ("ours".to_owned(), Standing::Acked, true)
        ]
    );
    assert_eq!(fixture.standings(5, false)[1].1, Standing::Missing);
    assert_eq!(
        fixture.standings_later(5)[1],
        ("ours".to_owned(), Standing::Gone, true)
    );
    for row in fixture.roster.state().rows.values_mut() {
        row.declared.adapters = Some(2);
    }
    assert!(
        !fixture.standings_later(5)[1].2,
        "it may be with another adapter"
    );
    for row in fixture.roster.state().rows.values_mut() {
        row.declared.stale_policy = Some("allow".to_owned());
    }
    assert_eq!(fixture.standings_later(5)[1].1, Standing::Missing);
}

/// Beside Choreo Connect both parts of a pod may have its certificate and its host's name.
#[test]
fn streams_of_one_name_are_judged_each_by_what_it_takes_in_whatever_order_they_came() {
    let (ours, old) = (
        client(1, "pod", Method::DeltaRange),
        client(2, "pod", Method::Stream),
    );
    for order in [[&ours, &old], [&old, &ours]] {
        let fixture = fixture();
        for client in order {
            fixture.opened(client, 5);
        }
        let mut rules = fixture.standings(5, true);
        rules.sort_by_key(|standing| standing.2);
        let pod = "pod".to_owned();
        assert_eq!(
            rules,
            [
                (pod.clone(), Standing::Cannot, false),
                (pod, Standing::Acked, true)
            ]
        );
        let tokens = fixture.standings(5, false);
        assert!(tokens.iter().all(|s| s.1 == Standing::Acked));
    }
}

#[test]
fn of_several_that_shared_a_name_and_are_away_the_weakest_counts() {
    let ours = client(1, "pod", Method::DeltaRange);
    let mut old = client(2, "pod", Method::Stream);
    old.declared = Declared::default();
    for order in [[&ours, &old], [&old, &ours]] {
        let fixture = fixture();
        for client in order {
            fixture.opened(client, 5);
        }
        for client in order {
            fixture.roster.closed(client, Position(5));
        }
        let standing = || fixture.standings(5, false)[0].1;
        assert_eq!(standing(), Standing::Missing, "the older forgets it");
        let later = fixture.standings_later(5)[0].1;
        assert_eq!(later, Standing::Missing, "the older never closes");
        // Whoever comes back alone does not speak for the other one.
        fixture.opened(&ours, 5);
        let mut standings = fixture.standings(5, false);
        standings.sort_by_key(|standing| standing.2);
        assert_eq!(
            [standings[0].1, standings[1].1],
            [Standing::Missing, Standing::Acked]
        );
        fixture.roster.closed(&ours, Position(5));
        assert_eq!(standing(), Standing::Missing);
    }
}

#[test]
fn what_one_refused_stands_when_another_of_its_name_comes_with_nothing() {
    let fixture = fixture();
    fixture.opened(&client(1, "pod", Method::DeltaRange), 5);
    for row in fixture.roster.state().rows.values_mut() {
        row.not_enforced = 1;
    }
    fixture.opened(&client(2, "pod", Method::Stream), 0);
    let standings = fixture.standings(5, false);
    assert!(standings.iter().any(|s| s.1 == Standing::Cannot));
}

/// What is on disk may be older than the last word that was heard: the disk was full, or the wall clock has jumped.
#[test]
fn nobody_is_called_gone_by_the_wall_clock_or_by_what_was_written_before_a_restart() {
    let fixture = fixture();
    let client = client(1, "a", Method::DeltaRange);
    fixture.opened(&client, 4);
    fixture.roster.closed(&client, Position(4));
    for row in fixture.roster.state().rows.values_mut() {
        row.seen_at = UnixMillis(unix_now_millis() - 7_200_000);
    }
    assert_eq!(fixture.standings(5, false)[0].1, Standing::Missing);
    let rows = fixture.roster.state().rows.values().cloned().collect();
    let metrics = Arc::new(Metrics::default());
    let again = Roster::new(rows, fixture.ledger.reader(), metrics);
    let asked = Asked {
        sequence: 5,
        is_rule: false,
    };
    assert_eq!(standings_in(&again, asked, 0)[0].1, Standing::Missing);
    assert_eq!(standings_in(&again, asked, 901)[0].1, Standing::Gone);
}

#[test]
fn only_who_is_away_can_be_forgotten() {
    let fixture = fixture();
    let client = client(1, "a", Method::DeltaRange);
    fixture.opened(&client, 5);
    let id = fixture.roster.receipts(None)[0].row.id;
    assert_eq!(fixture.roster.forget(id), Forget::Connected);
    fixture.roster.closed(&client, Position(5));
    assert_eq!(fixture.roster.forget(id), Forget::Done);
    assert_eq!(fixture.roster.forget(id), Forget::Unknown);
    assert!(fixture.roster.receipts(None).is_empty());
}

#[tokio::test]
async fn rows_outlive_the_process_and_places_in_another_ledger_do_not() {
    let fixture = fixture();
    let path = fixture.directory.path();
    let (store, rows) = Store::open(path).unwrap();
    assert!(rows.is_empty());
    fixture.opened(&client(1, "a", Method::DeltaRange), 4);
    fixture.opened(&client(2, "b", Method::Stream), 2);
    fixture
        .roster
        .closed(&client(2, "b", Method::Stream), Position(2));
    let id = fixture.roster.receipts(None)[1].row.id;
    fixture.roster.forget(id);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let keep = fixture.roster.clone().keep(store, Duration::MAX, cancel);
    keep.await.unwrap();

    let (_, rows) = Store::open(path).unwrap();
    assert_eq!(rows.len(), 1);
    let metrics = Arc::new(Metrics::default());
    let again = Roster::new(rows.clone(), fixture.ledger.reader(), metrics);
    let receipts = again.receipts(None);
    assert_eq!((receipts[0].acked, receipts[0].connected), (4, false));
    assert_eq!(receipts[0].row.declared.stale_after_s, Some(900));

    let elsewhere = TempDir::new().unwrap();
    let (other, _) = Ledger::open(elsewhere.path()).unwrap();
    let other = Roster::new(rows, other.reader(), Arc::new(Metrics::default()));
    assert_eq!(other.receipts(None)[0].acked, 0);
}

#[test]
fn one_certificate_has_so_many_rows_and_the_one_away_longest_goes() {
    let fixture = fixture();
    for n in 0..ROWS as u64 + 5 {
        let client = client(n, &n.to_string(), Method::Stream);
        fixture.opened(&client, 0);
        fixture.roster.closed(&client, Position(0));
    }
    assert_eq!(fixture.roster.receipts(None).len(), ROWS);
}
