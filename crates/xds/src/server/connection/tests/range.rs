//! Packed streams.

use prost::Message as _;
use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    rescind::v1::{Checkpoint, Range, range::Walk},
};

use super::*;
use crate::fixtures::unpacked;

/// What a response says, short: `from..to walk names @cursor +checkpoint`.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    from: String,
    to: String,
    walk: Walk,
    names: Vec<String>,
    /// What the client holds without a gap, once it has taken it.
    cursor: String,
    checkpoint: Option<Checkpoint>,
}

fn read(response: &DeltaDiscoveryResponse) -> (Option<Seen>, Option<Checkpoint>) {
    let (mut seen, mut checkpoint) = (None, None);
    for resource in &response.resources {
        let body = resource.resource.as_ref().expect("a body");
        assert_eq!(body.type_url, response.type_url);
        let range = Range::decode(&*body.value).expect("a range");
        assert_eq!(range.ledger, "t");
        match resource.name.as_str() {
            "log" => {
                seen = Some(Seen {
                    walk: range.walk(),
                    names: unpacked(&range.entries),
                    cursor: resource.version.clone(),
                    from: range.from,
                    to: range.to,
                    checkpoint: None,
                });
            }
            "checkpoint" => checkpoint = range.checkpoint,
            other => panic!("{other}"),
        }
    }
    (seen, checkpoint)
}

/// The next response, ACKed.
#[track_caller]
fn take(bench: &mut Bench, stream: StreamId) -> Seen {
    let response = bench.sent_delta(stream);
    assert!(matches!(
        bench.ack_delta(stream, &response),
        Heard::Acked { .. }
    ));
    let (seen, checkpoint) = read(&response);
    Seen {
        checkpoint,
        ..seen.expect("entries")
    }
}

#[track_caller]
fn take_checkpoint(bench: &mut Bench, stream: StreamId) -> Checkpoint {
    let response = bench.sent_delta(stream);
    bench.ack_delta(stream, &response);
    let (seen, checkpoint) = read(&response);
    assert_eq!(seen, None);
    checkpoint.expect("a checkpoint")
}

fn small() -> Settings {
    // Three names of eight letters and their ends.
    Settings {
        chunk_bytes: 27,
        ..Settings::default()
    }
}

#[test]
fn a_client_that_holds_nothing_walks_and_is_told_where_it_stands_at_the_end() {
    let mut bench = Bench::with(FakeSource::with(5), small());
    let stream = bench.range("");
    let first = take(&mut bench, stream);
    assert_eq!(
        (&*first.from, &*first.to, first.walk, &*first.cursor),
        ("", "3-t", Walk::Part, "3-t")
    );
    assert_eq!(first.checkpoint, None);
    let last = take(&mut bench, stream);
    assert_eq!(
        (&*last.from, &*last.to, last.walk, &*last.cursor),
        ("3-t", "5-t", Walk::End, "5-t")
    );
    let checkpoint = last.checkpoint.expect("the head is reached");
    assert_eq!(
        (
            &*checkpoint.cursor,
            checkpoint.count,
            checkpoint.horizon,
            checkpoint.complete
        ),
        ("5-t", 5, 600, false)
    );
    assert_eq!(checkpoint.digest[15], 15);
    bench.quiet(stream);
}

#[test]
fn an_empty_source_is_a_walk_of_nothing_with_a_checkpoint() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.range("");
    let only = take(&mut bench, stream);
    assert_eq!((only.walk, &*only.cursor), (Walk::End, "0-t"));
    assert!(only.names.is_empty() && only.checkpoint.is_some());
    bench.quiet(stream);
}

#[test]
fn what_is_new_goes_before_the_walk_and_the_cursor_moves_with_the_walk_alone() {
    let mut bench = Bench::with(FakeSource::with(6), small());
    let stream = bench.range("");
    take(&mut bench, stream);
    bench.source.push("new");
    let new = take(&mut bench, stream);
    assert_eq!(
        (&*new.from, &*new.to, new.walk, &*new.cursor),
        ("6-t", "7-t", Walk::None, "3-t")
    );
    assert_eq!(bench.standing(stream).acked, Position(3));
    let last = take(&mut bench, stream);
    assert_eq!(
        (last.walk, &*last.to, &*last.cursor),
        (Walk::End, "6-t", "7-t")
    );
    assert_eq!(last.checkpoint.expect("the head").cursor, "7-t");
    assert_eq!(bench.standing(stream).acked, Position(7));
}

