//! Over `DeltaTokens`, against the real server.

use super::*;
use crate::server::{Method, StreamStatus};

#[tokio::test]
async fn it_holds_everything_with_a_checkpoint_and_goes_on_at_its_place() {
    let source = Arc::new(FakeSource::with(3));
    source.complete();
    let server = Served::on_tcp(&source, Settings::default()).await;
    let mut client = Running::start(config(&[&server.address()]));
    let seen = client.until(|seen| seen.checkpoint.is_some()).await;
    let checkpoint = seen.checkpoint.expect("one");
    assert_eq!((checkpoint.count, checkpoint.complete), (3, true));
    assert_eq!(seen.versions, [("t".to_owned(), "3-t".to_owned())].into());
    assert_eq!(
        server.handle.roster()[0].method,
        crate::server::Method::DeltaRange
    );
    source.push("x");
    client.until(|seen| seen.names.contains("x")).await;
    server.handle.drain().await;
    assert_eq!(server.metrics.resources.get(), 4);
}

#[tokio::test]
async fn between_two_adapters_it_resumes_at_its_own_place_of_each() {
    let (one, two) = (FakeSource::called("one"), FakeSource::called("two"));
    one.push_many(5);
    two.push_many(5);
    let (one, two) = (Arc::new(one), Arc::new(two));
    let mut served = Vec::new();
    for source in [&one, &two] {
        served.push(Served::on_tcp(source, Settings::default()).await);
    }
    let addresses: Vec<_> = served.iter().map(Served::address).collect();
    let config = ClientConfig {
        source_age: Duration::MAX,
        ..config(&[&addresses[0], &addresses[1]])
    };
    let mut client = Running::start(config);
    for round in 0..4 {
        // Wherever it is, its stream is ended, and it goes to the other one.
        let expected = 2.min(round + 1);
        let seen = client.until(|seen| seen.versions.len() >= expected).await;
        let at = seen.versions.clone();
        one.push(&format!("one-{round}"));
        two.push(&format!("two-{round}"));
        client.until(|seen| seen.versions != at).await;
        let used = loop {
            let used = served.iter().find(|s| !s.handle.roster().is_empty());
            match used {
                Some(used) => break used,
                None => tokio::task::yield_now().await,
            }
        };
        used.handle.end_all();
    }
    client
        .until(|seen| seen.names.contains("one-3") && seen.names.contains("two-3"))
        .await;
    // Each sent its own once: five and one for each round.
    let sent: u64 = served.iter().map(|s| s.metrics.resources.get()).sum();
    assert_eq!(sent, 18);
}

#[tokio::test]
async fn asked_for_a_walk_the_server_sends_everything_again() {
    let source = Arc::new(FakeSource::with(3));
    let server = Served::on_tcp(&source, Settings::default()).await;
    let mut client = Running::start(config(&[&server.address()]));
    client.until(|seen| seen.walks == 1).await;
    while server.metrics.acks.get() < 1 {
        tokio::task::yield_now().await;
    }
    client.answer.lock().expect("not poisoned").walk = true;
    source.push("x");
    let seen = client.until(|seen| seen.walks == 2).await;
    assert_eq!(seen.versions["t"], "4-t");
    assert_eq!(server.metrics.resources.get(), 3 + 1 + 4);
}

#[tokio::test]
async fn what_came_of_the_comparison_is_told() {
    let source = Arc::new(FakeSource::with(3));
    let server = Served::on_tcp(&source, Settings::default()).await;
    let client = Running::start(config(&[&server.address()]));
    for (proof, state) in [
        (Proof::Diverged, ClientState::Diverged),
        (Proof::Proven, ClientState::Synced),
    ] {
        client.answer.lock().expect("not poisoned").proof = Some(proof);
        source.push("x");
        while server.handle.roster().first().map(|status| status.state) != Some(state) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn case_33_an_old_server_is_spoken_to_as_it_wants_and_asked_anew_at_each_reconnect() {
    let source = Arc::new(FakeSource::old());
    source.push_many(2);
    let server = Served::on_tcp(&source, Settings::default()).await;
    let mut client = Running::start(config(&[&server.address()]));
    let seen = client.until(|seen| seen.names.len() == 2).await;
    assert!(seen.versions.is_empty() && seen.checkpoint.is_none());
    served_by(&server, Method::Stream).await;
    // It has learnt nothing since: what is new comes the old way.
    server.handle.end_all();
    source.push("x");
    client.until(|seen| seen.names.contains("x")).await;
    served_by(&server, Method::Stream).await;
    source.renew();
    server.handle.end_all();
    source.push("y");
    let seen = client.until(|seen| seen.names.contains("y")).await;
    assert_eq!(seen.versions.get("t").map(String::as_str), Some("4-t"));
    served_by(&server, Method::DeltaRange).await;
}

/// Waits until the one client is shown with that method alone.
async fn served_by(server: &Served, method: Method) {
    let is_it = |status: &StreamStatus| status.method == method;
    while !(server.handle.roster().len() == 1 && server.handle.roster().iter().all(is_it)) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_a_server_that_is_silent_by_nature_it_hears_that_it_is_alive() {
    let mut script = Script::start().await;
    let config = ClientConfig {
        alive: Duration::from_millis(10),
        ..config(&[&script.address()])
    };
    let mut client = Running::start(config);
    let mut stream = script.stream().await;
    stream.request().await;
    client
        .until(|seen| seen.quiet >= Duration::from_millis(30))
        .await;
    let mut old = response("652374093", "1", &["a"]);
    old.control_plane = None;
    stream.send(old).await;
    client.until(|seen| seen.names.contains("a")).await;
}
