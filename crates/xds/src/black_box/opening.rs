use super::*;

#[tokio::test]
async fn case_01_a_first_request_without_a_node_is_an_invalid_argument() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let nameless = Some(Default::default());
    for node in [None, nameless] {
        let first = DiscoveryRequest {
            node: node.clone(),
            ..DiscoveryRequest::default()
        };
        let mut state = Peer::open(&channel, first).await;
        let first = DeltaDiscoveryRequest {
            node: node.clone(),
            ..named(&["*"], &[])
        };
        let mut third = DeltaPeer::open(&channel, first).await;
        let first = DeltaDiscoveryRequest {
            node,
            ..packed(&[])
        };
        let mut ours = DeltaPeer::open(&channel, first).await;
        for end in [state.end().await, third.end().await, ours.end().await] {
            assert_eq!(end.expect("not OK").code(), Code::InvalidArgument);
        }
    }
}

#[tokio::test]
async fn case_02_the_node_is_needed_once() {
    let (source, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut delta = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    // ACKs of both carry none.
    state.take().await;
    delta.take().await;
    source.push("x");
    assert_eq!(names(&state.take().await.resources), ["x"]);
    assert_eq!(resource_names(&delta.take().await), ["x"]);
}

#[tokio::test]
async fn case_03_an_empty_type_is_ours_a_foreign_one_is_refused_and_the_server_survives() {
    let (_, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let foreign = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    let mut state = Peer::open(
        &channel,
        DiscoveryRequest {
            type_url: foreign.to_owned(),
            ..classic("gw", "")
        },
    )
    .await;
    let mut delta = DeltaPeer::open(
        &channel,
        DeltaDiscoveryRequest {
            type_url: foreign.to_owned(),
            ..named(&[], &[])
        },
    )
    .await;
    for status in [state.end().await, delta.end().await] {
        assert_eq!(status.expect("not OK").code(), Code::InvalidArgument);
    }
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    assert_eq!(state.take().await.type_url, crate::TYPE_URL);
    let mut delta = DeltaPeer::open(&channel, named(&[], &[])).await;
    let first = delta.take().await;
    assert_eq!(first.type_url, crate::TYPE_URL);
    // Also later on.
    delta
        .send(DeltaDiscoveryRequest {
            type_url: foreign.to_owned(),
            ..Default::default()
        })
        .await;
    state
        .send(DiscoveryRequest {
            type_url: foreign.to_owned(),
            ..Default::default()
        })
        .await;
    for status in [state.end().await, delta.end().await] {
        assert_eq!(status.expect("not OK").code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn case_04_every_response_has_a_nonce_of_its_own() {
    let (source, server) = served(FakeSource::with(1)).await;
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut delta = DeltaPeer::open(&channel, packed(&[])).await;
    let mut nonces = BTreeSet::new();
    for n in 0..20 {
        nonces.insert(state.take().await.nonce);
        nonces.insert(delta.take().await.nonce);
        source.push(&n.to_string());
    }
    assert_eq!(nonces.len(), 40);
    assert!(nonces.iter().all(|nonce| !nonce.is_empty()));
}
