use super::*;

#[tokio::test(start_paused = true)]
async fn case_05_a_stale_nonce_is_ignored() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let first = peer.take().await;
    source.push("x");
    peer.next().await;
    // The answer to the first once more: the second is still due.
    peer.ack(&first).await;
    source.push("y");
    let quiet = Duration::from_secs(10);
    assert!(timeout(quiet, peer.next()).await.is_err());
    assert_eq!(server.metrics.stale_nonces.get(), 1);
}

#[tokio::test]
async fn case_06_a_stale_nonce_loses_no_subscription() {
    let (_, server) = served(FakeSource::with(2)).await;
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["token-1"], &[])).await;
    let first = peer.take().await;
    peer.send(DeltaDiscoveryRequest {
        resource_names_subscribe: vec!["token-2".to_owned()],
        ..answer_delta(&first, None)
    })
    .await;
    assert_eq!(resource_names(&peer.take().await), ["token-2"]);
}

#[tokio::test(start_paused = true)]
async fn case_07_after_a_nack_nothing_for_5_s_then_halves_until_the_bad_one_is_alone() {
    let (source, server) = paused(FakeSource::with(16), Settings::default());
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let all = peer.next().await;
    peer.nack(&all, "token-5 is bad").await;
    let start = Instant::now();
    let half = peer.next().await;
    assert_eq!(
        (start.elapsed().as_secs(), half.resources.len()),
        (5, 8),
        "a pause, then a half"
    );
    assert_eq!(server.handle.roster()[0].state, ClientState::Error);
    let (mut got, mut response) = (BTreeSet::new(), half);
    while got.len() < 15 {
        let names = names(&response.resources);
        match names.contains(&"token-5".to_owned()) {
            true => peer.nack(&response, "token-5 is bad").await,
            false => {
                got.extend(names);
                peer.ack(&response).await;
            }
        }
        if got.len() < 15 {
            response = peer.next().await;
        }
    }
    assert!(!got.contains("token-5"));
    source.push("x");
    assert_eq!(names(&peer.take().await.resources), ["x"]);
    let status = &server.handle.roster()[0];
    assert_eq!(status.not_enforced, 1, "skipped and shown");
    source.push("y");
    peer.next().await;
    assert_eq!(server.handle.roster()[0].state, ClientState::Synced);
}

#[tokio::test(start_paused = true)]
async fn case_07_the_same_for_packed_ranges() {
    let (_, server) = paused(FakeSource::with(16), Settings::default());
    let mut peer = DeltaPeer::open(&server.connect().await, packed(&[])).await;
    let start = Instant::now();
    let mut got = BTreeSet::new();
    while got.len() < 15 {
        let response = peer.next().await;
        let entries = entries(&response);
        match entries.contains(&"token-5".to_owned()) {
            true => peer.nack(&response).await,
            false => {
                got.extend(entries);
                peer.ack(&response).await;
            }
        }
    }
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(server.handle.roster()[0].not_enforced, 1);
}

#[tokio::test(start_paused = true)]
async fn case_08_a_nack_of_the_first_response_brings_no_loop() {
    let (_, server) = paused(FakeSource::with(1), Settings::default());
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let first = peer.next().await;
    peer.nack(&first, "no").await;
    silence(peer.next()).await;
    assert_eq!(server.metrics.responses.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn case_09_a_second_ack_brings_nothing() {
    let (_, server) = paused(FakeSource::with(1), Settings::default());
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let first = state.take().await;
    state.ack(&first).await;
    silence(state.next()).await;
    let mut delta = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    let first = delta.take().await;
    delta.ack(&first).await;
    silence(delta.next()).await;
}
