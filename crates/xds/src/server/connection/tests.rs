use rescind_proto::envoy::service::discovery::v3::DiscoveryRequest;

use super::{
    bench::{Bench, state},
    *,
};
use crate::{
    TYPE_URL,
    fixtures::{FakeSource, resource},
    wire_len,
};

mod nacks;
mod names;
mod range;
mod supersede;
mod wildcard;

#[test]
fn an_empty_source_is_answered_once_and_then_nothing_is_said() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.classic("gw", "");
    let first = bench.expect(stream, "0-t", &[]);
    assert_eq!(first.type_url, TYPE_URL);
    assert!(first.control_plane.is_none() && !first.nonce.is_empty());
    bench.ack(stream, &first);
    bench.pass(3600.0);
    bench.quiet(stream);
}

#[test]
fn a_late_client_gets_everything_and_then_only_what_is_new() {
    let mut bench = Bench::new(FakeSource::with(3));
    let stream = bench.classic("gw", "");
    let all = bench.expect(stream, "3-t", &["token-1", "token-2", "token-3"]);
    bench.ack(stream, &all);
    bench.quiet(stream);
    bench.source.push("x");
    bench.expect(stream, "4-t", &["x"]);
}

#[test]
fn a_known_version_resumes_and_an_unknown_one_means_everything() {
    let mut bench = Bench::new(FakeSource::with(3));
    let known = bench.classic("a", "2-t");
    bench.expect(known, "3-t", &["token-3"]);
    let current = bench.classic("b", "3-t");
    bench.expect(current, "3-t", &[]);
    for (instance, version) in [("c", "652374093"), ("d", "99-t"), ("e", "\u{0}")] {
        let unknown = bench.classic(instance, version);
        bench.expect(unknown, "3-t", &["token-1", "token-2", "token-3"]);
    }
}

#[test]
fn what_comes_while_a_response_is_outstanding_is_one_response_afterwards() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.classic("gw", "");
    let first = bench.sent(stream);
    for _ in 0..1000 {
        bench.source.push_many(1);
        bench.quiet(stream);
    }
    bench.ack(stream, &first);
    let burst = bench.sent(stream);
    assert_eq!(burst.resources.len(), 1000);
    bench.ack(stream, &burst);
    bench.quiet(stream);
}

#[test]
fn chunks_stay_below_the_bytes_and_each_has_its_cursor() {
    let one = wire_len(&resource("token-10"));
    let settings = Settings {
        chunk_bytes: 3 * one,
        ..Settings::default()
    };
    let mut bench = Bench::with(FakeSource::with(8), settings);
    let stream = bench.classic("gw", "");
    let mut versions = Vec::new();
    for _ in 0..3 {
        let chunk = bench.sent(stream);
        bench.quiet(stream);
        versions.push((chunk.version_info.clone(), chunk.resources.len()));
        bench.ack(stream, &chunk);
    }
    assert_eq!(
        versions,
        [("3-t".into(), 3), ("6-t".into(), 3), ("8-t".into(), 2)]
    );
    bench.quiet(stream);
}

#[test]
fn an_entry_that_fits_in_no_response_is_skipped_and_said() {
    let settings = Settings {
        max_response_bytes: 2000,
        ..Settings::default()
    };
    let mut bench = Bench::with(FakeSource::new(), settings);
    bench.source.push("a");
    bench.source.push(&"x".repeat(2000));
    bench.source.push("b");
    let stream = bench.classic("gw", "");
    let step = bench.step(stream);
    // The source was asked for more than a response takes: it is asked again for less.
    let Step::Send(sent) = step else {
        panic!("{step:?}")
    };
    let response = state(sent.reply);
    assert_eq!(response.version_info, "1-t");
    bench.ack(stream, &response);
    assert!(matches!(
        bench.step(stream),
        Step::TooLarge {
            at: Position(2),
            bytes: 2001..
        }
    ));
    bench.expect(stream, "3-t", &["b"]);
    assert_eq!(bench.standing(stream).skipped, 1);
}

#[test]
fn a_range_for_others_moves_the_cursor_with_an_empty_response() {
    let mut bench = Bench::new(FakeSource::with(1));
    let classic = bench.classic("a", "1-t");
    let rescind = bench.rescind("b", "1-t");
    for stream in [classic, rescind] {
        let first = bench.expect(stream, "1-t", &[]);
        bench.ack(stream, &first);
    }
    bench.source.push_app("app");
    let moved = bench.expect(classic, "2-t", &[]);
    bench.ack(classic, &moved);
    bench.quiet(classic);
    bench.expect(rescind, "2-t", &["app"]);
}

