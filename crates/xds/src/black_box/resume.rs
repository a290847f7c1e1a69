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
    let (source, before) = served(FakeSource::with(3)).await;
    let channel = before.connect().await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    let first = ours.take().await;
    let (mut held, at) = (entries(&first), cursor(&first));
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let version = state.take().await.version_info;
    before.handle.drain().await;

    // With its disk: another epoch, which knows the versions of the one before.
    let after = source.reopened("t2");
    after.push("x");
    let (reopened, after) = served(after).await;
    let channel = after.connect().await;
    let mut ours = DeltaPeer::open(&channel, packed(&[("t", &at)])).await;
    let new = ours.take().await;
    assert_eq!((entries(&new), &*cursor(&new)), (owned(&["x"]), "4-t2"));
    held.extend(entries(&new));
    assert_eq!(held, reopened.names(Audience::Rescind));
    let mut state = Peer::open(&channel, classic("gw", &version)).await;
    let new = state.take().await;
    assert_eq!(
        (names(&new.resources), &*new.version_info),
        (owned(&["x"]), "4-t2")
    );

    // Without it: another ledger, which has caught up and knows neither.
    let fresh = FakeSource::called("u");
    fresh.push_many(3);
    fresh.push("x");
    let (fresh, served) = served(fresh).await;
    let channel = served.connect().await;
    let mut ours = DeltaPeer::open(&channel, packed(&[("t", "4-t2")])).await;
    assert_eq!(entries(&ours.take().await), fresh.names(Audience::Rescind));
    let mut state = Peer::open(&channel, classic("gw", "4-t2")).await;
    assert_eq!(names(&state.take().await.resources), held);
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

/// That one revoked again makes no new entry is the ledger's part: `rescind-adapter` has this case once more, with a ledger.
#[tokio::test(start_paused = true)]
async fn case_31_a_later_expiry_is_an_update_and_a_duplicate_no_push() {
    let (source, server) = paused(FakeSource::new(), Settings::default());
    source.push_until("a", 700);
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut third = DeltaPeer::open(&channel, named(&["a"], &[])).await;
    let mut all = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    state.take().await;
    let first = third.take().await.resources[0].version.clone();
    all.take().await;
    let sent = server.metrics.responses.get();
    for _ in 0..10 {
        source.push_nothing();
    }
    silence(state.next()).await;
    silence(third.next()).await;
    silence(all.next()).await;
    assert_eq!(server.metrics.responses.get(), sent);
    source.push_until("a", 900);
    assert_eq!(names(&state.take().await.resources), ["a"]);
    let (one, other) = (third.take().await, all.take().await);
    assert_ne!(one.resources[0].version, first);
    assert_eq!(one.resources, other.resources);
    silence(state.next()).await;
    silence(third.next()).await;
    silence(all.next()).await;
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
