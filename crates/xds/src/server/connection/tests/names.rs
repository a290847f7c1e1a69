//! Streams of named resources, by the rules of the incremental protocol.

use rescind_proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;

use super::*;

fn resources(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    let resources = response.resources.iter();
    resources.map(|resource| &*resource.name).collect()
}

/// The next response, ACKed: resources, and those removed.
#[track_caller]
fn expect(bench: &mut Bench, stream: StreamId, named: &[&str], removed: &[&str]) {
    let response = bench.sent_delta(stream);
    let mut found = response.removed_resources.clone();
    found.sort();
    assert_eq!(
        (resources(&response), found),
        (
            named.to_vec(),
            removed.iter().map(|n| (*n).to_owned()).collect()
        )
    );
    bench.ack_delta(stream, &response);
}

#[test]
fn legacy_wildcard_gets_everything_then_what_is_new() {
    let mut bench = Bench::new(FakeSource::with(2));
    let stream = bench.named(&[], &[], &[]);
    expect(&mut bench, stream, &["token-1", "token-2"], &[]);
    bench.quiet(stream);
    bench.source.push("x");
    expect(&mut bench, stream, &["x"], &[]);
    bench.pass(3600.0);
    bench.quiet(stream);
}

#[test]
fn a_wildcard_on_nothing_is_answered_once() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.named(&["*"], &[], &[]);
    expect(&mut bench, stream, &[], &[]);
    bench.quiet(stream);
}

#[test]
fn a_legacy_wildcard_stays_one_when_it_adds_a_name_and_an_empty_list_is_no_change() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&[], &[], &[]);
    expect(&mut bench, stream, &["token-1"], &[]);
    bench.subscribe(stream, &["token-1"], &[]);
    expect(&mut bench, stream, &["token-1"], &[]);
    bench.subscribe(stream, &[], &[]);
    bench.quiet(stream);
    bench.source.push("x");
    expect(&mut bench, stream, &["x"], &[]);
    // The name that is left is compared once, since its version was not kept beside the wildcard.
    bench.subscribe(stream, &[], &["*"]);
    bench.source.push("y");
    bench.quiet(stream);
    bench.source.push_until("token-1", 9000);
    expect(&mut bench, stream, &["token-1"], &[]);
}

#[test]
fn subscribing_and_leaving_everything_at_once_is_a_subscription_to_nothing() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&["*"], &["*"], &[]);
    bench.quiet(stream);
    bench.source.push("x");
    bench.quiet(stream);
    bench.subscribe(stream, &["x"], &[]);
    expect(&mut bench, stream, &["x"], &[]);
}

#[test]
fn a_missing_name_is_removed_and_pushed_when_it_comes() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&["a", "token-1"], &[], &[]);
    expect(&mut bench, stream, &["token-1"], &["a"]);
    bench.source.push("other");
    bench.quiet(stream);
    bench.source.push("a");
    expect(&mut bench, stream, &["a"], &[]);
    bench.quiet(stream);
}

#[test]
fn a_held_name_that_is_subscribed_again_is_sent_again() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&["token-1"], &[], &[]);
    expect(&mut bench, stream, &["token-1"], &[]);
    bench.subscribe(stream, &["token-1"], &[]);
    expect(&mut bench, stream, &["token-1"], &[]);
    bench.quiet(stream);
}

#[test]
fn leaving_what_was_never_subscribed_is_no_error_and_leaving_needs_no_answer() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&["token-1"], &[], &[]);
    expect(&mut bench, stream, &["token-1"], &[]);
    assert!(matches!(
        bench.subscribe(stream, &[], &["z"]),
        Heard::Repeated
    ));
    bench.subscribe(stream, &[], &["token-1"]);
    bench.source.push_until("token-1", 5);
    bench.quiet(stream);
}

#[test]
fn a_name_that_is_left_under_a_wildcard_is_answered() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&["*", "token-1", "b"], &[], &[]);
    expect(&mut bench, stream, &["token-1"], &["b"]);
    expect(&mut bench, stream, &["token-1"], &[]);
    bench.subscribe(stream, &[], &["token-1", "b"]);
    expect(&mut bench, stream, &["token-1"], &["b"]);
    bench.quiet(stream);
}

