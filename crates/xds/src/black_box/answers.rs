use super::*;
use crate::fixtures::wire::answer;

#[tokio::test(start_paused = true)]
async fn case_05_a_stale_nonce_is_ignored() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let first = peer.take().await;
    source.push("x");
    let second = peer.next().await;
    // The answer to the first once more: the second is still due.
    peer.ack(&first).await;
    source.push("y");
    let quiet = Duration::from_secs(10);
    assert!(timeout(quiet, peer.next()).await.is_err());
    assert_eq!(server.metrics.stale_nonces.get(), 1);
    peer.ack(&second).await;
    assert_eq!(names(&peer.take().await.resources), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn case_06_a_stale_nonce_loses_no_subscription() {
    let (source, server) = paused(FakeSource::with(2), Settings::default());
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["token-1"], &[])).await;
    let first = peer.take().await;
    let stale = |subscribe: &[&str], unsubscribe: &[&str]| {
        let change = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        DeltaDiscoveryRequest {
            resource_names_subscribe: change(subscribe),
            resource_names_unsubscribe: change(unsubscribe),
            ..answer_delta(&first, None)
        }
    };
    peer.send(stale(&["token-2"], &[])).await;
    let second = peer.next().await;
    assert_eq!(resource_names(&second), ["token-2"]);
    // While another answer is due: it is heard, and counts for no answer.
    peer.send(stale(&["later"], &["token-1"])).await;
    source.push("later");
    source.push_until("token-1", 9000);
    let quiet = Duration::from_secs(10);
    assert!(timeout(quiet, peer.next()).await.is_err());
    peer.ack(&second).await;
    assert_eq!(resource_names(&peer.take().await), ["later"]);
    silence(peer.next()).await;
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
    let status = &server.handle.roster()[0];
    assert_eq!(status.state, ClientState::Error);
    assert_eq!(status.last_error.as_deref(), Some("token-5 is bad"));
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

/// What is new ends the wait: it does not stand behind what was refused.
#[tokio::test(start_paused = true)]
async fn case_07_the_next_change_is_delivered_at_once_and_its_ack_clears_the_error() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut third = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    let refused = state.next().await;
    state.nack(&refused, "token-1 is bad").await;
    let refused = third.next().await;
    third.nack(&refused).await;
    let quiet = Duration::from_secs(4);
    assert!(timeout(quiet, state.next()).await.is_err());
    assert_eq!(states(&server), [ClientState::Error; 2]);
    let start = Instant::now();
    source.push("x");
    assert_eq!(names(&state.take().await.resources), ["x"]);
    assert_eq!(resource_names(&third.take().await), ["x"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
    silence(state.next()).await;
    assert_eq!(states(&server), [ClientState::Synced; 2]);
    let skipped: Vec<_> = server
        .handle
        .roster()
        .iter()
        .map(|s| s.not_enforced)
        .collect();
    assert_eq!(skipped, [1, 1]);
}

fn states(server: &Served) -> Vec<ClientState> {
    server.handle.roster().iter().map(|s| s.state).collect()
}

#[tokio::test(start_paused = true)]
async fn case_07_the_same_for_named_resources() {
    let (_, server) = paused(FakeSource::with(16), Settings::default());
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["*"], &[])).await;
    let start = Instant::now();
    let mut got = BTreeSet::new();
    while got.len() < 15 {
        let response = peer.next().await;
        let names = resource_names(&response);
        match names.contains(&"token-5".to_owned()) {
            true => peer.nack(&response).await,
            false => {
                got.extend(names);
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
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let first = state.next().await;
    // There is no good version before it.
    let nack = DiscoveryRequest {
        version_info: String::new(),
        ..answer(&first, Some("no"))
    };
    state.send(nack).await;
    silence(state.next()).await;
    assert_eq!(server.metrics.responses.get(), 1);
    let mut third = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    let first = third.next().await;
    third.nack(&first).await;
    silence(third.next()).await;
    assert_eq!(server.metrics.responses.get(), 2);
    // Ours hears a checkpoint each five seconds, and never that again.
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    let first = ours.next().await;
    ours.nack(&first).await;
    for _ in 0..100 {
        assert!(entries(&ours.take().await).is_empty());
    }
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