#[test]
fn a_known_version_resumes_and_a_far_one_catches_up_beside_what_is_new() {
    let mut bench = Bench::new(FakeSource::with(3));
    let stream = bench.range("2-t");
    let rest = take(&mut bench, stream);
    assert_eq!(
        (&*rest.from, rest.walk, &*rest.cursor),
        ("2-t", Walk::None, "3-t")
    );
    assert!(rest.checkpoint.is_some());

    bench.source.push_many(2000);
    let stream = bench.range("3-t");
    bench.source.push("new");
    let new = take(&mut bench, stream);
    assert_eq!(
        (&*new.from, new.walk, &*new.cursor),
        ("2003-t", Walk::None, "3-t")
    );
    let rest = take(&mut bench, stream);
    assert_eq!(
        (&*rest.from, &*rest.to, rest.walk, &*rest.cursor),
        ("3-t", "2003-t", Walk::End, "2004-t")
    );
}

#[test]
fn a_current_client_hears_at_once_that_it_is_and_each_5_s_when_idle() {
    let mut bench = Bench::new(FakeSource::with(3));
    let stream = bench.range("3-t");
    assert_eq!(take_checkpoint(&mut bench, stream).cursor, "3-t");
    bench.pass(4.9);
    bench.quiet(stream);
    bench.pass(0.1);
    assert_eq!(take_checkpoint(&mut bench, stream).count, 3);
    bench.source.complete();
    assert!(take_checkpoint(&mut bench, stream).complete);
    bench.quiet(stream);
}

#[test]
fn subscribing_again_is_a_paced_walk_that_holds_up_nothing() {
    let mut bench = Bench::with(FakeSource::with(6), small());
    let stream = bench.range("6-t");
    take_checkpoint(&mut bench, stream);
    assert!(matches!(
        bench.subscribe(stream, &["log"], &[]),
        Heard::Repeated
    ));
    let first = take(&mut bench, stream);
    assert_eq!(
        (&*first.from, &*first.to, first.walk, &*first.cursor),
        ("", "3-t", Walk::Part, "6-t")
    );
    bench.quiet(stream);
    bench.source.push("new");
    let new = take(&mut bench, stream);
    assert_eq!((&*new.cursor, new.walk), ("7-t", Walk::None));
    assert!(new.checkpoint.is_some(), "it holds the head all the time");
    bench.pass(0.05);
    let last = take(&mut bench, stream);
    assert_eq!(
        (last.walk, &*last.to, &*last.cursor),
        (Walk::End, "6-t", "7-t")
    );
    bench.quiet(stream);
}

#[test]
fn a_refused_range_comes_in_halves_until_the_bad_entry_is_alone() {
    let mut bench = Bench::new(FakeSource::with(16));
    let stream = bench.range("");
    let all = bench.sent_delta(stream);
    bench.nack_delta(stream, &all);
    bench.quiet(stream);
    bench.pass(5.0);
    let (mut names, mut ended) = (Vec::new(), false);
    while let Step::Send(sent) = bench.step(stream) {
        let response = super::bench::delta(sent.reply);
        let (seen, checkpoint) = read(&response);
        let Some(seen) = seen else { continue };
        if seen.names.contains(&"token-11".to_owned()) {
            bench.nack_delta(stream, &response);
            continue;
        }
        names.extend(seen.names);
        ended |= seen.walk == Walk::End && checkpoint.is_some();
        bench.ack_delta(stream, &response);
    }
    assert_eq!((names.len(), ended), (15, true));
    let standing = bench.standing(stream);
    assert_eq!((standing.skipped, standing.acked), (1, Position(16)));
}

#[test]
fn without_a_place_a_walk_waits_and_what_is_new_does_not() {
    let mut bench = Bench::new(FakeSource::with(5));
    let taken: Vec<_> = (900..)
        .map_while(|id| bench.gate.enter(id, &Default::default()))
        .collect();
    let stream = bench.range("");
    let empty = bench.sent_delta(stream);
    assert!(empty.resources.is_empty());
    assert_eq!(empty.system_version_info, "0-t");
    bench.ack_delta(stream, &empty);
    bench.quiet(stream);
    bench.source.push("new");
    assert_eq!(take(&mut bench, stream).names, ["new"]);
    drop(taken);
    let last = take(&mut bench, stream);
    assert_eq!((last.walk, &*last.cursor), (Walk::End, "6-t"));
}

