use super::*;

#[tokio::test]
async fn case_33_an_old_server_says_that_it_has_no_incremental_stream() {
    // What our client does then: case 33 of `client::tests::delta`.
    let (_, server) = served(FakeSource::old()).await;
    let mut client = RevokedTokenDiscoveryServiceClient::new(server.connect().await);
    let refused = client
        .delta_tokens(tokio_stream::iter([packed(&[])]))
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn case_34_pages_by_version_and_an_empty_one_at_the_head_alone() {
    let source = Arc::new(FakeSource::with(4));
    source.push_app("app");
    source.push_app("user");
    source.push("last");
    let server = Served::on_tcp(&source, small_chunks()).await;
    let mut client = RevokedTokenDiscoveryServiceClient::new(server.connect().await);
    for (audience, first) in [
        (Audience::Classic, classic("", "")),
        (Audience::Rescind, rescind("", "")),
    ] {
        let (mut got, mut request) = (Vec::new(), first);
        loop {
            let page = client.fetch_tokens(request.clone()).await.expect("a page");
            let page = page.into_inner();
            assert_eq!(page.control_plane.is_some(), audience == Audience::Rescind);
            let empty = page.resources.is_empty();
            assert_eq!(empty, request.version_info == "7-t", "{page:?}");
            if empty {
                break;
            }
            got.extend(names(&page.resources));
            request.version_info = page.version_info;
        }
        assert_eq!(got, source.names(audience));
    }
    let foreign = client.fetch_tokens(DiscoveryRequest {
        type_url: "other".to_owned(),
        ..classic("", "")
    });
    assert_eq!(
        foreign.await.expect_err("refused").code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn case_34_what_is_for_others_makes_no_empty_page() {
    let (source, server) = served(FakeSource::new()).await;
    for _ in 0..50 {
        source.push_app("app");
    }
    source.push("token");
    let mut client = RevokedTokenDiscoveryServiceClient::new(server.connect().await);
    let page = client.fetch_tokens(classic("", "")).await.expect("a page");
    let page = page.into_inner();
    assert_eq!(names(&page.resources), ["token"]);
    assert_eq!(page.version_info, "51-t");
}

#[tokio::test]
async fn case_35_who_may_not_subscribe_is_refused_by_every_method() {
    let source = Arc::new(FakeSource::with(1));
    let settings = Settings {
        admit: Admit::by(|identity| identity == "gateway"),
        ..Settings::default()
    };
    let server = Served::called("stranger", &source, settings).await;
    let mut client = RevokedTokenDiscoveryServiceClient::new(server.connect().await);
    let state = client.stream_tokens(tokio_stream::iter([classic("", "")]));
    let state = state.await.expect_err("refused");
    let delta = client.delta_tokens(tokio_stream::iter([packed(&[])]));
    let delta = delta.await.expect_err("refused");
    let page = client.fetch_tokens(classic("", "")).await;
    for status in [state, delta, page.expect_err("refused")] {
        assert_eq!(status.code(), Code::PermissionDenied);
    }
    assert!(server.handle.roster().is_empty());
    let settings = Settings {
        admit: Admit::by(|identity| identity == "gateway"),
        ..Settings::default()
    };
    let server = Served::called("gateway", &source, settings).await;
    let mut state = Peer::open(&server.connect().await, classic("gw", "")).await;
    assert_eq!(names(&state.take().await.resources), ["token-1"]);
}

#[tokio::test(start_paused = true)]
async fn case_36_an_old_connection_says_goaway_and_ends_at_a_random_moment_with_no_loss() {
    let settings = Settings {
        max_connection_age: Some(Duration::from_secs(1000)),
        ..Settings::default()
    };
    let (source, server) = paused(FakeSource::with(1), settings);
    let mut ends = BTreeSet::new();
    for round in 0..4 {
        let start = Instant::now();
        let channel = server.connect().await;
        let mut peer = Peer::open(&channel, classic("gw", "")).await;
        let mut version = peer.take().await.version_info;
        tokio::time::sleep(Duration::from_millis(999_500)).await;
        assert!(takes_streams(&channel).await, "before its age");
        tokio::time::sleep(Duration::from_millis(501)).await;
        assert!(!takes_streams(&channel).await, "GOAWAY");
        // What it carries goes on, so what is revoked now is not held up by it.
        let pushed = format!("x-{round}");
        source.push(&pushed);
        if let Ok(Some(response)) = peer.responses.message().await {
            peer.ack(&response).await;
            assert_eq!(names(&response.resources), [pushed.as_str()]);
            version = response.version_info;
            let status = peer.end().await.expect("not OK");
            assert_eq!(status.code(), Code::Unavailable);
        }
        let age = start.elapsed();
        assert!((1000..=1100).contains(&age.as_secs()), "{age:?}");
        ends.insert(age.as_millis());
        source.push("y");
        let mut peer = Peer::open(&server.connect().await, classic("gw", &version)).await;
        assert_eq!(
            names(&peer.take().await.resources).last().map(|n| &**n),
            Some("y")
        );
    }
    assert!(ends.len() > 1, "all at the same age");
}

/// Whether a connection takes another stream.
async fn takes_streams(channel: &tonic::transport::Channel) -> bool {
    let mut client = RevokedTokenDiscoveryServiceClient::new(channel.clone());
    let first = classic("another", "");
    client.fetch_tokens(first).await.is_ok()
}
