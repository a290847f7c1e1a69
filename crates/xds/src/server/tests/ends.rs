//! How streams end: with OK in one case alone.

use tokio::sync::watch;

use super::*;
use crate::{Audience, Chunk, Head, Source};

#[tokio::test]
async fn a_superseded_stream_ends_with_ok_and_the_newer_one_goes_on() {
    let (source, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut old = Peer::open(&channel, classic("gw", "")).await;
    old.take().await;
    let mut new = Peer::open(&channel, classic("gw", "1-t")).await;
    new.take().await;
    assert!(old.end().await.is_none());
    source.push("x");
    assert_eq!(names(&new.next().await.resources), ["x"]);
}

#[tokio::test]
async fn the_same_instance_on_another_connection_is_another_client() {
    let (source, server) = served(FakeSource::with(1)).await;
    let mut one = Peer::open(&server.connect().await, classic("gw", "")).await;
    one.take().await;
    let mut two = Peer::open(&server.connect().await, classic("gw", "")).await;
    two.take().await;
    source.push("x");
    assert_eq!(names(&one.next().await.resources), ["x"]);
    assert_eq!(names(&two.next().await.resources), ["x"]);
}

#[tokio::test]
async fn at_drain_all_end_with_unavailable_and_new_ones_are_refused() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut settled = Peer::open(&channel, classic("a", "")).await;
    settled.take().await;
    let mut waiting = Peer::open(&channel, rescind("b", "")).await;
    let mut silent = Peer::silent(&channel).await;
    server.handle.drain().await;
    for peer in [&mut settled, &mut waiting, &mut silent] {
        let status = peer.end().await.expect("not OK");
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.message(), "adapter is shutting down");
    }
    let refused = RevokedTokenDiscoveryServiceClient::new(channel)
        .stream_tokens(tokio_stream::iter([classic("c", "")]))
        .await;
    assert_eq!(refused.expect_err("refused").code(), Code::Unavailable);
    assert!(server.handle.roster().is_empty());
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_nothing_behind() {
    let (_, server) = served(FakeSource::with(1)).await;
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    peer.take().await;
    assert_eq!(server.metrics.streams(Audience::Classic).get(), 1);
    drop(peer);
    while !server.handle.roster().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.metrics.streams(Audience::Classic).get(), 0);
}

/// A source that nobody writes to any more.
struct Abandoned;

impl Source for Abandoned {
    fn head(&self) -> watch::Receiver<Head> {
        watch::channel(Head::default()).1
    }

    fn resolve(&self, _: &str) -> Position {
        Position(0)
    }

    fn version(&self, _: Position) -> String {
        String::new()
    }

    fn read(&self, _: Position, to: Position, _: Audience, _: usize) -> Chunk {
        Chunk {
            resources: Default::default(),
            to,
        }
    }
}

#[tokio::test]
async fn without_its_source_a_stream_is_unavailable() {
    let server = Served::on_tcp(&Arc::new(Abandoned), Settings::default()).await;
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    peer.next().await;
    let status = peer.end().await.expect("not OK");
    assert_eq!(status.code(), Code::Unavailable);
}
