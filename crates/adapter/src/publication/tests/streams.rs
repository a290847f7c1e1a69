//! Over real gRPC from a real ledger: a client of the standard incremental form, and the cases that are the ledger's part.

use std::{collections::BTreeMap, path::Path};

use rescind_ledger::Appended;
use rescind_proto::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        },
    },
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use rescind_xds::server::{Identify, Metrics, Peer, Settings, service};
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Streaming,
    transport::{Channel, Server},
};

use super::{standard::Standard, *};
use crate::testing::soon;

/// An adapter's way from its ledger to the wire.
struct Adapter {
    ledger: Ledger,
    head: watch::Sender<Head>,
    channel: Channel,
    _commands: mpsc::Receiver<Command>,
}

impl Adapter {
    async fn open(directory: &Path) -> Self {
        let (ledger, _) = Ledger::open(directory).unwrap();
        let (tx, commands) = mpsc::channel(1);
        let head = watch::Sender::new(Head {
            position: Position(ledger.reader().head().sequence),
            ..Head::default()
        });
        let flag = SourceFlag::default();
        let publication = Publication::new(ledger.reader(), head.subscribe(), tx, flag, false);
        let (service, _handle) = service(
            Arc::new(publication),
            Identify::by(|_| Some(Peer::new("third", None))),
            Settings::default(),
            Arc::new(Metrics::default()),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self {
            ledger,
            head,
            channel: Channel::from_shared(address)
                .unwrap()
                .connect()
                .await
                .unwrap(),
            _commands: commands,
        }
    }

    /// Commits, and says so, as the writer does.
    fn append(&mut self, group: &[Revocation]) -> Appended {
        let appended = self.ledger.append(group).unwrap();
        self.moved();
        appended
    }

    fn sweep(&mut self, horizon: u64) {
        self.ledger.sweep(UnixSeconds(horizon)).unwrap();
        self.moved();
    }

    fn moved(&self) {
        let position = Position(self.ledger.reader().head().sequence);
        self.head.send_modify(|head| head.position = position);
    }

    async fn delta(&self, first: DeltaDiscoveryRequest) -> Delta {
        let (requests, queue) = mpsc::channel(8);
        requests.send(first).await.unwrap();
        let mut client = RevokedTokenDiscoveryServiceClient::new(self.channel.clone());
        let responses = client
            .delta_tokens(ReceiverStream::new(queue))
            .await
            .unwrap();
        Delta {
            requests,
            responses: responses.into_inner(),
        }
    }

    /// A page after `version`.
    async fn page(&self, version: &str) -> DiscoveryResponse {
        let mut client = RevokedTokenDiscoveryServiceClient::new(self.channel.clone());
        let request = DiscoveryRequest {
            version_info: version.to_owned(),
            node: Some(Node {
                id: "third-party".to_owned(),
                ..Node::default()
            }),
            ..DiscoveryRequest::default()
        };
        client.fetch_tokens(request).await.unwrap().into_inner()
    }
}

struct Delta {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Delta {
    async fn take(&mut self, client: &mut Standard) -> DeltaDiscoveryResponse {
        let response = soon(self.responses.message()).await.unwrap().unwrap();
        let ack = client.take(&response).expect("a response of the standard");
        self.requests.send(ack).await.unwrap();
        response
    }

    /// Takes what comes until the client holds exactly that.
    async fn until(&mut self, client: &mut Standard, holds: &BTreeMap<String, String>) {
        while client.holds != *holds {
            self.take(client).await;
        }
    }

