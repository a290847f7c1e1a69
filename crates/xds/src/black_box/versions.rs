use super::*;

#[tokio::test(start_paused = true)]
async fn case_19_who_holds_everything_gets_one_completion() {
    let (_, server) = paused(FakeSource::with(2), Settings::default());
    let version = u64::MAX.to_string();
    let held = [("token-1", &*version), ("token-2", &*version)];
    for subscribe in [&["*"][..], &[], &["token-1", "token-2"]] {
        let mut peer = DeltaPeer::open(&server.connect().await, named(subscribe, &held)).await;
        let only = peer.take().await;
        assert!(only.resources.is_empty() && only.removed_resources.is_empty());
        silence(peer.next()).await;
    }
    let mut ours = DeltaPeer::open(&server.connect().await, packed(&[("t", "2-t")])).await;
    assert_eq!(resource_names(&ours.take().await), ["checkpoint"]);
}

#[tokio::test]
async fn case_20_stale_missing_and_deleted_names_are_put_right() {
    let (_, server) = served(FakeSource::with(3)).await;
    let version = u64::MAX.to_string();
    let held = [("token-1", &*version), ("token-2", "old"), ("gone", "7")];
    for subscribe in [&["*"][..], &["token-1", "token-2", "token-3", "gone"]] {
        let mut peer = DeltaPeer::open(&server.connect().await, named(subscribe, &held)).await;
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        while removed.is_empty() || changed.len() < 2 {
            let response = peer.take().await;
            changed.extend(resource_names(&response));
            removed.extend(response.removed_resources);
        }
        changed.sort();
        assert_eq!(
            (changed, removed),
            (owned(&["token-2", "token-3"]), owned(&["gone"]))
        );
    }
}

#[tokio::test]
async fn case_21_too_much_is_a_clean_status_and_the_connection_goes_on() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut live = DeltaPeer::open(&channel, named(&["later"], &[])).await;
    live.take().await;
    let names: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // At first, and one by one.
    let mut many = DeltaPeer::open(&channel, named(&names, &[])).await;
    let mut more = DeltaPeer::open(&channel, named(&names[..1000], &[])).await;
    more.take().await;
    more.subscribe(&names[1000..], &[]).await;
    for end in [many.end().await, more.end().await] {
        assert_eq!(end.expect("not OK").code(), Code::ResourceExhausted);
    }
    // As many names as hold 4 MiB and more.
    let version = u64::MAX.to_string();
    let map: Vec<String> = (0..80_000)
        .map(|n| format!("7f3a9d52-6c1e-4b7a-9f00-{n:012}"))
        .collect();
    let map: Vec<(&str, &str)> = map.iter().map(|name| (name.as_str(), &*version)).collect();
    let mut oversize = DeltaPeer::open(&channel, named(&["*"], &map)).await;
    let end = oversize.end().await.expect("not OK");
    assert_eq!(end.code(), Code::OutOfRange, "{end:?}");
    assert!(end.message().contains("4194304"), "{end:?}");
    // Half as many are taken.
    let mut large = DeltaPeer::open(&channel, named(&["*"], &map[..40_000])).await;
    assert_eq!(resource_names(&large.take().await), ["token-1"]);
    live.subscribe(&["token-1"], &[]).await;
    assert_eq!(resource_names(&live.take().await), ["token-1"]);
}