#[test]
fn a_stale_nonce_loses_no_subscription() {
    let mut bench = Bench::new(FakeSource::with(2));
    let stream = bench.named(&["token-1"], &[], &[]);
    let first = bench.sent_delta(stream);
    bench.ack_delta(stream, &first);
    let request = rescind_proto::envoy::service::discovery::v3::DeltaDiscoveryRequest {
        resource_names_subscribe: vec!["token-2".to_owned()],
        ..crate::fixtures::wire::answer_delta(&first, None)
    };
    assert!(matches!(
        bench.request_delta(stream, request),
        Heard::Stale { nack: false }
    ));
    expect(&mut bench, stream, &["token-2"], &[]);
}

#[test]
fn a_later_expiry_is_an_update_with_another_version() {
    let mut bench = Bench::new(FakeSource::new());
    bench.source.push_until("a", 700);
    for subscribe in [&["*"][..], &["a"]] {
        let stream = bench.named(subscribe, &[], &[]);
        let first = bench.sent_delta(stream);
        assert_eq!(first.resources[0].version, bench.source_version("a"));
        bench.ack_delta(stream, &first);
        let before = first.resources[0].version.clone();
        bench
            .source
            .push_until("a", before.parse::<u64>().expect("a number") + 1);
        let second = bench.sent_delta(stream);
        assert_ne!(second.resources[0].version, before);
        bench.ack_delta(stream, &second);
        bench.quiet(stream);
    }
}

#[test]
fn what_expires_is_removed_for_both_kinds_of_subscription() {
    let mut bench = Bench::new(FakeSource::new());
    bench.source.push_until("a", 700);
    bench.source.push_until("b", 1300);
    let all = bench.named(&["*"], &[], &[]);
    let one = bench.named(&["a"], &[], &[]);
    expect(&mut bench, all, &["a", "b"], &[]);
    expect(&mut bench, one, &["a"], &[]);
    bench.source.expire(1200);
    expect(&mut bench, all, &[], &["a"]);
    expect(&mut bench, one, &[], &["a"]);
    bench.quiet(all);
    bench.quiet(one);
    let late = bench.named(&["*"], &[], &[]);
    expect(&mut bench, late, &["b"], &[]);
}

#[test]
fn a_client_that_holds_everything_gets_one_completion_and_no_resources() {
    let mut bench = Bench::new(FakeSource::with(2));
    let version = u64::MAX.to_string();
    let held = [("token-1", &*version), ("token-2", &*version)];
    let all = bench.named(&["*"], &[], &held);
    expect(&mut bench, all, &[], &[]);
    bench.quiet(all);
    let two = bench.named(&["token-1", "token-2"], &[], &held);
    expect(&mut bench, two, &[], &[]);
    bench.quiet(two);
}

#[test]
fn of_what_a_client_holds_only_differences_come() {
    let mut bench = Bench::new(FakeSource::with(2));
    let version = u64::MAX.to_string();
    let held = [("token-1", &*version), ("token-2", "old"), ("gone", "7")];
    let all = bench.named(&["*"], &[], &held);
    expect(&mut bench, all, &["token-2"], &[]);
    expect(&mut bench, all, &[], &["gone"]);
    bench.quiet(all);
    let named = bench.named(&["token-1", "token-2", "gone", "new"], &[], &held);
    expect(&mut bench, named, &[], &["new"]);
    expect(&mut bench, named, &["token-2"], &["gone"]);
    bench.quiet(named);
}

#[test]
fn more_names_than_the_limit_are_a_clean_status() {
    let mut bench = Bench::new(FakeSource::with(1));
    let names: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stream = bench.named(&names[..1000], &[], &[]);
    let heard = bench.subscribe(stream, &names[1000..], &[]);
    assert!(matches!(
        heard,
        Heard::Invalid(status) if status.code() == tonic::Code::ResourceExhausted
    ));
}

#[test]
fn a_refused_answer_is_not_sent_again_until_it_changes() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.named(&["token-1"], &[], &[]);
    let first = bench.sent_delta(stream);
    bench.nack_delta(stream, &first);
    assert_eq!(bench.standing(stream).state, ClientState::Error);
    bench.pass(3600.0);
    bench.quiet(stream);
    bench.source.push_until("token-1", 5000);
    expect(&mut bench, stream, &["token-1"], &[]);
    assert_eq!(bench.standing(stream).state, ClientState::Synced);
}
