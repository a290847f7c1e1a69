use super::*;

async fn third(server: &Served, subscribe: &[&str]) -> DeltaPeer {
    DeltaPeer::open(&server.connect().await, named(subscribe, &[])).await
}

#[tokio::test(start_paused = true)]
async fn case_13_legacy_wildcard_then_named_then_empty() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let mut peer = third(&server, &[]).await;
    assert_eq!(resource_names(&peer.take().await), ["token-1"]);
    peer.subscribe(&["token-1"], &[]).await;
    assert_eq!(resource_names(&peer.take().await), ["token-1"]);
    // An empty list changes nothing: it is a wildcard still.
    peer.subscribe(&[], &[]).await;
    source.push("x");
    assert_eq!(resource_names(&peer.take().await), ["x"]);
    silence(peer.next()).await;
}

#[tokio::test(start_paused = true)]
async fn case_14_the_wildcard_comes_and_goes_like_a_name() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let mut peer = third(&server, &["token-1"]).await;
    peer.take().await;
    source.push("x");
    peer.subscribe(&["*"], &[]).await;
    // First what became of the name, which the wildcard would not tell if it were gone; then everything.
    assert_eq!(resource_names(&peer.take().await), ["token-1"]);
    assert_eq!(resource_names(&peer.take().await), ["token-1", "x"]);
    // The answer shows that the server has heard it.
    peer.subscribe(&["token-1"], &["*"]).await;
    assert_eq!(resource_names(&peer.take().await), ["token-1"]);
    source.push("y");
    silence(peer.next()).await;
}

#[tokio::test]
async fn case_15_a_name_that_is_left_under_a_wildcard_is_answered() {
    let (_, server) = served(FakeSource::with(1)).await;
    let mut peer = third(&server, &["*", "token-1", "gone"]).await;
    let first = peer.take().await;
    assert_eq!(
        (resource_names(&first), first.removed_resources),
        (vec!["token-1".to_owned()], vec!["gone".to_owned()])
    );
    peer.take().await;
    peer.subscribe(&[], &["token-1", "gone"]).await;
    let answer = peer.take().await;
    assert_eq!(
        (resource_names(&answer), answer.removed_resources),
        (vec!["token-1".to_owned()], vec!["gone".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn case_16_leaving_what_was_never_subscribed_is_no_error() {
    let (source, server) = paused(FakeSource::with(1), Settings::default());
    let mut peer = third(&server, &["token-1"]).await;
    peer.take().await;
    peer.subscribe(&[], &["never"]).await;
    source.push("other");
    silence(peer.next()).await;
    source.push_until("token-1", 9000);
    assert_eq!(resource_names(&peer.take().await), ["token-1"]);
}

#[tokio::test]
async fn case_17_a_held_name_that_is_subscribed_again_is_sent_again() {
    let (_, server) = served(FakeSource::with(1)).await;
    let mut peer = third(&server, &["token-1"]).await;
    for _ in 0..3 {
        assert_eq!(resource_names(&peer.take().await), ["token-1"]);
        peer.subscribe(&["token-1"], &[]).await;
    }
    // And for ours it is a walk over everything.
    let mut ours = DeltaPeer::open(&server.connect().await, packed(&[("t", "1-t")])).await;
    ours.take().await;
    ours.subscribe(&["log"], &[]).await;
    assert_eq!(entries(&ours.take().await), ["token-1"]);
}

#[tokio::test]
async fn case_18_a_missing_name_is_removed_and_pushed_once_it_is_there() {
    let (source, server) = served(FakeSource::with(1)).await;
    let mut peer = third(&server, &["later"]).await;
    assert_eq!(peer.take().await.removed_resources, ["later"]);
    source.push("later");
    assert_eq!(resource_names(&peer.take().await), ["later"]);
    // Beside a wildcard too.
    let mut peer = third(&server, &["*", "never"]).await;
    assert_eq!(peer.take().await.removed_resources, ["never"]);
    let mut all = Vec::new();
    while all.len() < 2 {
        all.extend(resource_names(&peer.take().await));
    }
    source.push("never");
    assert_eq!(resource_names(&peer.take().await), ["never"]);
}