#[test]
fn a_chunk_that_is_not_acked_within_a_second_gives_its_place_back() {
    let settings = Settings {
        full_sync_places: 1,
        ..Settings::default()
    };
    let mut bench = Bench::with(FakeSource::with(5), settings);
    let slow = bench.range("");
    bench.sent_delta(slow);
    let next = bench.range("");
    let empty = bench.sent_delta(next);
    bench.ack_delta(next, &empty);
    bench.quiet(next);
    bench.pass(1.0);
    bench.quiet(slow);
    assert_eq!(take(&mut bench, next).names.len(), 5);
}

#[test]
fn who_wants_checkpoints_alone_gets_no_entries() {
    let mut bench = Bench::new(FakeSource::with(5));
    let stream = bench.range("");
    bench.subscribe(stream, &[], &["log"]);
    assert_eq!(take_checkpoint(&mut bench, stream).cursor, "5-t");
    bench.source.push("new");
    bench.quiet(stream);
    bench.pass(5.0);
    assert_eq!(take_checkpoint(&mut bench, stream).cursor, "6-t");
}

#[test]
fn what_came_of_the_comparison_is_the_state() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.range("");
    assert_eq!(bench.standing(stream).state, ClientState::NotSent);
    for (word, state) in [
        (None, ClientState::Unproven),
        (Some("DIVERGED"), ClientState::Diverged),
        (Some("what"), ClientState::Diverged),
        (Some("PROVEN"), ClientState::Synced),
    ] {
        let response = bench.sent_delta(stream);
        let answer = DeltaDiscoveryRequest {
            node: word.map(crate::wire::proof_node),
            ..crate::fixtures::wire::answer_delta(&response, None)
        };
        bench.request_delta(stream, answer);
        assert_eq!(bench.standing(stream).state, state, "{word:?}");
        bench.pass(5.0);
    }
}

#[test]
fn who_does_not_get_the_log_has_acked_no_more_than_it_was_sent() {
    let mut bench = Bench::with(FakeSource::with(5), small());
    let alone = bench.range("2-t");
    bench.subscribe(alone, &[], &["log"]);
    assert_eq!(take_checkpoint(&mut bench, alone).cursor, "5-t");
    let walking = bench.range("");
    assert_eq!(take(&mut bench, walking).cursor, "3-t");
    bench.subscribe(walking, &[], &["log"]);
    bench.pass(5.0);
    assert_eq!(take_checkpoint(&mut bench, walking).cursor, "5-t");
    for (stream, holds) in [(alone, 2), (walking, 3)] {
        bench.source.push("new");
        bench.pass(5.0);
        take_checkpoint(&mut bench, stream);
        bench.pass(5.0);
        let open = bench.sent_delta(stream);
        let standing = bench.standing(stream);
        let there = (standing.acked, standing.sent);
        assert_eq!(there, (Position(holds), Position(holds)));
        bench.ack_delta(stream, &open);
    }
}

#[test]
fn who_takes_the_log_again_holds_everything_at_the_end_of_the_walk_and_no_sooner() {
    let mut bench = Bench::with(FakeSource::with(5), small());
    let stream = bench.range("");
    assert_eq!(take(&mut bench, stream).cursor, "3-t");
    bench.subscribe(stream, &[], &["log"]);
    bench.source.push("unseen");
    bench.pass(5.0);
    take_checkpoint(&mut bench, stream);
    bench.subscribe(stream, &["log"], &[]);
    bench.source.push("new");
    let all = bench.source.names(Audience::Rescind);
    let mut held = all[..3].to_vec();
    let mut acked = bench.standing(stream).acked;
    while acked < Position(7) {
        for name in &all[..acked.0 as usize] {
            assert!(held.contains(name), "{name} at {acked:?}");
        }
        held.extend(take(&mut bench, stream).names);
        acked = bench.standing(stream).acked;
    }
    assert!(all.iter().all(|name| held.contains(name)));
}
