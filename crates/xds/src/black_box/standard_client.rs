//! An incremental client written from the specification alone: it knows names, versions, nonces, and nothing of us.

use std::collections::BTreeMap;

use super::*;

/// What any incremental client keeps.
#[derive(Debug, Default)]
struct Standard {
    subscribe: Vec<String>,
    /// Version by name.
    holds: BTreeMap<String, String>,
}

impl Standard {
    fn first(&self) -> DeltaDiscoveryRequest {
        let subscribe: Vec<_> = self.subscribe.iter().map(String::as_str).collect();
        let held: Vec<_> = self
            .holds
            .iter()
            .map(|(name, version)| (name.as_str(), version.as_str()))
            .collect();
        named(&subscribe, &held)
    }

    /// Applies a response, or says why it must be refused.
    fn apply(&mut self, response: &DeltaDiscoveryResponse) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for resource in &response.resources {
            let body = resource.resource.as_ref().ok_or("no body")?;
            if body.type_url != response.type_url {
                return Err("of another type".to_owned());
            }
            if !seen.insert(&resource.name) {
                return Err(format!("{} twice", resource.name));
            }
        }
        if response.removed_resources.iter().any(|n| seen.contains(n)) {
            return Err("there and removed".to_owned());
        }
        for resource in &response.resources {
            self.holds
                .insert(resource.name.clone(), resource.version.clone());
        }
        for name in &response.removed_resources {
            self.holds.remove(name);
        }
        Ok(())
    }

    /// Takes what comes, until nothing does.
    async fn settle(&mut self, peer: &mut DeltaPeer) {
        while let Ok(response) = timeout(Duration::from_secs(90), peer.next()).await {
            self.apply(&response).expect("a response of the standard");
            assert!(!response.nonce.is_empty());
            peer.ack(&response).await;
        }
    }
}

async fn follows(subscribe: &[&str]) {
    let settings = Settings {
        nack_hold: Duration::from_millis(1),
        ..small_chunks()
    };
    let (source, server) = paused(FakeSource::new(), settings);
    let mut client = Standard {
        subscribe: subscribe.iter().map(|n| (*n).to_owned()).collect(),
        ..Standard::default()
    };
    for round in 0..6u64 {
        let mut peer = DeltaPeer::open(&server.connect().await, client.first()).await;
        for n in 0..10 {
            source.push_until(
                &format!("token-{}", (round * 7 + n) % 23),
                600 * (round + n),
            );
        }
        client.settle(&mut peer).await;
        source.expire(600 * round);
        client.settle(&mut peer).await;
        // While it is away more happens.
        drop(peer);
        source.push_until(&format!("token-{round}"), 600 * (round + 9));
        source.expire(600 * round + 300);
    }
    let mut peer = DeltaPeer::open(&server.connect().await, client.first()).await;
    client.settle(&mut peer).await;
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