#[test]
fn a_rescind_stream_is_told_the_head_and_whether_it_is_complete() {
    let settings = Settings {
        chunk_bytes: 1,
        ..Settings::default()
    };
    let mut bench = Bench::with(FakeSource::with(2), settings);
    let stream = bench.rescind("gw", "");
    let identifier =
        |response: &rescind_proto::envoy::service::discovery::v3::DiscoveryResponse| {
            response.control_plane.clone().expect("said").identifier
        };
    let first = bench.expect(stream, "1-t", &["token-1"]);
    assert_eq!(identifier(&first), "2-t incomplete");
    bench.ack(stream, &first);
    bench.source.complete();
    let second = bench.expect(stream, "2-t", &["token-2"]);
    assert_eq!(identifier(&second), "2-t complete");
}

#[test]
fn a_rescind_stream_hears_at_once_that_the_source_is_complete_and_each_5_s_when_idle() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.rescind("gw", "");
    let first = bench.sent(stream);
    bench.ack(stream, &first);
    bench.quiet(stream);
    bench.source.complete();
    let complete = bench.expect(stream, "0-t", &[]);
    bench.ack(stream, &complete);
    let step = bench.step(stream);
    let due = bench.now + Duration::from_secs(5);
    assert!(matches!(step, Step::Wait(Some(until)) if until == due));
    bench.pass(5.0);
    let heartbeat = bench.expect(stream, "0-t", &[]);
    bench.pass(1.0);
    bench.ack(stream, &heartbeat);
    bench.quiet(stream);
    bench.pass(3.9);
    bench.quiet(stream);
    bench.pass(0.1);
    bench.expect(stream, "0-t", &[]);
}

#[test]
fn nonces_differ_between_streams() {
    let mut bench = Bench::new(FakeSource::new());
    let nonces: std::collections::HashSet<String> = (0..50)
        .map(|n| {
            let stream = bench.classic(&n.to_string(), "");
            bench.sent(stream).nonce
        })
        .collect();
    assert_eq!(nonces.len(), 50);
}

#[test]
fn a_second_ack_and_an_unknown_nonce_change_nothing() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.classic("gw", "");
    let first = bench.sent(stream);
    assert!(matches!(
        bench.ack(stream, &first),
        Heard::Acked {
            to: Position(1),
            ..
        }
    ));
    assert!(matches!(
        bench.ack(stream, &first),
        Heard::Stale { nack: false }
    ));
    bench.quiet(stream);
}

#[test]
fn the_version_of_an_ack_is_not_trusted() {
    let mut bench = Bench::new(FakeSource::with(2));
    let stream = bench.classic("gw", "");
    let mut first = bench.sent(stream);
    first.version_info = "0-t".to_owned();
    bench.ack(stream, &first);
    assert_eq!(bench.standing(stream).acked, Position(2));
    bench.quiet(stream);
}

#[test]
fn a_repeated_subscription_is_no_answer() {
    let mut bench = Bench::new(FakeSource::with(1));
    let stream = bench.classic("gw", "");
    let first = bench.sent(stream);
    assert!(matches!(
        bench.request(stream, &DiscoveryRequest::default()),
        Heard::Repeated
    ));
    bench.quiet(stream);
    assert!(matches!(bench.ack(stream, &first), Heard::Acked { .. }));
}

#[test]
fn a_foreign_type_is_invalid_on_any_request() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.classic("gw", "");
    let request = DiscoveryRequest {
        type_url: "type.googleapis.com/other".to_owned(),
        ..Default::default()
    };
    assert!(matches!(
        bench.request(stream, &request),
        Heard::Invalid(status) if status.code() == tonic::Code::InvalidArgument
    ));
}

#[test]
fn a_missing_ack_is_stale_after_15_s_and_the_end_after_2_min() {
    let mut bench = Bench::new(FakeSource::new());
    let stream = bench.classic("gw", "");
    let first = bench.sent(stream);
    bench.pass(14.9);
    bench.quiet(stream);
    bench.pass(0.1);
    assert!(matches!(bench.step(stream), Step::Late));
    bench.quiet(stream);
    assert_eq!(bench.standing(stream).state, ClientState::Stale);
    bench.ack(stream, &first);
    assert_eq!(bench.standing(stream).state, ClientState::Synced);

    bench.source.push("x");
    bench.sent(stream);
    bench.pass(120.0);
    assert!(matches!(bench.step(stream), Step::AckTimeout));
}

#[test]
fn the_standing_says_how_far_a_stream_is() {
    let mut bench = Bench::new(FakeSource::with(2));
    let stream = bench.classic("gw", "1-t");
    assert_eq!(bench.standing(stream).state, ClientState::NotSent);
    bench.sent(stream);
    assert_eq!(
        bench.standing(stream),
        Standing {
            instance: "gw".to_owned(),
            audience: Audience::Classic,
            method: Method::Stream,
            subscribes_to_all: true,
            declared: Declared::default(),
            proof: None,
            acked: Position(1),
            sent: Position(2),
            state: ClientState::Synced,
            last_error: None,
            skipped: 0,
        }
    );
}
