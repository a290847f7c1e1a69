use super::*;

#[test]
fn a_second_stream_after_silence_supersedes_the_first() {
    let mut bench = Bench::new(FakeSource::with(1));
    let old = bench.classic("gw", "");
    let first = bench.sent(old);
    bench.ack(old, &first);
    bench.pass(15.0);
    let new = bench.classic("gw", "1-t");
    assert!(matches!(bench.step(old), Step::Superseded));
    bench.source.push("x");
    bench.expect(new, "2-t", &["x"]);
    assert!(matches!(bench.step(old), Step::Superseded));
}

#[test]
fn streams_without_an_instance_live_side_by_side() {
    let mut bench = Bench::new(FakeSource::with(1));
    let one = bench.classic("", "");
    let two = bench.classic("", "");
    let first = bench.expect(one, "1-t", &["token-1"]);
    let second = bench.expect(two, "1-t", &["token-1"]);
    // All answers come on the newest stream; each counts for its own.
    bench.ack(two, &first);
    bench.ack(two, &second);
    bench.source.push("x");
    bench.expect(one, "2-t", &["x"]);
    bench.expect(two, "2-t", &["x"]);
}

#[test]
fn every_stream_gets_its_own_sequence_from_its_own_version() {
    let mut bench = Bench::new(FakeSource::with(2));
    let old = bench.classic("gw", "");
    let lost = bench.sent(old);
    let new = bench.classic("gw", "");
    // The answer for the old stream comes on the new one, and moves nothing there.
    bench.ack(new, &lost);
    bench.expect(new, "2-t", &["token-1", "token-2"]);
}

#[test]
fn the_first_answer_waits_a_moment_for_what_is_due_on_the_superseded_stream() {
    let mut bench = Bench::new(FakeSource::with(1));
    let old = bench.classic("gw", "");
    let due = bench.sent(old);
    let new = bench.classic("gw", "");
    bench.quiet(new);
    bench.pass(0.05);
    bench.ack(new, &due);
    bench.sent(new);

    let newer = bench.classic("gw", "");
    bench.quiet(newer);
    bench.pass(1.0);
    bench.sent(newer);
}

#[test]
fn answers_of_a_closed_stream_are_still_credited_and_forgotten_after_a_while() {
    let mut bench = Bench::new(FakeSource::with(1));
    let old = bench.classic("", "");
    let due = bench.sent(old);
    bench.close_stream(old);
    let new = bench.classic("", "1-t");
    let own = bench.sent(new);
    bench.ack(new, &own);
    assert_eq!(bench.connection.outstanding.len(), 1);
    assert!(matches!(bench.ack(new, &due), Heard::Acked { .. }));

    bench.source.push("x");
    bench.sent(new);
    bench.close_stream(new);
    bench.pass(120.0);
    bench.classic("", "");
    assert!(bench.connection.outstanding.is_empty());
}

#[test]
fn many_instances_on_one_connection_cost_no_more_than_their_streams() {
    let mut bench = Bench::new(FakeSource::new());
    for n in 0..5000 {
        let stream = bench.classic(&n.to_string(), "");
        bench.close_stream(stream);
    }
    assert!(bench.connection.clients.is_empty());

    bench.source.push("bad");
    for n in 0..2 * CLIENTS {
        let stream = bench.classic(&n.to_string(), "");
        let response = bench.sent(stream);
        bench.nack(stream, &response);
        bench.close_stream(stream);
    }
    assert!(bench.connection.clients.len() <= CLIENTS + 1);
}
