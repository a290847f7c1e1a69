//! What time does, with the clock paused.

use super::*;

fn on_pipes(source: FakeSource) -> (Arc<FakeSource>, Served) {
    let source = Arc::new(source);
    let server = Served::on_pipes(&source, Settings::default());
    (source, server)
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_first_request_ends_after_30_s() {
    let (_, server) = on_pipes(FakeSource::new());
    let start = Instant::now();
    let mut peer = Peer::silent(&server.connect().await).await;
    let status = peer.end().await.expect("not OK");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_idle_rescind_stream_hears_something_each_5_s() {
    let (source, server) = on_pipes(FakeSource::new());
    let start = Instant::now();
    let mut peer = Peer::open(&server.connect().await, rescind("gw", "")).await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        let response = peer.take().await;
        let identifier = response.control_plane.expect("said").identifier;
        heard.push((start.elapsed().as_secs(), identifier));
        source.complete();
    }
    assert_eq!(
        heard,
        [
            (0, "0-t incomplete".to_owned()),
            (0, "0-t complete".to_owned()),
            (5, "0-t complete".to_owned())
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_classic_stream_hears_nothing() {
    let (source, server) = on_pipes(FakeSource::new());
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    peer.take().await;
    source.complete();
    let silence = tokio::time::timeout(Duration::from_secs(3600), peer.next()).await;
    assert!(silence.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_refused_range_comes_again_after_5_s_in_halves_until_one_entry_is_left() {
    let (_, server) = on_pipes(FakeSource::with(32));
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let start = Instant::now();
    let (mut got, mut refused) = (Vec::new(), 0);
    while got.len() < 31 {
        let response = peer.next().await;
        let names = names(&response.resources);
        if names.contains(&"token-11".to_owned()) {
            refused += 1;
            peer.nack(&response, "token-11 is bad").await;
        } else {
            got.extend(names);
            peer.ack(&response).await;
        }
    }
    assert!(!got.contains(&"token-11".to_owned()));
    assert_eq!((refused, start.elapsed().as_secs()), (6, 5));
    let status = &server.handle.roster()[0];
    assert_eq!(status.not_enforced, 1);
    assert_eq!(status.last_error.as_deref(), Some("token-11 is bad"));
    assert_eq!(server.metrics.entries_skipped.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_does_not_enforce_is_shown_until_it_takes_the_whole_set() {
    let (source, server) = on_pipes(FakeSource::with(1));
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let bad = peer.next().await;
    peer.nack(&bad, "no").await;
    source.push("good");
    let version = peer.take().await.version_info;
    drop(peer);

    let mut peer = Peer::open(&server.connect().await, classic("gw", &version)).await;
    peer.take().await;
    assert_eq!(server.handle.roster().last().expect("one").not_enforced, 1);
    drop(peer);

    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    peer.take().await;
    source.push("more");
    peer.next().await;
    assert_eq!(server.handle.roster().last().expect("one").not_enforced, 0);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_holds_nobody_up_and_is_ended_after_2_min() {
    let (source, server) = on_pipes(FakeSource::new());
    let big = "x".repeat(1000);
    for _ in 0..10_000 {
        source.push(&big);
    }
    let stuck = Peer::open(&server.connect().await, classic("stuck", "")).await;
    let mut reader = Peer::open(&server.connect().await, classic("reader", "")).await;
    let mut got = 0;
    while got < 10_000 {
        got += reader.take().await.resources.len();
    }
    let before = server.metrics.responses.get();
    for _ in 0..100 {
        source.push("x");
        reader.take().await;
    }
    assert_eq!(server.metrics.responses.get(), before + 100);

    let start = Instant::now();
    while server.handle.roster().len() > 1 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!((119..=121).contains(&start.elapsed().as_secs()));
    assert_eq!(server.metrics.ack_timeouts.get(), 1);
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn a_missing_ack_makes_a_client_stale_and_then_ends_its_stream() {
    let (_, server) = on_pipes(FakeSource::with(1));
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    peer.next().await;
    let start = Instant::now();
    while server.handle.roster()[0].state != ClientState::Stale {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!((15..=16).contains(&start.elapsed().as_secs()));
    let status = peer.end().await.expect("not OK");
    assert_eq!(status.code(), Code::Unavailable);
    assert!((120..=121).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn an_ack_on_another_stream_lets_the_first_one_go_on_at_once() {
    let (source, server) = on_pipes(FakeSource::with(1));
    let channel = server.connect().await;
    let start = Instant::now();
    let mut one = Peer::open(&channel, classic("", "")).await;
    let due = one.next().await;
    let mut two = Peer::open(&channel, classic("", "")).await;
    two.take().await;
    source.push("x");
    two.take().await;
    two.ack(&due).await;
    assert_eq!(names(&one.next().await.resources), ["x"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_age_is_the_connections_and_not_the_streams() {
    let source = Arc::new(FakeSource::with(1));
    let settings = Settings {
        max_connection_age: Some(Duration::from_secs(1000)),
        ..Settings::default()
    };
    let server = Served::on_pipes(&source, settings);
    let channel = server.connect().await;
    let mut one = Peer::open(&channel, classic("a", "")).await;
    one.take().await;
    tokio::time::sleep(Duration::from_secs(800)).await;
    let start = Instant::now();
    let mut two = Peer::open(&channel, classic("b", "")).await;
    two.take().await;
    for peer in [&mut one, &mut two] {
        let status = peer.end().await.expect("not OK");
        assert_eq!(status.code(), Code::Unavailable);
    }
    assert!((200..=300).contains(&start.elapsed().as_secs()));
}