    /// Nothing comes: what is revoked after it is the next that does.
    async fn expect_next(&mut self, client: &mut Standard, name: &str) {
        let response = self.take(client).await;
        let names: Vec<_> = response.resources.iter().map(|r| &*r.name).collect();
        assert_eq!((names, response.removed_resources), (vec![name], vec![]));
    }
}

/// Long after any test.
const FAR: u64 = 4_000_000_000;
/// Its version: milliseconds in base 36.
const FAR_VERSION: &str = "1f1koq134";

/// `old` has expired for who takes named resources; `soon` and `later` do when the ledger is swept.
fn revoked() -> Vec<Revocation> {
    vec![
        until("old", 1200),
        until("soon", 4000),
        app("app"),
        until("later", 5000),
        subject("user"),
        until("far", FAR),
    ]
}

fn held(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect()
}

/// From the first subscription over a removal, an absence and a restart.
async fn follows(subscribe: &[&str]) {
    let directory = TempDir::new().unwrap();
    let mut adapter = Adapter::open(directory.path()).await;
    adapter.append(&revoked());
    let mut client = Standard::new(subscribe);
    let mut stream = adapter.delta(client.first()).await;
    let far = ("far", FAR_VERSION);
    let first = held(&[("soon", "2dqf4"), ("later", "2z60w"), far]);
    stream.until(&mut client, &first).await;

    adapter.append(&[until("new", FAR)]);
    stream.expect_next(&mut client, "new").await;
    // It expires: that takes no revocation to be told.
    adapter.sweep(1800);
    let new = ("new", FAR_VERSION);
    let swept = held(&[("later", "2z60w"), far, new]);
    stream.until(&mut client, &swept).await;

    // What it has missed is all that comes: a new one, a longer one, and one that is gone.
    drop(stream);
    adapter.append(&[until("away", FAR), until("new", 4_100_000_000)]);
    adapter.sweep(3600);
    let mut stream = adapter.delta(client.first()).await;
    let away = ("away", FAR_VERSION);
    let now = held(&[far, ("new", "1gbii52ww"), away]);
    let (mut came, mut gone) = (Vec::new(), Vec::new());
    while client.holds != now {
        let response = stream.take(&mut client).await;
        came.extend(response.resources.into_iter().map(|r| r.name));
        gone.extend(response.removed_resources);
    }
    came.sort();
    // Who names what is not there hears that it is not.
    gone.retain(|name| swept.contains_key(name));
    assert_eq!((came, gone), (owned(&["away", "new"]), owned(&["later"])));

    // Another epoch, and the same versions.
    drop((stream, adapter));
    let mut adapter = Adapter::open(directory.path()).await;
    let mut stream = adapter.delta(client.first()).await;
    let nothing = stream.take(&mut client).await;
    assert_eq!(nothing.resources, []);
    assert_eq!(client.holds, now);
    adapter.append(&[until("after", FAR)]);
    stream.expect_next(&mut client, "after").await;
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn case_32_a_standard_client_follows_everything_over_expiry_absence_and_restart() {
    follows(&[]).await;
    follows(&["*"]).await;
}

#[tokio::test]
async fn case_32_a_standard_client_follows_names_over_expiry_absence_and_restart() {
    let all = ["old", "soon", "later", "far", "new", "away", "after"];
    follows(&[&all[..], &["app", "never"]].concat()).await;
}

#[tokio::test]
async fn case_31_one_that_is_revoked_again_is_no_push_and_one_that_lasts_longer_is() {
    let directory = TempDir::new().unwrap();
    let mut adapter = Adapter::open(directory.path()).await;
    adapter.append(&revoked());
    let mut client = Standard::new(&["*"]);
    let mut stream = adapter.delta(client.first()).await;
    while client.holds.len() < 3 {
        stream.take(&mut client).await;
    }
    for again in [FAR, FAR, FAR - 600] {
        assert_eq!(adapter.append(&[until("far", again)]).changed, 0);
    }
    adapter.append(&[until("far", FAR + 600)]);
    stream.expect_next(&mut client, "far").await;
    // One that came for nothing would have come before it.
    assert_ne!(client.holds["far"], FAR_VERSION);
}

#[tokio::test]
async fn case_29_a_restart_knows_its_versions_and_another_ledger_does_not() {
    let directory = TempDir::new().unwrap();
    let mut adapter = Adapter::open(directory.path()).await;
    adapter.append(&revoked());
    let before = adapter.page("").await;
    assert_eq!(before.resources.len(), 4);
    drop(adapter);

    let mut adapter = Adapter::open(directory.path()).await;
    adapter.append(&[until("x", FAR)]);
    let after = adapter.page(&before.version_info).await;
    let place = |version: &str| {
        let (sequence, epoch) = version.split_once('-').unwrap();
        (sequence.parse::<u64>().unwrap(), epoch.to_owned())
    };
    let (was, is) = (place(&before.version_info), place(&after.version_info));
    assert!(is.0 > was.0 && is.1 != was.1, "{was:?} {is:?}");
    assert_eq!(after.resources.len(), 1);
    assert_eq!(adapter.page(&after.version_info).await.resources, []);

    let elsewhere = TempDir::new().unwrap();
    let mut other = Adapter::open(elsewhere.path()).await;
    other.append(&revoked());
    other.append(&[until("x", FAR)]);
    let all = other.page(&after.version_info).await.resources;
    assert_eq!(all, adapter.page("").await.resources);
}
