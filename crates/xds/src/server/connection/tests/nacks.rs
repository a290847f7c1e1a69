use super::super::bench::state;
use super::*;
use crate::fixtures::names;

/// Answers everything on `stream` as a client that cannot take `bad`; returns what it took, until nothing more comes.
fn answer_all(bench: &mut Bench, stream: StreamId, bad: &[&str]) -> (Vec<String>, usize) {
    let (mut taken, mut refused) = (Vec::new(), 0);
    while let Step::Send(sent) = bench.step(stream) {
        let response = state(sent.reply);
        let names = names(&response.resources);
        if names.iter().any(|name| bad.contains(&name.as_str())) {
            refused += 1;
            bench.nack(stream, &response);
        } else {
            taken.extend(names);
            bench.ack(stream, &response);
        }
    }
    (taken, refused)
}

#[test]
fn a_nack_is_followed_by_nothing_for_5_s_and_then_by_halves_that_isolate_the_bad_entry() {
    let mut bench = Bench::new(FakeSource::with(64));
    let stream = bench.classic("gw", "");
    let all = bench.sent(stream);
    let heard = bench.nack(stream, &all);
    assert!(
        matches!(&heard, Heard::Nacked { verdict: Verdict::Held, resources: 64, error, .. } if error == "cannot decode")
    );
    assert_eq!(bench.standing(stream).state, ClientState::Error);
    bench.pass(4.9);
    bench.quiet(stream);
    bench.pass(0.1);

    let (taken, refused) = answer_all(&mut bench, stream, &["token-20"]);
    let mut expected = bench.source.names(Audience::Classic);
    expected.retain(|name| name != "token-20");
    assert_eq!(taken, expected);
    assert!(refused <= 8, "{refused} refusals for one bad entry of 64");
    let standing = bench.standing(stream);
    assert_eq!((standing.skipped, standing.acked), (1, Position(64)));
    assert_eq!(standing.state, ClientState::Synced);
}

#[test]
fn several_bad_entries_each_end_up_alone() {
    let mut bench = Bench::new(FakeSource::with(100));
    let stream = bench.classic("gw", "");
    let bad = ["token-1", "token-2", "token-50", "token-100"];
    let all = bench.sent(stream);
    bench.nack(stream, &all);
    bench.pass(5.0);
    let (taken, _) = answer_all(&mut bench, stream, &bad);
    assert_eq!(taken.len(), 96);
    assert_eq!(bench.standing(stream).skipped, 4);
}

#[test]
fn new_content_ends_the_pause() {
    let mut bench = Bench::new(FakeSource::with(8));
    let stream = bench.classic("gw", "");
    let all = bench.sent(stream);
    bench.nack(stream, &all);
    bench.quiet(stream);
    bench.source.push("x");
    let half = bench.sent(stream);
    assert_eq!(half.resources.len(), 4);
}

#[test]
fn a_new_entry_refused_alone_is_skipped_and_the_next_change_is_delivered() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.classic("gw", "");
    let first = bench.sent(stream);
    bench.ack(stream, &first);
    bench.source.push("bad");
    let bad = bench.sent(stream);
    assert!(matches!(
        bench.nack(stream, &bad),
        Heard::Nacked {
            verdict: Verdict::Skipped,
            ..
        }
    ));
    bench.pass(3600.0);
    bench.quiet(stream);
    bench.source.push("good");
    bench.expect(stream, "2-t", &["good"]);
}

#[test]
fn a_refused_empty_response_waits_and_waits_longer_each_time() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.rescind("gw", "");
    for wait in [5.0, 10.0, 20.0] {
        let empty = bench.sent(stream);
        bench.nack(stream, &empty);
        bench.pass(wait - 0.1);
        bench.quiet(stream);
        bench.pass(0.1);
    }
    let empty = bench.sent(stream);
    bench.ack(stream, &empty);
    assert_eq!(bench.standing(stream).state, ClientState::Unproven);
}

#[test]
fn a_nack_for_an_acked_nonce_is_another_streams_failure() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.classic("gw", "");
    let first = bench.sent(stream);
    bench.ack(stream, &first);
    assert!(matches!(
        bench.nack(stream, &first),
        Heard::Stale { nack: true }
    ));
    assert_eq!(bench.standing(stream).state, ClientState::Synced);
    bench.source.push("x");
    bench.expect(stream, "2-t", &["x"]);
}

#[test]
fn the_extra_stream_after_a_nack_is_answered_with_nothing_at_its_own_cursor() {
    let mut bench = Bench::new(FakeSource::with(8));
    let old = bench.classic("gw", "2-t");
    let all = bench.sent(old);
    bench.nack(old, &all);
    bench.pass(1.0);
    let new = bench.classic("gw", "2-t");
    assert!(matches!(bench.step(old), Step::Superseded));
    bench.close_stream(old);
    let empty = bench.expect(new, "2-t", &[]);
    bench.ack(new, &empty);
    bench.quiet(new);
    bench.pass(4.0);
    bench.expect(new, "5-t", &["token-3", "token-4", "token-5"]);
}

#[test]
fn what_one_instance_refuses_is_sent_to_the_others() {
    let mut bench = Bench::new(FakeSource::with(4));
    let one = bench.classic("one", "");
    let all = bench.sent(one);
    bench.nack(one, &all);
    let two = bench.classic("two", "");
    assert_eq!(bench.sent(two).resources.len(), 4);
}

#[test]
fn a_skipped_entry_stays_skipped_on_the_next_stream_of_the_connection() {
    let mut bench = Bench::new(FakeSource::with(1));
    let old = bench.classic("gw", "");
    let bad = bench.sent(old);
    bench.nack(old, &bad);
    bench.source.push("good");
    let new = bench.classic("gw", "");
    let good = bench.expect(new, "2-t", &["good"]);
    assert!(matches!(
        bench.ack(new, &good),
        Heard::Acked { whole: false, .. }
    ));
    // Another connection may have another client behind it: it is tried again.
    bench.reconnect();
    let again = bench.classic("gw", "");
    let all = bench.expect(again, "2-t", &["token-1", "good"]);
    assert!(matches!(
        bench.ack(again, &all),
        Heard::Acked { whole: true, .. }
    ));
}

#[test]
fn the_error_text_is_escaped_and_capped() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.classic("gw", "");
    let response = bench.sent(stream);
    let text = format!("a\nb{}", "x".repeat(100_000));
    bench.request(stream, &super::super::bench::answer(&response, Some(&text)));
    let kept = bench.standing(stream).last_error.expect("kept");
    assert!(kept.starts_with("a\\nbxxx") && kept.len() <= 4096);
}
