use prost::Message as _;

use super::*;

/// Names as long as identifiers are.
fn tokens(count: usize) -> FakeSource {
    let source = FakeSource::new();
    for n in 0..count {
        source.push(&format!("7f3a9d52-6c1e-4b7a-9f00-{n:012}"));
    }
    source
}

#[tokio::test]
async fn case_22_every_message_is_below_the_limit_of_a_default_client() {
    const COUNT: usize = 100_000;
    let (_, server) = served(tokens(COUNT)).await;
    let channel = server.connect().await;
    let limit = 4 << 20;
    let (mut got, mut state) = (0, Peer::open(&channel, classic("gw", "")).await);
    while got < COUNT {
        let response = state.take().await;
        assert!(response.encoded_len() <= limit);
        got += response.resources.len();
    }
    let (mut got, mut third) = (0, DeltaPeer::open(&channel, named(&["*"], &[])).await);
    while got < COUNT {
        let response = third.take().await;
        assert!(response.encoded_len() <= limit);
        got += response.resources.len();
    }
    let (mut got, mut ours) = (0, DeltaPeer::open(&channel, packed(&[])).await);
    while got < COUNT {
        let response = ours.take().await;
        assert!(response.encoded_len() <= limit);
        got += entries(&response).len();
    }
}

#[tokio::test]
async fn case_23_a_connection_that_is_lost_between_chunks_costs_nothing() {
    let source = Arc::new(FakeSource::with(40));
    let server = Served::on_tcp(&source, small_chunks()).await;
    let (mut held, mut version) = (BTreeSet::new(), String::new());
    let (mut held_packed, mut at) = (BTreeSet::new(), String::new());
    while held.len() < 40 || held_packed.len() < 40 {
        let mut state = Peer::open(&server.connect().await, classic("gw", &version)).await;
        let mut ours = DeltaPeer::open(&server.connect().await, packed(&[("t", &at)])).await;
        for _ in 0..2 {
            if held.len() < 40 {
                let response = state.take().await;
                held.extend(names(&response.resources));
                version = response.version_info;
            }
            if held_packed.len() < 40 {
                let response = ours.take().await;
                held_packed.extend(entries(&response));
                at = cursor(&response);
            }
        }
    }
    let all: BTreeSet<_> = source.names(Audience::Rescind).into_iter().collect();
    assert_eq!((held, held_packed), (all.clone(), all));
}

#[tokio::test]
async fn case_24_what_is_revoked_during_a_full_sync_is_not_lost() {
    let source = Arc::new(FakeSource::with(30));
    let server = Served::on_tcp(&source, small_chunks()).await;
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    let (mut held, mut held_packed) = (BTreeSet::new(), BTreeSet::new());
    while held.len() < 50 || held_packed.len() < 50 {
        if source.head_now().position.0 < 50 {
            source.push_many(2);
        }
        if held.len() < 50 {
            held.extend(names(&state.take().await.resources));
        }
        if held_packed.len() < 50 {
            held_packed.extend(entries(&ours.take().await));
        }
    }
    assert_eq!(held, held_packed);
}

#[tokio::test]
async fn case_25_a_slow_reader_costs_one_number_and_goes_on_with_one_response() {
    let (source, server) = served(tokens(1)).await;
    let mut slow = Peer::open(&server.connect().await, classic("slow", "")).await;
    let due = slow.next().await;
    let mut other = Peer::open(&server.connect().await, classic("other", "")).await;
    other.take().await;
    for n in 0..500 {
        source.push(&n.to_string());
        other.take().await;
    }
    assert_eq!(server.handle.roster().len(), 2);
    slow.ack(&due).await;
    assert_eq!(slow.take().await.resources.len(), 500);
}

#[tokio::test]
async fn case_26_a_thousand_revocations_before_an_ack_are_one_response() {
    let (source, server) = served(FakeSource::new()).await;
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    let (first, begun) = (state.next().await, ours.next().await);
    for _ in 0..1000 {
        source.push_many(1);
    }
    state.ack(&first).await;
    ours.ack(&begun).await;
    assert_eq!(state.take().await.resources.len(), 1000);
    assert_eq!(entries(&ours.take().await).len(), 1000);
}
