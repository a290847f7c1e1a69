//! A wildcard that comes and goes while something is on its way.

use rescind_proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;

use super::*;

fn resources(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    let resources = response.resources.iter();
    resources.map(|resource| &*resource.name).collect()
}

#[test]
fn everything_asked_for_again_is_sent_again_although_an_older_response_is_acked_after_that() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&["*"], &[], &[]);
    let due = bench.sent_delta(stream);
    bench.subscribe(stream, &[], &["*"]);
    bench.subscribe(stream, &["*"], &[]);
    bench.ack_delta(stream, &due);
    assert_eq!(resources(&bench.sent_delta(stream)), ["token-1"]);
}

#[test]
fn what_was_left_after_a_reconnect_is_sent_when_everything_is_asked_for() {
    let mut bench = Bench::new(FakeSource::with(2));
    let version = bench.source_version("token-1");
    let stream = bench.named(&["token-1"], &[], &[("token-1", &version)]);
    bench.subscribe(stream, &[], &["token-1"]);
    bench.subscribe(stream, &["*"], &[]);
    let all = bench.sent_delta(stream);
    assert_eq!(resources(&all), ["token-1", "token-2"]);
}

#[test]
fn who_asks_for_everything_again_before_the_walk_is_there_is_sent_what_it_held() {
    let settings = Settings {
        chunk_bytes: 1,
        ..Settings::default()
    };
    let mut bench = Bench::with(FakeSource::with(2), settings);
    let version = bench.source_version("token-2");
    let held = [("token-2", &*version), ("gone", "700")];
    let stream = bench.named(&["*"], &[], &held);
    let first = bench.sent_delta(stream);
    assert_eq!(resources(&first), ["token-1"]);
    // It has lost what it had.
    bench.subscribe(stream, &["*"], &[]);
    bench.ack_delta(stream, &first);
    for name in ["token-1", "token-2"] {
        let response = bench.sent_delta(stream);
        assert_eq!(resources(&response), [name]);
        bench.ack_delta(stream, &response);
    }
    // What is no more may still be there, for all that is known.
    assert_eq!(bench.sent_delta(stream).removed_resources, ["gone"]);
}

#[test]
fn a_name_that_expired_before_the_wildcard_came_is_removed() {
    let mut bench = Bench::new(FakeSource::new());
    bench.source.push_until("a", 700);
    let stream = bench.named(&["a"], &[], &[]);
    let first = bench.sent_delta(stream);
    bench.ack_delta(stream, &first);
    bench.source.expire(1200);
    // It is noticed, and something else is told before it.
    bench.subscribe(stream, &["b"], &[]);
    let other = bench.sent_delta(stream);
    assert_eq!(other.removed_resources, ["b"]);
    bench.subscribe(stream, &["*"], &[]);
    bench.ack_delta(stream, &other);
    let removed = bench.sent_delta(stream).removed_resources;
    assert!(removed.contains(&"a".to_owned()), "{removed:?}");
}

#[test]
fn what_is_held_and_expires_meanwhile_is_removed_once() {
    let settings = Settings {
        chunk_bytes: 100,
        ..Settings::default()
    };
    let mut bench = Bench::with(FakeSource::with(2), settings);
    bench.source.push_until("a", 700);
    let stream = bench.named(&["*"], &[], &[("a", "700")]);
    let first = bench.sent_delta(stream);
    bench.source.expire(1200);
    bench.ack_delta(stream, &first);
    let second = bench.sent_delta(stream);
    bench.ack_delta(stream, &second);
    assert_eq!(bench.sent_delta(stream).removed_resources, ["a"]);
}
