//! Over real gRPC.

use std::{sync::Arc, time::Duration};

use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
    google::protobuf::value::Kind,
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use tokio::time::Instant;
use tonic::Code;

use super::*;
use crate::{
    Position,
    fixtures::{
        FakeSource, names,
        wire::{Peer, Served, classic, first, rescind, serve_tcp},
    },
};

mod ends;
mod limits;
mod timing;
mod watched;

async fn served(source: FakeSource) -> (Arc<FakeSource>, Served) {
    let source = Arc::new(source);
    let server = Served::on_tcp(&source, Settings::default()).await;
    (source, server)
}

#[tokio::test]
async fn a_late_client_gets_everything_and_a_burst_is_one_response() {
    let (source, server) = served(FakeSource::with(3)).await;
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let all = peer.next().await;
    assert_eq!(all.version_info, "3-t");
    for _ in 0..1000 {
        source.push_many(1);
    }
    peer.ack(&all).await;
    let burst = peer.take().await;
    assert_eq!(
        (burst.version_info.as_str(), burst.resources.len()),
        ("1003-t", 1000)
    );
}

#[tokio::test]
async fn a_reconnecting_client_gets_only_the_difference() {
    let (source, server) = served(FakeSource::with(3)).await;
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let version = peer.take().await.version_info;
    drop(peer);
    source.push("x");
    let mut peer = Peer::open(&server.connect().await, classic("gw", &version)).await;
    assert_eq!(names(&peer.next().await.resources), ["x"]);
}

#[tokio::test]
async fn a_large_set_comes_in_messages_that_a_default_client_takes() {
    let (source, server) = served(FakeSource::new()).await;
    for n in 0..100_000 {
        source.push(&format!("7f3a9d52-6c1e-4b7a-9f00-{n:012}"));
    }
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let (mut got, mut responses) = (0, 0);
    while got < 100_000 {
        got += peer.take().await.resources.len();
        responses += 1;
    }
    assert_eq!(got, 100_000);
    assert!(responses >= 3, "{responses} responses for some 10 MB");
}

#[tokio::test]
async fn what_is_no_valid_first_request_is_an_invalid_argument_and_hurts_nobody() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let named = DiscoveryRequest {
        resource_names: vec!["a".to_owned()],
        ..classic("gw", "")
    };
    let foreign = DiscoveryRequest {
        type_url: "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
        ..classic("gw", "")
    };
    for request in [DiscoveryRequest::default(), named, foreign] {
        let mut peer = Peer::open(&channel, request).await;
        let status = peer.end().await.expect("not OK");
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
    let mut peer = Peer::open(&channel, classic("gw", "")).await;
    assert_eq!(peer.take().await.resources.len(), 1);
}

#[tokio::test]
async fn a_number_as_instance_identifier_harms_nothing() {
    let (_, server) = served(FakeSource::with(1)).await;
    let request = first(Kind::NumberValue(42.0), "");
    let mut peer = Peer::open(&server.connect().await, request).await;
    assert_eq!(peer.take().await.resources.len(), 1);
    assert_eq!(server.handle.roster()[0].instance, "");
}

#[tokio::test]
async fn a_request_beyond_the_limit_ends_its_stream_alone() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let huge = classic("gw", &"x".repeat(5 << 20));
    let mut peer = Peer::open(&channel, huge).await;
    assert!(peer.end().await.is_some());
    let mut peer = Peer::open(&channel, classic("gw", "")).await;
    assert_eq!(peer.take().await.resources.len(), 1);
}

#[tokio::test]
async fn acks_are_credited_by_their_nonce_on_whichever_stream_they_come() {
    let (source, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut one = Peer::open(&channel, classic("", "")).await;
    let due = one.next().await;
    let mut two = Peer::open(&channel, classic("", "")).await;
    two.take().await;
    two.ack(&due).await;
    source.push("x");
    assert_eq!(names(&one.next().await.resources), ["x"]);

    // On another connection the same nonce means nothing.
    let mut other = Peer::open(&server.connect().await, classic("", "")).await;
    let own = other.next().await;
    other.ack(&due).await;
    other.ack(&own).await;
    source.push("y");
    assert_eq!(names(&other.next().await.resources), ["y"]);
    assert_eq!(server.metrics.stale_nonces.get(), 1);
}

#[tokio::test]
async fn a_server_that_does_not_know_its_connections_serves_nobody() {
    let source = Arc::new(FakeSource::with(1));
    let nobody = Identify::by(|_| None);
    let (server, _) = service(source, nobody, Settings::default(), Arc::default());
    let address = serve_tcp(server).await;
    let channel = tonic::transport::Endpoint::try_from(format!("http://{address}"));
    let channel = channel.expect("a URI").connect().await.expect("served");
    let refused = RevokedTokenDiscoveryServiceClient::new(channel)
        .stream_tokens(tokio_stream::iter([classic("gw", "")]))
        .await;
    assert_eq!(refused.expect_err("refused").code(), Code::Internal);
}

#[tokio::test]
async fn a_source_of_the_oldest_form_alone_has_no_incremental_stream() {
    let (_, server) = served(FakeSource::old()).await;
    let mut client = RevokedTokenDiscoveryServiceClient::new(server.connect().await);
    let delta = client
        .delta_tokens(tokio_stream::iter([DeltaDiscoveryRequest::default()]))
        .await;
    assert_eq!(delta.expect_err("refused").code(), Code::Unimplemented);
}

#[tokio::test]
async fn the_roster_shows_who_is_where() {
    let (source, _) = served(FakeSource::with(2)).await;
    let server = Served::called("gateway", &source, Settings::default()).await;
    let mut peer = Peer::open(&server.connect().await, rescind("gw", "")).await;
    peer.take().await;
    source.push("x");
    // It has come, so what was before it is ACKed.
    peer.next().await;
    let mut roster = server.handle.roster();
    let status = roster.pop().expect("one");
    assert!(roster.is_empty() && status.address.is_some());
    assert_eq!(
        status,
        StreamStatus {
            stream: status.stream,
            identity: "gateway".to_owned(),
            instance: "gw".to_owned(),
            address: status.address,
            audience: crate::Audience::Rescind,
            method: Method::Stream,
            subscribes_to_all: true,
            declared: Declared::default(),
            proof: None,
            acked: Position(2),
            sent: Position(3),
            state: ClientState::Unproven,
            last_error: None,
            not_enforced: 0,
        }
    );
    assert_eq!(server.metrics.acks.get(), 1);
    assert_eq!(server.metrics.resources.get(), 3);
}

#[test]
fn metrics_have_names_that_say_what_they_are() {
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Metrics::default();
    metrics.streams(crate::Audience::Classic).inc();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
    for line in [
        "xds_streams{audience=\"classic\"} 1",
        "xds_responses_total 0",
        "xds_entries_skipped_total 0",
        "xds_ack_seconds_count 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
