//! Over real TCP, against the real server and against one that the test writes by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use rescind_proto::envoy::service::discovery::v3::DiscoveryResponse;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
};
use tonic::{Code, Status};

use self::script::{Script, response};
use super::*;
use crate::{
    fixtures::{FakeSource, names, unpacked, wire::Served},
    server::{ClientState, Proof, Settings},
};

mod cold;
mod delta;
mod held;
mod script;
mod secured;
mod silence;

/// What a sink has seen.
#[derive(Debug, Clone, Default)]
struct Seen {
    version: String,
    /// By ledger.
    versions: BTreeMap<String, String>,
    checkpoint: Option<Checkpoint>,
    walks: usize,
    quiet: Duration,
    /// The longest quiet of a stream that it was told of.
    quietest: Duration,
    names: BTreeSet<String>,
    head: Option<ServerHead>,
    updates: usize,
    refused: usize,
    links: Vec<LinkState>,
    /// How often it was asked whether what is held lasts.
    asked: usize,
    /// Steps of its own work.
    steps: usize,
}

/// Refuses updates that hold `bad`.
struct TestSink {
    seen: watch::Sender<Seen>,
    /// Goes back with each ACK.
    answer: Arc<Mutex<Answer>>,
    /// Whether what is applied lasts.
    lasts: watch::Receiver<bool>,
    /// What was seen when it did.
    lasting: Seen,
}

impl Sink for TestSink {
    fn version(&self) -> String {
        self.lasting.version.clone()
    }

    fn versions(&self) -> Vec<(String, String)> {
        self.lasting.versions.clone().into_iter().collect()
    }

    fn apply(&mut self, update: Update) -> Result<Outcome, Rejection> {
        let names = match &update.content {
            Content::Resources(resources) => names(resources),
            Content::Packed(packed) => unpacked(&packed.entries),
            Content::Nothing => Vec::new(),
        };
        if names.iter().any(|name| name == "bad") {
            self.seen.send_modify(|seen| seen.refused += 1);
            return Err(Rejection("\"bad\" is\nbad".to_owned()));
        }
        self.seen.send_modify(|seen| {
            if let Some(ledger) = update.ledger {
                seen.versions.insert(ledger, update.version.clone());
            }
            let ends = Walk::Part {
                begins: true,
                ends: true,
            };
            let walked = matches!(&update.content, Content::Packed(packed) if packed.walk == ends);
            seen.walks += usize::from(walked);
            seen.version = update.version;
            seen.names.extend(names);
            seen.head = update.head;
            seen.checkpoint = update.checkpoint;
            seen.updates += 1;
        });
        if *self.lasts.borrow() {
            let answer = std::mem::take(&mut *self.answer.lock().expect("not poisoned"));
            self.lasting = self.seen.borrow().clone();
            Ok(Outcome::Applied(answer))
        } else {
            Ok(Outcome::Held)
        }
    }

    fn settle(&mut self) -> Option<Answer> {
        let lasts = *self.lasts.borrow();
        self.seen.send_modify(|seen| seen.asked += 1);
        lasts.then(|| {
            self.lasting = self.seen.borrow().clone();
            Answer::default()
        })
    }

    fn work(&mut self) -> bool {
        self.seen.send_modify(|seen| seen.steps += 1);
        !self.seen.borrow().steps.is_multiple_of(100)
    }

    fn link(&mut self, state: LinkState) {
        self.seen.send_modify(|seen| match state {
            LinkState::Opening { .. } => {}
            LinkState::Alive { quiet } => {
                seen.quiet = quiet;
                seen.quietest = seen.quietest.max(quiet);
            }
            state => seen.links.push(state),
        });
    }
}

/// A client that runs until it is dropped or cancelled.
struct Running {
    answer: Arc<Mutex<Answer>>,
    lasts: watch::Sender<bool>,
    seen: watch::Receiver<Seen>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(config: ClientConfig) -> Self {
        Self::start_lasting(config, true)
    }

