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
    let x = source.push("x");
    for peer in &mut peers {
        // Where opening them all took long, a heartbeat is there before.
        let mut new = entries(&peer.take().await);
        while new.is_empty() {
            new = entries(&peer.take().await);
        }
        assert_eq!(new, ["x"]);
    }
    let acked = || {
        let roster = server.handle.roster();
        roster.iter().filter(|status| status.acked == x).count()
    };
    let all = async {
        while acked() < 100 {
            tokio::task::yield_now().await;
        }
    };
    let all = timeout(Duration::from_secs(60), all).await;
    assert!(all.is_ok(), "{} of 100", acked());
    assert_eq!(server.handle.roster().len(), 100);
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

/// A refusal waits, a full sync needs a place: neither keeps the other's.
#[tokio::test(start_paused = true)]
async fn who_refuses_a_chunk_gives_its_place_to_others_and_gets_it_back_for_the_halves() {
    let settings = Settings {
        full_sync_places: 1,
        ..small_chunks()
    };
    let source = FakeSource::with(1);
    source.push("bad");
    source.push_many(1998);
    let (_, server) = paused(source, settings);
    let mut refuses = Peer::open(&server.connect().await, classic("refuses", "")).await;
    let first = refuses.next().await;
    assert!(names(&first.resources).contains(&"bad".to_owned()));
    refuses.nack(&first, "bad is bad").await;
    // The place is free at once, for the whole set of another.
    let start = Instant::now();
    let mut other = Peer::open(&server.connect().await, classic("other", "")).await;
    let mut got = 0;
    while got < 2000 {
        got += other.take().await.resources.len();
    }
    assert_eq!((got, start.elapsed()), (2000, Duration::ZERO));
    // This one never answers: it has the place whenever its second is not over.
    let mut silent = Vec::new();
    for _ in 0..3 {
        let mut peer = DeltaPeer::open(&server.connect().await, packed(&[])).await;
        peer.next().await;
        silent.push(peer);
    }
    let mut got = BTreeSet::new();
    while got.len() < 1999 {
        let response = refuses.next().await;
        let names = names(&response.resources);
        assert!(names.is_empty() || start.elapsed().as_secs() >= 5, "held");
        match names.contains(&"bad".to_owned()) {
            true => refuses.nack(&response, "bad is bad").await,
            false => {
                got.extend(names);
                refuses.ack(&response).await;
            }
        }
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    let status = server.handle.roster();
    let status = status.iter().find(|s| s.instance == "refuses");
    assert_eq!(status.map(|s| s.not_enforced), Some(1));
}

#[tokio::test]
async fn case_39_shutdown_leaves_no_task() {
    let (_, server) = served(FakeSource::with(1)).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    state.take().await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    ours.next().await;
    let mut third = DeltaPeer::open(&channel, named(&["a"], &[])).await;
    third.take().await;
    let mut silent = Peer::silent(&channel).await;
    // It is done when the last task of a stream is.
    server.handle.drain().await;
    let ends = [
        state.end().await,
        ours.end().await,
        third.end().await,
        silent.end().await,
    ];
    for status in ends {
        assert_eq!(status.expect("not OK").code(), Code::Unavailable);
    }
    assert!(server.handle.roster().is_empty());
    drop((state, ours, third, silent, channel));
    // Neither of the streams nor of their connection.
    let gone = async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    let gone = timeout(Duration::from_secs(60), gone).await;
    assert!(gone.is_ok(), "{} tasks more than before", tasks() - before);
}
