//! At a hundredth of their size: whole, they are measured, not tested.

use super::*;

#[tokio::test]
async fn case_37_a_hundred_streams_ack_one_revocation() {
    let (source, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut peers = Vec::new();
    for n in 0..100 {
        let held = packed(&[("t", "1-t")]);
        let mut peer = match n % 2 {
            0 => DeltaPeer::open(&channel, held).await,
            _ => DeltaPeer::open(&server.connect().await, held).await,
        };
        peer.take().await;
        peers.push(peer);
    }
    source.push("x");
    for peer in &mut peers {
        // Where opening them all took long, a heartbeat is there before.
        let mut new = entries(&peer.take().await);
        while new.is_empty() {
            new = entries(&peer.take().await);
        }
        assert_eq!(new, ["x"]);
    }
    while server.metrics.acks.get() < 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn case_38_a_storm_of_full_syncs_holds_up_no_live_push() {
    let settings = Settings {
        full_sync_places: 2,
        ..small_chunks()
    };
    let (source, server) = paused(FakeSource::with(2000), settings);
    let mut steady = DeltaPeer::open(&server.connect().await, packed(&[("t", "2000-t")])).await;
    steady.take().await;
    // Nobody of these ever answers: each keeps its place for a second.
    let mut storm = Vec::new();
    for _ in 0..10 {
        let mut peer = DeltaPeer::open(&server.connect().await, packed(&[])).await;
        let first = peer.next().await;
        storm.push((peer, first));
    }
    let begun = storm.iter().filter(|(_, first)| !entries(first).is_empty());
    let under_way = begun.count();
    assert_eq!(under_way, 2, "places");
    let start = Instant::now();
    for n in 0..50 {
        source.push(&n.to_string());
        assert_eq!(entries(&steady.take().await), [n.to_string()]);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    // Who waits and answers gets its turn, whoever stands before it without answering.
    let (peer, first) = storm.last_mut().expect("ten");
    peer.ack(first).await;
    turn_comes(peer).await;
}

/// Answers until a part of the set comes.
async fn turn_comes(peer: &mut DeltaPeer) {
    let turn = async {
        loop {
            let response = peer.next().await;
            peer.ack(&response).await;
            if !entries(&response).is_empty() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(60), turn)
        .await
        .expect("its turn");
}

#[tokio::test(start_paused = true)]
async fn who_waits_and_cannot_go_on_holds_up_nobody_behind() {
    let settings = Settings {
        full_sync_places: 1,
        ..small_chunks()
    };
    let (_, server) = paused(FakeSource::with(2000), settings);
    let mut busy = DeltaPeer::open(&server.connect().await, packed(&[])).await;
    assert!(!entries(&busy.next().await).is_empty());
    let silent = DeltaPeer::open(&server.connect().await, packed(&[])).await;
    let mut left = DeltaPeer::open(&server.connect().await, packed(&[])).await;
    left.take().await;
    left.subscribe(&[], &["log"]).await;
    let mut all = DeltaPeer::open(&server.connect().await, named(&["*"], &[])).await;
    all.take().await;
    all.subscribe(&[], &["*"]).await;
    let mut last = DeltaPeer::open(&server.connect().await, packed(&[])).await;
    last.take().await;
    turn_comes(&mut last).await;
    drop((busy, silent, left, all));
}

#[tokio::test]
async fn case_39_shutdown_leaves_no_task() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    state.take().await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    ours.next().await;
    let mut third = DeltaPeer::open(&channel, named(&["a"], &[])).await;
    third.take().await;
    // It is done when the last task of a stream is.
    server.handle.drain().await;
    for status in [state.end().await, ours.end().await, third.end().await] {
        assert_eq!(status.expect("not OK").code(), Code::Unavailable);
    }
    assert!(server.handle.roster().is_empty());
}