    fn start_lasting(config: ClientConfig, lasts: bool) -> Self {
        let (tx, seen) = watch::channel(Seen::default());
        let cancel = CancellationToken::new();
        let answer = Arc::new(Mutex::default());
        let (lasts, lasting) = watch::channel(lasts);
        let sink = TestSink {
            seen: tx,
            answer: Arc::clone(&answer),
            lasts: lasting,
            lasting: Seen::default(),
        };
        let task = tokio::spawn(run(config, sink, cancel.clone()));
        Self {
            answer,
            lasts,
            seen,
            cancel,
            task,
        }
    }

    async fn until(&mut self, what: impl FnMut(&Seen) -> bool) -> Seen {
        self.seen.wait_for(what).await.expect("a client").clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Fast enough to test with.
fn config(endpoints: &[&str]) -> ClientConfig {
    let endpoints = endpoints.iter().map(|e| (*e).to_owned()).collect();
    ClientConfig {
        backoff_base: Duration::from_millis(5),
        backoff_cap: Duration::from_millis(20),
        ..ClientConfig::new(endpoints, Security::Plain, "gw".to_owned())
    }
}

/// An address where nobody listens, as long as the socket is held: it has the port.
fn dead_port() -> (String, TcpSocket) {
    let held = TcpSocket::new_v4().expect("a socket");
    held.bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    (held.local_addr().expect("an address").to_string(), held)
}

fn disconnected(state: &LinkState) -> Option<&str> {
    match state {
        LinkState::Disconnected { reason } => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn it_gets_everything_and_learns_when_the_set_is_whole() {
    let source = Arc::new(FakeSource::with(3));
    let server = Served::on_tcp(&source, Settings::default()).await;
    let mut client = Running::start(config(&[&server.address()]));
    let seen = client.until(|seen| seen.names.len() == 3).await;
    assert_eq!(seen.version, "3-t");
    assert!(seen.head.is_some_and(|head| !head.complete));
    source.push_app("app");
    source.complete();
    let whole = |seen: &Seen| {
        seen.head
            .as_ref()
            .is_some_and(|head| head.complete && head.version == seen.version)
    };
    let seen = client.until(whole).await;
    assert!(seen.names.contains("app"));
    assert_eq!(
        seen.links,
        [LinkState::Connected {
            address: server.address()
        }]
    );
    assert_eq!(server.handle.roster()[0].instance, "gw");
}

#[tokio::test]
async fn the_first_request_says_who_it_is_and_an_ack_follows_the_apply() {
    let mut script = Script::start().await;
    let mut client = Running::start(config(&[&script.address()]));
    let mut stream = script.stream().await;
    let first = stream.request().await;
    let node = first.node.expect("a node");
    assert_eq!(node.id, "commonEnforcerLabel");
    assert_eq!(node.client_features, ["rescind.v1"]);
    assert_eq!(first.type_url, crate::TYPE_URL);
    assert!(first.version_info.is_empty() && first.response_nonce.is_empty());

    stream.send(response("1-t", "n1", &["a"])).await;
    let ack = stream.request().await;
    // Whoever reads the ACK can rely on what it says.
    assert!(client.until(|_| true).await.names.contains("a"));
    assert_eq!(
        (ack.version_info.as_str(), ack.response_nonce.as_str()),
        ("1-t", "n1")
    );
    assert!(ack.error_detail.is_none());
}

#[tokio::test]
async fn a_nack_keeps_the_version_and_what_was_held() {
    let mut script = Script::start().await;
    let mut client = Running::start(config(&[&script.address()]));
    let mut stream = script.stream().await;
    stream.request().await;
    stream.send(response("1-t", "n1", &["a"])).await;
    stream.request().await;
    stream.send(response("2-t", "n2", &["b", "bad"])).await;
    let nack = stream.request().await;
    assert_eq!(
        (nack.version_info.as_str(), nack.response_nonce.as_str()),
        ("1-t", "n2")
    );
    let error = nack.error_detail.expect("a NACK");
    assert_eq!(error.code, Code::InvalidArgument as i32);
    assert_eq!(error.message, "\"bad\" is\\nbad");
    stream.send(response("3-t", "n3", &["c"])).await;
    assert_eq!(stream.request().await.version_info, "3-t");
    let seen = client.until(|_| true).await;
    assert_eq!(seen.names, ["a", "c"].map(str::to_owned).into());
}

#[tokio::test]
async fn it_comes_back_with_the_last_version_after_an_error_and_after_ok() {
    let mut script = Script::start().await;
    let mut client = Running::start(config(&[&script.address()]));
    let mut stream = script.stream().await;
    stream.request().await;
    stream.send(response("7-t", "n1", &["a"])).await;
    stream.request().await;
    stream
        .fail(Status::unavailable("adapter is shutting down"))
        .await;

    let mut stream = script.stream().await;
    let again = stream.request().await;
    assert_eq!(
        (again.version_info.as_str(), again.response_nonce.as_str()),
        ("7-t", "")
    );
    // In the original client this is the end for ever.
    drop(stream);
    assert_eq!(script.stream().await.request().await.version_info, "7-t");

    let seen = client.until(|seen| seen.links.len() >= 5).await;
    let reasons: Vec<&str> = seen.links.iter().filter_map(disconnected).collect();
    assert_eq!(
        reasons,
        [
            "Unavailable: adapter is shutting down",
            "the server ended the stream"
        ]
    );
}

#[tokio::test]
async fn it_goes_on_to_the_next_adapter_when_one_is_dead() {
    let source = Arc::new(FakeSource::with(1));
    let server = Served::on_tcp(&source, Settings::default()).await;
    let dead = [dead_port(), dead_port()];
    let config = config(&[&dead[0].0, &server.address(), &dead[1].0]);
    let mut client = Running::start(config);
    let seen = client.until(|seen| !seen.names.is_empty()).await;
    for reason in seen.links.iter().filter_map(disconnected) {
        assert!(reason.starts_with("not reachable: "), "{reason}");
    }
}

#[tokio::test]
async fn when_its_adapter_stops_it_finds_the_rest_at_another_one() {
    let source = Arc::new(FakeSource::with(1));
    let one = Served::on_tcp(&source, Settings::default()).await;
    let two = Served::on_tcp(&source, Settings::default()).await;
    let mut client = Running::start(config(&[&one.address(), &two.address()]));
    client.until(|seen| seen.names.len() == 1).await;
    let (used, other) = if one.handle.roster().is_empty() {
        (&two, &one)
    } else {
        (&one, &two)
    };
    used.handle.drain().await;
    source.push("x");
    client.until(|seen| seen.names.len() == 2).await;
    assert_eq!(other.metrics.resources.get(), 1, "only what was missing");
}

#[tokio::test]
async fn a_rescind_server_that_falls_silent_is_left() {
    let mut script = Script::start().await;
    let config = ClientConfig {
        // Not so short that a busy machine is taken for a silent server.
        silence: Duration::from_secs(4),
        ..config(&[&script.address()])
    };
    let mut client = Running::start(config);
    let mut silent = script.stream().await;
    silent.request().await;
    silent.send(response("1-t", "n1", &["a"])).await;
    let mut next = script.stream().await;
    assert_eq!(next.request().await.version_info, "1-t");
    let seen = client.until(|seen| seen.links.len() >= 2).await;
    assert_eq!(disconnected(&seen.links[1]), Some("silent for 4s"));
}

#[tokio::test]
async fn a_server_that_is_not_rescind_may_be_silent() {
    let mut script = Script::start().await;
    let config = ClientConfig {
        silence: Duration::from_secs(1),
        ..config(&[&script.address()])
    };
    let mut client = Running::start(config);
    let mut stream = script.stream().await;
    stream.request().await;
    let mut old = response("652374093", "1", &["a"]);
    old.control_plane = None;
    stream.send(old.clone()).await;
    stream.request().await;
    // There is nothing to wait for: it must go on doing nothing.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    old.nonce = "2".to_owned();
    stream.send(old).await;
    stream.request().await;
    let seen = client.until(|seen| seen.updates == 2).await;
    assert_eq!((seen.links.len(), seen.head), (1, None));
}

#[tokio::test]
async fn an_old_server_that_has_nothing_to_say_counts_as_connected_after_a_moment() {
    let address = script::mute().await;
    let config = ClientConfig {
        settle: Duration::from_millis(20),
        alive: Duration::from_millis(10),
        ..config(&[&address])
    };
    let mut client = Running::start(config);
    let seen = client
        .until(|seen| seen.quiet >= Duration::from_millis(30))
        .await;
    assert_eq!(seen.links, [LinkState::Connected { address }]);
}

#[tokio::test(start_paused = true)]
async fn what_takes_a_connection_and_never_says_a_word_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let mut client = Running::start(config(&[&address]));
    let seen = client.until(|seen| !seen.links.is_empty()).await;
    assert!(disconnected(&seen.links[0]).is_some(), "{:?}", seen.links);
}

#[tokio::test]
async fn a_response_of_another_type_is_neither_acked_nor_nacked() {
    let mut script = Script::start().await;
    let mut client = Running::start(config(&[&script.address()]));
    let mut stream = script.stream().await;
    stream.request().await;
    let foreign = DiscoveryResponse {
        type_url: "type.googleapis.com/other".to_owned(),
        ..response("9-t", "n1", &["a"])
    };
    stream.send(foreign).await;
    stream.send(response("1-t", "n2", &["b"])).await;
    assert_eq!(stream.request().await.response_nonce, "n2");
    assert_eq!(client.until(|_| true).await.names, ["b".to_owned()].into());
}

#[tokio::test]
async fn a_response_beyond_the_limit_is_said_and_tried_again() {
    let mut script = Script::start().await;
    let config = ClientConfig {
        max_message_bytes: 1000,
        ..config(&[&script.address()])
    };
    let mut client = Running::start(config);
    let mut stream = script.stream().await;
    stream.request().await;
    stream
        .send(response("1-t", "n1", &["x".repeat(2000).as_str()]))
        .await;
    script.stream().await.request().await;
    let seen = client.until(|seen| seen.links.len() >= 2).await;
    let reason = disconnected(&seen.links[1]).expect("a reason");
    assert!(reason.starts_with("OutOfRange: "), "{reason}");
}

#[tokio::test]
async fn many_chunks_and_later_changes_all_arrive() {
    let source = Arc::new(FakeSource::with(5000));
    let settings = Settings {
        chunk_bytes: 10_000,
        ..Settings::default()
    };
    let server = Served::on_tcp(&source, settings).await;
    let mut client = Running::start(config(&[&server.address()]));
    for _ in 0..500 {
        source.push_many(1);
        tokio::task::yield_now().await;
    }
    client.until(|seen| seen.names.len() == 5500).await;
}

#[tokio::test]
async fn a_bad_entry_costs_itself_alone() {
    let source = Arc::new(FakeSource::with(50));
    source.push("bad");
    source.push_many(50);
    let settings = Settings {
        nack_hold: Duration::from_millis(20),
        ..Settings::default()
    };
    let server = Served::on_tcp(&source, settings).await;
    let mut client = Running::start(config(&[&server.address()]));
    let seen = client.until(|seen| seen.names.len() == 100).await;
    assert!(seen.refused > 1 && seen.links.len() == 1);
    assert_eq!(server.handle.roster()[0].not_enforced, 1);
}

#[tokio::test(start_paused = true)]
async fn it_ends_promptly_wherever_it_is() {
    let mut waiting = Running::start(ClientConfig {
        backoff_base: Duration::from_secs(1000),
        backoff_cap: Duration::from_secs(1000),
        ..config(&["no address"])
    });
    let seen = waiting.until(|seen| !seen.links.is_empty()).await;
    assert_eq!(
        disconnected(&seen.links[0]),
        Some("not an address of the form host:port")
    );
    waiting.cancel.cancel();
    (&mut waiting.task).await.expect("an end");

    let mut without = Running::start(config(&[]));
    without.cancel.cancel();
    (&mut without.task).await.expect("an end");
}

#[test]
fn it_can_run_as_a_task_with_any_sink_that_can_be_sent() {
    fn can_be_sent<T: Send>(_: &T) {}
    struct NotSync(std::cell::Cell<u8>);
    impl Sink for NotSync {
        fn version(&self) -> String {
            self.0.get().to_string()
        }
        fn apply(&mut self, _: Update) -> Result<Outcome, Rejection> {
            Ok(Outcome::Applied(Answer::default()))
        }
        fn link(&mut self, _: LinkState) {}
    }
    let run = run(
        config(&[]),
        NotSync(std::cell::Cell::new(0)),
        CancellationToken::new(),
    );
    can_be_sent(&run);
}
