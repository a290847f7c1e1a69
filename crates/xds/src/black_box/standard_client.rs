//! The client that knows the specification alone, at the real server.

use std::collections::BTreeMap;

use super::{standard::Standard, *};

/// Takes what comes, until nothing does.
async fn settle(client: &mut Standard, peer: &mut DeltaPeer) {
    while let Ok(response) = timeout(Duration::from_secs(90), peer.next()).await {
        let ack = client.take(&response).expect("a response of the standard");
        peer.send(ack).await;
    }
}

async fn follows(subscribe: &[&str]) {
    let settings = Settings {
        nack_hold: Duration::from_millis(1),
        ..small_chunks()
    };
    let (source, server) = paused(FakeSource::new(), settings);
    let mut client = Standard::new(subscribe);
    for round in 0..6u64 {
        let mut peer = DeltaPeer::open(&server.connect().await, client.first()).await;
        for n in 0..10 {
            source.push_until(
                &format!("token-{}", (round * 7 + n) % 23),
                600 * (round + n),
            );
        }
        settle(&mut client, &mut peer).await;
        source.expire(600 * round);
        settle(&mut client, &mut peer).await;
        // While it is away more happens.
        drop(peer);
        source.push_until(&format!("token-{round}"), 600 * (round + 9));
        source.expire(600 * round + 300);
    }
    let mut peer = DeltaPeer::open(&server.connect().await, client.first()).await;
    settle(&mut client, &mut peer).await;
    let horizon = 600 * 5 + 300;
    let all = crate::Source::names(&*source).expect("names");
    let all = all.read_named(
        crate::Position(0),
        source.head_now().position,
        horizon,
        usize::MAX,
    );
    let mut expected: BTreeMap<_, _> = all
        .resources
        .into_iter()
        .map(|named| (named.name, named.version))
        .collect();
    if !subscribe.is_empty() && !subscribe.contains(&"*") {
        expected.retain(|name, _| subscribe.contains(&name.as_str()));
    }
    assert_eq!(client.holds, expected, "{subscribe:?}");
    assert!(!expected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_standard_client_follows_everything() {
    follows(&[]).await;
    follows(&["*"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_standard_client_follows_some_names() {
    follows(&["token-3", "token-5", "token-20", "never"]).await;
    follows(&["*", "token-3"]).await;
}
