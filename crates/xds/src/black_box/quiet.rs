use super::*;

#[tokio::test(start_paused = true)]
async fn case_10_an_idle_stream_is_silent_but_for_our_own_heartbeat() {
    let (_, server) = paused(FakeSource::with(1), Settings::default());
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    state.take().await;
    silence(state.next()).await;
    let mut third = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    third.take().await;
    silence(third.next()).await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    ours.take().await;
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(resource_names(&ours.take().await), ["checkpoint"]);
    }
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn case_11_an_empty_set_is_answered_once() {
    let (_, server) = paused(FakeSource::new(), Settings::default());
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    assert!(state.take().await.resources.is_empty());
    silence(state.next()).await;
    let mut third = DeltaPeer::open(&channel, named(&[], &[])).await;
    let only = third.take().await;
    assert!(only.resources.is_empty() && only.removed_resources.is_empty());
    silence(third.next()).await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    assert!(entries(&ours.take().await).is_empty());
    let heartbeat = Duration::from_millis(4900);
    assert!(timeout(heartbeat, ours.next()).await.is_err());
}

#[tokio::test]
async fn case_12_who_comes_late_sees_everything() {
    let (_, server) = served(FakeSource::with(3)).await;
    let channel = server.connect().await;
    let all = ["token-1", "token-2", "token-3"];
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    assert_eq!(names(&state.take().await.resources), all);
    let mut third = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    assert_eq!(resource_names(&third.take().await), all);
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    assert_eq!(entries(&ours.take().await), all);
}
