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

/// Answers everything as a client that cannot take `bad`; returns what it took, and how often it refused.
fn answer_all(bench: &mut Bench, stream: StreamId, bad: &str) -> (Vec<String>, usize) {
    let (mut taken, mut refused) = (Vec::new(), 0);
    while let Step::Send(sent) = bench.step(stream) {
        let response: DeltaDiscoveryResponse = super::super::bench::delta(sent.reply);
        let named = resources(&response).into_iter().map(str::to_owned);
        let all: Vec<String> = named.chain(response.removed_resources.clone()).collect();
        if all.iter().any(|name| name == bad) {
            refused += 1;
            bench.nack_delta(stream, &response);
        } else {
            taken.extend(all);
            bench.ack_delta(stream, &response);
        }
    }
    taken.sort();
    (taken, refused)
}

#[test]
fn of_answers_that_are_refused_together_the_good_ones_come_again_and_the_bad_one_ends_up_alone() {
    let mut bench = Bench::new(FakeSource::with(4));
    let names = ["gone", "token-1", "token-2", "token-3", "token-4"];
    let stream = bench.named(&names, &[], &[]);
    let all = bench.sent_delta(stream);
    assert!(matches!(
        bench.nack_delta(stream, &all),
        Heard::Nacked {
            verdict: Verdict::Held,
            resources: 5,
            ..
        }
    ));
    bench.pass(4.9);
    bench.quiet(stream);
    assert_eq!(bench.standing(stream).state, ClientState::Error);
    bench.pass(0.1);
    let (taken, refused) = answer_all(&mut bench, stream, "token-3");
    assert_eq!(taken, ["gone", "token-1", "token-2", "token-4"]);
    assert!(refused <= 3, "{refused} refusals for one bad entry of 5");
    let standing = bench.standing(stream);
    assert_eq!((standing.skipped, standing.state), (1, ClientState::Synced));
    bench.pass(3600.0);
    bench.quiet(stream);
    bench.source.push_until("token-3", 5000);
    expect(&mut bench, stream, &["token-3"], &[]);
}

#[test]
fn removals_that_are_refused_together_come_again_and_a_name_that_was_left_does_not() {
    let mut bench = Bench::new(FakeSource::new());
    for name in ["a", "b", "c"] {
        bench.source.push_until(name, 700);
    }
    let all = bench.named(&["*"], &[], &[]);
    let some = bench.named(&["a", "b", "c"], &[], &[]);
    for stream in [all, some] {
        expect(&mut bench, stream, &["a", "b", "c"], &[]);
    }
    bench.source.expire(1200);
    let removals = bench.sent_delta(all);
    assert_eq!(removals.removed_resources.len(), 3);
    bench.nack_delta(all, &removals);
    bench.pass(5.0);
    assert_eq!(answer_all(&mut bench, all, "b").0, ["a", "c"]);

    let removals = bench.sent_delta(some);
    assert_eq!(removals.removed_resources.len(), 3);
    bench.nack_delta(some, &removals);
    bench.subscribe(some, &[], &["b"]);
    bench.pass(5.0);
    assert_eq!(answer_all(&mut bench, some, "").0, ["a", "c"]);
}

#[test]
fn what_expired_and_was_revoked_again_before_its_removal_went_out_is_not_removed() {
    let mut bench = Bench::new(FakeSource::new());
    bench.source.push_until("a", 700);
    bench.source.push_until("b", 700);
    let stream = bench.named(&["*"], &[], &[]);
    expect(&mut bench, stream, &["a", "b"], &[]);
    bench.source.expire(1200);
    bench.source.push("x");
    expect(&mut bench, stream, &["x"], &[]);
    bench.source.push_until("a", 5000);
    expect(&mut bench, stream, &["a"], &[]);
    expect(&mut bench, stream, &[], &["b"]);
    bench.quiet(stream);
}

#[test]
fn while_what_has_expired_is_looked_for_all_goes_on_and_nothing_is_missed_then() {
    let mut bench = Bench::new(FakeSource::new());
    bench.source.push_until("a", 700);
    bench.source.push_until("b", 700);
    let stream = bench.named(&["*"], &[], &[]);
    expect(&mut bench, stream, &["a", "b"], &[]);
    bench.source.look_for_expired(true);
    bench.source.expire(1200);
    bench.quiet(stream);
    // It has expired before it came.
    bench.source.push_until("c", 800);
    bench.source.push_until("d", 5000);
    expect(&mut bench, stream, &["c", "d"], &[]);
    bench.source.push_until("a", 5000);
    expect(&mut bench, stream, &["a"], &[]);
    bench.source.look_for_expired(false);
    expect(&mut bench, stream, &[], &["b", "c"]);
    bench.quiet(stream);
}
