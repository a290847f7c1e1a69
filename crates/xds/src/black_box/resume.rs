use super::*;

#[tokio::test]
async fn case_27_a_known_version_gets_the_difference_alone() {
    let (source, server) = served(FakeSource::with(3)).await;
    source.push("x");
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "3-t")).await;
    assert_eq!(names(&state.take().await.resources), ["x"]);
    let mut ours = DeltaPeer::open(&channel, packed(&[("other", "9-o"), ("t", "3-t")])).await;
    assert_eq!(entries(&ours.take().await), ["x"]);
}

#[tokio::test]
async fn case_28_an_unknown_version_gets_everything_and_no_error() {
    let (_, server) = served(FakeSource::with(3)).await;
    let channel = server.connect().await;
    for version in ["652374093", "99-t", "1-u", "", "\u{1}"] {
        let mut state = Peer::open(&channel, classic("", version)).await;
        assert_eq!(state.take().await.resources.len(), 3, "{version}");
        let mut ours = DeltaPeer::open(&channel, packed(&[("t", version)])).await;
        assert_eq!(entries(&ours.take().await).len(), 3, "{version}");
    }
}

#[tokio::test]
async fn case_29_after_a_restart_a_known_version_resumes_and_a_new_ledger_sends_everything() {
    // With its disk: the same source behind another server.
    let source = Arc::new(FakeSource::with(3));
    let before = Served::on_tcp(&source, Settings::default()).await;
    let mut peer = DeltaPeer::open(&before.connect().await, packed(&[])).await;
    let at = cursor(&peer.take().await);
    before.handle.drain().await;
    source.push("x");
    let after = Served::on_tcp(&source, Settings::default()).await;
    let mut peer = DeltaPeer::open(&after.connect().await, packed(&[("t", &at)])).await;
    assert_eq!(entries(&peer.take().await), ["x"]);
    // Without it: another ledger, which does not know the version.
    let fresh = FakeSource::called("u");
    fresh.push_many(3);
    let (_, fresh) = served(fresh).await;
    let mut peer = DeltaPeer::open(&fresh.connect().await, packed(&[("t", &at)])).await;
    assert_eq!(entries(&peer.take().await).len(), 3);
}

#[tokio::test]
async fn case_30_between_two_replicas_nothing_is_lost_and_nothing_sent_twice() {
    let (one, two) = (FakeSource::called("one"), FakeSource::called("two"));
    let replicas = [served(one).await, served(two).await];
    let mut held = BTreeSet::new();
    let mut versions = [String::new(), String::new()];
    let mut sent = 0;
    for round in 0..20 {
        for (source, _) in &replicas {
            source.push(&round.to_string());
        }
        let (_, server) = &replicas[round % 2];
        let known = [("one", &*versions[0]), ("two", &*versions[1])];
        let mut peer = DeltaPeer::open(&server.connect().await, packed(&known)).await;
        let response = peer.take().await;
        sent += entries(&response).len();
        held.extend(entries(&response));
        versions[round % 2] = cursor(&response);
    }
    assert_eq!(held.len(), 20);
    // Each replica has sent each of its own once.
    assert_eq!(sent, 19 + 20);
}

#[tokio::test(start_paused = true)]
async fn case_31_a_later_expiry_is_an_update_and_nothing_else_is_pushed() {
    let (source, server) = paused(FakeSource::new(), Settings::default());
    source.push_until("a", 700);
    let channel = server.connect().await;
    let mut third = DeltaPeer::open(&channel, named(&["a"], &[])).await;
    let first = third.take().await.resources[0].version.clone();
    silence(third.next()).await;
    source.push_until("a", 900);
    assert_ne!(third.take().await.resources[0].version, first);
    silence(third.next()).await;
}

#[tokio::test(start_paused = true)]
async fn case_32_expiry_is_a_message_for_plain_clients_alone() {
    let (source, server) = paused(FakeSource::new(), Settings::default());
    source.push_until("a", 700);
    source.push_until("b", 9000);
    let channel = server.connect().await;
    let mut third = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    third.take().await;
    state.take().await;
    ours.take().await;
    source.expire(1200);
    assert_eq!(third.take().await.removed_resources, ["a"]);
    let next = ours.take().await;
    assert!(entries(&next).is_empty() && next.removed_resources.is_empty());
    silence(third.next()).await;
    silence(state.next()).await;
}
