//! The rules that Choreo Connect's enforcer sets its server, each a test, with a client that behaves as the original does:
//! it repeats its node, answers on its newest stream, opens an extra one after a NACK and a second one after silence, and
//! never comes back from OK.

use super::*;
use crate::fixtures::wire::answer;

struct Original {
    channel: tonic::transport::Channel,
    /// The newest is the last.
    streams: Vec<Peer>,
    version: String,
    holds: BTreeSet<String>,
}

impl Original {
    async fn start(server: &Served) -> Self {
        let mut client = Self {
            channel: server.connect().await,
            streams: Vec::new(),
            version: String::new(),
            holds: BTreeSet::new(),
        };
        client.open().await;
        client
    }

    /// Another stream on the same connection, with the version that was ACKed last.
    async fn open(&mut self) {
        let first = classic("gateway-0", &self.version);
        self.streams.push(Peer::open(&self.channel, first).await);
    }

    /// Takes the next response of a stream, and answers on the newest one.
    async fn take(&mut self, stream: usize) -> Vec<String> {
        let response = self.streams[stream].next().await;
        let names = names(&response.resources);
        self.holds.extend(names.iter().cloned());
        self.version.clone_from(&response.version_info);
        let mut ack = answer(&response, None);
        ack.node = classic("gateway-0", "").node;
        self.streams.last().expect("one").send(ack).await;
        names
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_request_is_answered_at_once_and_with_nothing_if_there_is_nothing() {
    let (source, server) = paused(FakeSource::new(), Settings::default());
    let start = Instant::now();
    let mut client = Original::start(&server).await;
    assert!(client.take(0).await.is_empty());
    assert_eq!(start.elapsed(), Duration::ZERO);
    source.push("x");
    assert_eq!(client.take(0).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_never_ends_with_ok_and_a_superseded_one_does() {
    let (_, server) = paused(FakeSource::with(1), Settings::default());
    let mut client = Original::start(&server).await;
    client.take(0).await;
    // Silence, as it would have it: a second stream at +15 s.
    tokio::time::sleep(Duration::from_secs(15)).await;
    client.open().await;
    client.take(1).await;
    // OK is clean here, with nothing before it.
    assert_eq!(client.streams[0].responses.message().await.ok(), Some(None));
    server.handle.drain().await;
    let end = client.streams[1].end().await.expect("not OK");
    assert_eq!(end.code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn traffic_never_runs_on_two_of_its_streams() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let mut client = Original::start(&server).await;
    client.take(0).await;
    client.open().await;
    client.take(1).await;
    for n in 0..20 {
        source.push(&n.to_string());
        client.take(1).await;
    }
    assert_eq!(client.streams[0].responses.message().await.ok(), Some(None));
    assert_eq!(client.holds.len(), 21);
}

#[tokio::test(start_paused = true)]
async fn after_a_nack_the_extra_stream_gets_nothing_and_the_rest_follows_in_halves() {
    let (_, server) = paused(FakeSource::with(8), Settings::default());
    let mut client = Original::start(&server).await;
    let all = client.streams[0].next().await;
    client.streams[0].nack(&all, "cannot parse").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.open().await;
    assert!(client.take(1).await.is_empty());
    let start = Instant::now();
    let refused = names(&all.resources);
    while client.holds.len() < 8 {
        assert_ne!(client.take(1).await, refused, "the same content again");
    }
    assert_eq!(start.elapsed().as_secs(), 4);
    let open = server.handle.roster().len();
    assert_eq!(open, 1, "no pile of streams");
}

#[tokio::test(start_paused = true)]
async fn every_message_is_below_4_mib_and_one_is_outstanding() {
    let source = FakeSource::new();
    for n in 0..60_000 {
        source.push(&format!("7f3a9d52-6c1e-4b7a-9f00-{n:012}"));
    }
    let (_, server) = paused(source, Settings::default());
    let mut client = Original::start(&server).await;
    while client.holds.len() < 60_000 {
        let response = client.streams[0].next().await;
        assert!(response.encoded_len() < 4 << 20);
        client.holds.extend(names(&response.resources));
        let quiet = Duration::from_secs(60);
        assert!(timeout(quiet, client.streams[0].next()).await.is_err());
        client.streams[0].ack(&response).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_before_the_first_request() {
    let (_, server) = paused(FakeSource::with(1), Settings::default());
    let channel = server.connect().await;
    let mut late = Peer::silent(&channel).await;
    let quiet = Duration::from_secs(29);
    assert!(timeout(quiet, late.next()).await.is_err());
    late.send(classic("gateway-0", "")).await;
    assert_eq!(names(&late.take().await.resources), ["token-1"]);
    let mut never = Peer::silent(&channel).await;
    let end = never.end().await.expect("not OK");
    assert_eq!(end.code(), Code::DeadlineExceeded);
}

/// Two streams of clients that share the connection and have no names, and answers that come on the newest alone.
#[tokio::test(start_paused = true)]
async fn an_ack_is_credited_by_its_nonce_whichever_stream_brings_it() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let channel = server.connect().await;
    let mut older = Peer::open(&channel, classic("", "")).await;
    let due = older.next().await;
    let mut newer = Peer::open(&channel, classic("", "")).await;
    let first = newer.next().await;
    assert_ne!(due.nonce, first.nonce);
    source.push("x");
    let quiet = Duration::from_secs(10);
    assert!(timeout(quiet, older.next()).await.is_err());
    newer.ack(&due).await;
    assert_eq!(names(&older.next().await.resources), ["x"]);
    assert!(
        timeout(quiet, newer.next()).await.is_err(),
        "its own is due"
    );
    newer.ack(&first).await;
    assert_eq!(names(&newer.next().await.resources), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn an_ack_counts_for_the_stream_of_its_nonce_and_a_nack_for_an_acked_one_for_none() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let mut client = Original::start(&server).await;
    let due = client.streams[0].next().await;
    client.streams[0].ack(&due).await;
    source.push("x");
    client.take(0).await;
    // The failure of another stream, as it reports it.
    client.streams[0].nack(&due, "stream 0 was reset").await;
    source.push("y");
    assert_eq!(client.take(0).await, ["y"]);
    assert_eq!(server.handle.roster()[0].not_enforced, 0);
}

#[tokio::test(start_paused = true)]
async fn a_missing_ack_is_shown_and_ends_its_stream_with_unavailable() {
    let (_, server) = paused(FakeSource::with(1), Settings::default());
    let mut client = Original::start(&server).await;
    client.streams[0].next().await;
    let start = Instant::now();
    for (second, stale) in [(14, false), (16, true)] {
        tokio::time::sleep_until(start + Duration::from_secs(second)).await;
        let state = server.handle.roster()[0].state;
        assert_eq!(state == ClientState::Stale, stale, "{second}: {state:?}");
    }
    let end = client.streams[0].end().await.expect("not OK");
    assert_eq!(
        (end.code(), start.elapsed().as_secs()),
        (Code::Unavailable, 120)
    );
}

#[tokio::test(start_paused = true)]
async fn each_stream_gets_its_own_sequence_from_the_version_it_names() {
    let (source, server) = paused(FakeSource::with(3), Settings::default());
    let mut client = Original::start(&server).await;
    client.take(0).await;
    source.push("x");
    client.open().await;
    assert_eq!(client.take(1).await, ["x"]);
    // A version of Choreo Connect's own adapter, or none.
    for version in ["652374093", ""] {
        client.version = version.to_owned();
        client.open().await;
        let newest = client.streams.len() - 1;
        assert_eq!(client.take(newest).await.len(), 4, "{version}");
    }
}

#[tokio::test]
async fn many_streams_of_one_connection_are_served() {
    let (source, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut peers = Vec::new();
    for n in 0..200 {
        let mut peer = Peer::open(&channel, classic(&n.to_string(), "")).await;
        peer.take().await;
        peers.push(peer);
    }
    source.push("x");
    for peer in &mut peers {
        assert_eq!(names(&peer.take().await.resources), ["x"]);
    }
}
