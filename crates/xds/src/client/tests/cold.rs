//! A client that is not complete, among adapters that are not either.

use rescind_proto::envoy::config::core::v3::ControlPlane;

use super::*;
use crate::wire::identifier;

/// Whole once an adapter says so.
struct Cold {
    seen: watch::Sender<Asked>,
}

#[derive(Debug, Clone, Default)]
struct Asked {
    /// The ledgers that said they are not complete, in order, without repetition in a row.
    incomplete: Vec<String>,
    complete: Option<String>,
}

impl Sink for Cold {
    fn version(&self) -> String {
        String::new()
    }

    fn is_complete(&self) -> bool {
        self.seen.borrow().complete.is_some()
    }

    fn apply(&mut self, update: Update) -> Result<Outcome, Rejection> {
        let ledger = update.ledger.unwrap_or_default();
        self.seen.send_modify(|seen| match update.checkpoint {
            Some(said) if said.complete => seen.complete = Some(ledger),
            Some(_) if seen.incomplete.last() != Some(&ledger) => seen.incomplete.push(ledger),
            _ => {}
        });
        Ok(Outcome::Applied(Answer::default()))
    }

    fn link(&mut self, _: LinkState) {}
}

/// Where only the oldest method is served, a server speaks of itself beside each response: no ledger says whose it is.
struct Named(Cold);

impl Sink for Named {
    fn version(&self) -> String {
        String::new()
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    fn apply(&mut self, mut update: Update) -> Result<Outcome, Rejection> {
        let head = update.head.take().expect("a rescind.v1 server");
        let holds = head.version == update.version;
        let (_, ledger) = head.version.split_once('-').expect("a cursor");
        update.ledger = Some(ledger.to_owned());
        update.checkpoint = holds.then(|| Checkpoint {
            complete: head.complete,
            ..Checkpoint::default()
        });
        self.0.apply(update)
    }

    fn link(&mut self, _: LinkState) {}
}

#[tokio::test]
async fn it_goes_round_from_one_that_is_not_complete_until_one_is() {
    let sources = ["one", "two"].map(|id| Arc::new(FakeSource::called(id)));
    goes_round(sources, |seen| Cold { seen }).await;
}

#[tokio::test]
async fn it_does_so_also_where_the_oldest_method_alone_is_served() {
    let sources = ["one", "two"].map(|id| Arc::new(FakeSource::called(id).aged()));
    goes_round(sources, |seen| Named(Cold { seen })).await;
}

async fn goes_round<S: Sink + 'static>(
    sources: [Arc<FakeSource>; 2],
    sink: impl FnOnce(watch::Sender<Asked>) -> S,
) {
    let mut served = Vec::new();
    for source in &sources {
        source.push_many(3);
        let settings = Settings {
            // Everything takes more than one response.
            chunk_bytes: 1,
            heartbeat: Duration::from_millis(5),
            ..Settings::default()
        };
        served.push(Served::on_tcp(source, settings).await);
    }
    let addresses: Vec<_> = served.iter().map(Served::address).collect();
    let config = ClientConfig {
        incomplete_pause: Duration::from_millis(20),
        ..config(&[&addresses[0], &addresses[1]])
    };
    let (tx, mut seen) = watch::channel(Asked::default());
    let cancel = CancellationToken::new();
    let task = tokio::spawn(run(config, sink(tx), cancel.clone()));
    let round = seen.wait_for(|seen| seen.incomplete.len() >= 5).await;
    let round = round.expect("a client").incomplete.clone();
    sources[1].complete();
    seen.wait_for(|seen| seen.complete.as_deref() == Some("two"))
        .await
        .expect("a client");
    // There and back.
    assert_eq!(round[0], round[2]);
    assert_ne!(round[0], round[1]);
    cancel.cancel();
    task.await.expect("an end");
}

/// Cannot take several resources at once.
struct Picky(watch::Sender<usize>);

impl Sink for Picky {
    fn version(&self) -> String {
        String::new()
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn apply(&mut self, update: Update) -> Result<Outcome, Rejection> {
        match update.content {
            Content::Resources(resources) if resources.len() > 1 => {
                Err(Rejection("too much at once".to_owned()))
            }
            _ => {
                self.0.send_modify(|taken| *taken += 1);
                Ok(Outcome::Applied(Answer::default()))
            }
        }
    }

    fn link(&mut self, _: LinkState) {}
}

#[tokio::test]
async fn one_that_is_not_complete_is_not_left_while_it_looks_for_what_was_refused() {
    let mut script = Script::start().await;
    let (other, _held) = dead_port();
    let (tx, mut taken) = watch::channel(0);
    let cancel = CancellationToken::new();
    let config = config(&[&script.address(), &other]);
    let task = tokio::spawn(run(config, Picky(tx), cancel.clone()));
    let incomplete = |response: DiscoveryResponse, head| DiscoveryResponse {
        control_plane: Some(ControlPlane {
            identifier: identifier(head, false),
        }),
        ..response
    };
    let mut stream = script.stream().await;
    stream.request().await;
    let all = response("2-one", "1", &["a", "b"]);
    stream.send(incomplete(all, "2-one")).await;
    assert!(stream.request().await.error_detail.is_some());
    let half = response("1-one", "2", &["a"]);
    stream.send(incomplete(half, "2-one")).await;
    let ack = stream.request().await;
    assert_eq!((&*ack.response_nonce, ack.error_detail), ("2", None));
    // What is taken at its head says it again.
    let rest = response("2-one", "3", &["b"]);
    stream.send(incomplete(rest, "2-one")).await;
    drop(script.stream().await);
    taken.wait_for(|taken| *taken == 2).await.expect("a client");
    cancel.cancel();
    task.await.expect("an end");
}
