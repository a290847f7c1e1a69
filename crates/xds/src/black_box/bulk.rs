use std::collections::BTreeMap;

use prost::Message as _;
use rescind_proto::envoy::service::discovery::v3::DiscoveryResponse;

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
    assert_eq!(got, COUNT);
    let (mut got, mut third) = (0, DeltaPeer::open(&channel, named(&["*"], &[])).await);
    while got < COUNT {
        let response = third.take().await;
        assert!(response.encoded_len() <= limit);
        got += response.resources.len();
    }
    assert_eq!(got, COUNT);
    let (mut got, mut ours) = (0, DeltaPeer::open(&channel, packed(&[])).await);
    while got < COUNT {
        let response = ours.take().await;
        assert!(response.encoded_len() <= limit);
        got += entries(&response).len();
    }
    assert_eq!(got, COUNT);
}

/// What the three forms hold, and what they would say when they come back.
#[derive(Default)]
struct Three {
    state: (BTreeSet<String>, String),
    ours: (BTreeSet<String>, String),
    third: BTreeMap<String, String>,
}

impl Three {
    fn hold(&self, count: usize) -> bool {
        [self.state.0.len(), self.ours.0.len(), self.third.len()] == [count; 3]
    }

    fn took_state(&mut self, response: &DiscoveryResponse) {
        self.state.0.extend(names(&response.resources));
        self.state.1.clone_from(&response.version_info);
    }

    fn took_ours(&mut self, response: &DeltaDiscoveryResponse) {
        self.ours.0.extend(entries(response));
        self.ours.1 = cursor(response);
    }

    fn took_third(&mut self, response: &DeltaDiscoveryResponse) {
        let new = response.resources.iter();
        let new = new.map(|new| (new.name.clone(), new.version.clone()));
        self.third.extend(new);
    }

    fn first_of_third(&self) -> DeltaDiscoveryRequest {
        let held = self.third.iter();
        let held: Vec<_> = held.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        named(&["*"], &held)
    }

    /// Nothing is missing, and nothing is there that was never revoked.
    fn assert_all_of(&self, source: &FakeSource) {
        let all: BTreeSet<_> = source.names(Audience::Rescind).into_iter().collect();
        let third: BTreeSet<_> = self.third.keys().cloned().collect();
        assert_eq!([&self.state.0, &self.ours.0, &third], [&all; 3]);
    }
}

#[tokio::test]
async fn case_23_a_connection_that_is_lost_between_chunks_costs_nothing() {
    let source = Arc::new(FakeSource::with(40));
    let server = Served::on_tcp(&source, small_chunks()).await;
    let mut held = Three::default();
    while !held.hold(40) {
        let first = classic("gw", &held.state.1);
        let mut state = Peer::open(&server.connect().await, first).await;
        let first = packed(&[("t", &held.ours.1)]);
        let mut ours = DeltaPeer::open(&server.connect().await, first).await;
        let first = held.first_of_third();
        let mut third = DeltaPeer::open(&server.connect().await, first).await;
        held.took_state(&state.take().await);
        held.took_ours(&ours.take().await);
        held.took_third(&third.take().await);
        // One more is on its way, and is lost with its connection.
        if !held.hold(40) {
            let lost = (state.next(), ours.next(), third.next());
            let _ = timeout(Duration::from_millis(20), async {
                tokio::join!(lost.0, lost.1, lost.2)
            })
            .await;
        }
    }
    held.assert_all_of(&source);
}

#[tokio::test]
async fn case_24_what_is_revoked_during_a_full_sync_is_not_lost() {
    let source = Arc::new(FakeSource::with(30));
    let server = Served::on_tcp(&source, small_chunks()).await;
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    let mut third = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    let mut held = Three::default();
    while !held.hold(50) {
        if source.head_now().position.0 < 50 {
            source.push_many(2);
        }
        if held.state.0.len() < 50 {
            held.took_state(&state.take().await);
        }
        if held.ours.0.len() < 50 {
            held.took_ours(&ours.take().await);
        }
        if held.third.len() < 50 {
            held.took_third(&third.take().await);
        }
    }
    held.assert_all_of(&source);
}

/// It reads no more and answers no more. What is sent to it fits into no window, so most of it stays on the server.
#[tokio::test(start_paused = true)]
async fn case_25_a_slow_reader_costs_one_response_and_goes_on_with_one() {
    let (source, server) = paused(tokens(60_000), Settings::default());
    let slow = Peer::open(&server.connect().await, classic("slow", "")).await;
    let held = classic("other", "60000-t");
    let mut other = Peer::open(&server.connect().await, held).await;
    other.take().await;
    let start = Instant::now();
    for n in 0..500 {
        source.push(&n.to_string());
        assert_eq!(names(&other.take().await.resources), [n.to_string()]);
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for it");
    // Of all that only the first chunk was made for it: nothing is queued.
    assert_eq!(server.metrics.responses.get(), 1 + 501);
    assert_eq!(server.handle.roster().len(), 2);

    let mut slow = slow;
    let mut got = 0;
    let mut last = Vec::new();
    while got < 60_500 {
        last = names(&slow.take().await.resources);
        got += last.len();
    }
    assert_eq!(got, 60_500);
    assert_eq!(last.last().map(String::as_str), Some("499"));
    // As many as its size asks for: what came meanwhile is not one response each.
    assert_eq!(server.metrics.responses.get(), 2 + 501);
}

#[tokio::test]
async fn case_26_a_thousand_revocations_before_an_ack_are_one_response() {
    let (source, server) = served(FakeSource::new()).await;
    let channel = server.connect().await;
    let mut state = Peer::open(&channel, classic("gw", "")).await;
    let mut ours = DeltaPeer::open(&channel, packed(&[])).await;
    let mut third = DeltaPeer::open(&channel, named(&["*"], &[])).await;
    let (first, begun, all) = (state.next().await, ours.next().await, third.next().await);
    for _ in 0..1000 {
        source.push_many(1);
    }
    state.ack(&first).await;
    ours.ack(&begun).await;
    third.ack(&all).await;
    assert_eq!(state.take().await.resources.len(), 1000);
    assert_eq!(entries(&ours.take().await).len(), 1000);
    assert_eq!(third.take().await.resources.len(), 1000);
}
