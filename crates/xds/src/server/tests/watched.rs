//! What the watcher hears.

use std::sync::Mutex;

use super::*;
use crate::fixtures::wire::{DeltaPeer, named, packed};

/// What was heard, in order.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn note(&self, line: String) {
        self.0.lock().expect("not poisoned").push(line);
    }

    /// Waits until `line` is the last one, and returns all.
    async fn last(&self, line: &str) -> Vec<String> {
        let heard = async {
            loop {
                let all = self.0.lock().expect("not poisoned").clone();
                if all.last().is_some_and(|last| last == line) {
                    return all;
                }
                tokio::task::yield_now().await;
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await;
        heard.unwrap_or_else(|_| panic!("{line} did not come: {self:?}"))
    }
}

impl Watch for Heard {
    fn opened(&self, _: &Client, acked: Position, _: Position) {
        self.note(format!("opened {}", acked.0));
    }

    fn acked(&self, _: &Client, _: Position, to: Position) {
        self.note(format!("acked {}", to.0));
    }

    fn passed(&self, _: &Client, to: Position) {
        self.note(format!("passed {}", to.0));
    }

    fn subscribed(&self, _: &Client, _: bool, _: Position) {
        self.note("subscribed".to_owned());
    }

    fn closed(&self, _: &Client, acked: Position) {
        self.note(format!("closed {}", acked.0));
    }

    fn changed(&self, status: StreamStatus) {
        self.note(format!("not enforced {}", status.not_enforced));
    }
}

async fn watched(source: FakeSource, settings: Settings) -> (Arc<FakeSource>, Served, Arc<Heard>) {
    let (source, heard) = (Arc::new(source), Arc::new(Heard::default()));
    let settings = Settings {
        watcher: Some(Arc::clone(&heard) as Arc<dyn Watch>),
        ..settings
    };
    let server = Served::on_tcp(&source, settings).await;
    (source, server, heard)
}

#[tokio::test]
async fn what_is_not_for_a_wildcard_is_told_as_passed() {
    let (source, server, heard) = watched(FakeSource::with(1), Settings::default()).await;
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["*"], &[])).await;
    peer.take().await;
    heard.last("acked 1").await;
    source.push_app("app");
    assert_eq!(
        heard.last("passed 2").await,
        ["opened 0", "acked 1", "passed 2"]
    );
    source.push("x");
    peer.take().await;
    heard.last("acked 3").await;
}

#[tokio::test]
async fn what_is_sent_is_never_told_as_passed() {
    let (source, server, heard) = watched(FakeSource::with(1), Settings::default()).await;
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["*"], &[])).await;
    let due = peer.next().await;
    source.push_app("app");
    source.push("x");
    peer.ack(&due).await;
    let due = peer.next().await;
    heard.last("acked 1").await;
    peer.ack(&due).await;
    assert_eq!(
        heard.last("acked 3").await,
        ["opened 0", "acked 1", "acked 3"]
    );
}

#[tokio::test]
async fn what_is_refused_alone_is_told_as_not_enforced_and_then_as_passed() {
    let told = ["opened 0", "not enforced 1", "passed 1"];
    let (_, server, heard) = watched(FakeSource::with(1), Settings::default()).await;
    let mut peer = Peer::open(&server.connect().await, classic("gw", "")).await;
    let refused = peer.next().await;
    peer.nack(&refused, "cannot decode").await;
    assert_eq!(heard.last("passed 1").await, told);

    let (_, server, heard) = watched(FakeSource::with(1), Settings::default()).await;
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["*"], &[])).await;
    let refused = peer.next().await;
    peer.nack(&refused).await;
    assert_eq!(heard.last("passed 1").await, told);

    let (source, server, heard) = watched(FakeSource::with(1), Settings::default()).await;
    let mut peer = DeltaPeer::open(&server.connect().await, packed(&[("t", "1-t")])).await;
    peer.take().await;
    heard.last("acked 1").await;
    source.push("x");
    let refused = peer.next().await;
    peer.nack(&refused).await;
    assert_eq!(
        heard.last("passed 2").await,
        ["opened 1", "acked 1", "not enforced 1", "passed 2"]
    );
}

#[tokio::test]
async fn what_does_not_fit_is_told_as_not_enforced_before_it_is_passed() {
    let settings = Settings {
        chunk_bytes: 1000,
        max_response_bytes: 2048,
        ..Settings::default()
    };
    let (source, server, heard) = watched(FakeSource::with(1), settings).await;
    let mut peer = DeltaPeer::open(&server.connect().await, named(&["*"], &[])).await;
    peer.take().await;
    heard.last("acked 1").await;
    source.push(&"x".repeat(3000));
    assert_eq!(
        heard.last("passed 2").await,
        ["opened 0", "acked 1", "not enforced 1", "passed 2"]
    );
}
