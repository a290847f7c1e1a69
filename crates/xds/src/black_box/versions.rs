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
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["*"], &held)).await;
    let (mut changed, mut removed) = (Vec::new(), Vec::new());
    while removed.is_empty() {
        let response = peer.take().await;
        changed.extend(resource_names(&response));
        removed.extend(response.removed_resources);
    }
    assert_eq!(
        (changed, removed),
        (
            vec!["token-2".to_owned(), "token-3".to_owned()],
            vec!["gone".to_owned()]
        )
    );
}

#[tokio::test]
async fn case_21_too_much_is_a_clean_status() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let names: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut many = DeltaPeer::open(&channel, named(&names, &[])).await;
    assert_eq!(
        many.end().await.expect("not OK").code(),
        Code::ResourceExhausted
    );
    let long = "x".repeat(5 << 20);
    let mut oversize = DeltaPeer::open(&channel, named(&["*"], &[("a", &long)])).await;
    assert!(oversize.end().await.is_some());
    let mut peer = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    assert_eq!(resource_names(&peer.take().await), ["token-1"]);
}
