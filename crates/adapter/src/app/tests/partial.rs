//! Who subscribes to a part of what there is, over the real port.

use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    google::protobuf::{Struct, Value, value::Kind},
};
use rescind_revocation::{Identifier, Revocation, UnixMillis};

use super::*;

/// A `DeltaTokens` whose every request the test writes.
struct Delta {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Delta {
    async fn open(channel: &Channel, instance: &str, type_url: &str, subscribe: &[&str]) -> Self {
        let value = Value {
            kind: Some(Kind::StringValue(instance.to_owned())),
        };
        let fields = [("instanceIdentifier".to_owned(), value)].into();
        let first = DeltaDiscoveryRequest {
            node: Some(Node {
                id: "commonEnforcerLabel".into(),
                metadata: Some(Struct { fields }),
                ..Node::default()
            }),
            type_url: type_url.to_owned(),
            resource_names_subscribe: owned(subscribe),
            ..DeltaDiscoveryRequest::default()
        };
        let (requests, queue) = mpsc::channel(8);
        requests.send(first).await.unwrap();
        let queue = tokio_stream::wrappers::ReceiverStream::new(queue);
        let mut client = RevokedTokenDiscoveryServiceClient::new(channel.clone());
        let responses = client.delta_tokens(queue).await.unwrap().into_inner();
        Self {
            requests,
            responses,
        }
    }

    /// The next response, ACKed.
    async fn take(&mut self) {
        let response = soon(self.responses.message()).await.unwrap().unwrap();
        let ack = DeltaDiscoveryRequest {
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        };
        self.requests.send(ack).await.unwrap();
    }

    async fn unsubscribe(&self, names: &[&str]) {
        let request = DeltaDiscoveryRequest {
            resource_names_unsubscribe: owned(names),
            ..DeltaDiscoveryRequest::default()
        };
        self.requests.send(request).await.unwrap();
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn until(address: SocketAddr, text: &str) -> String {
    let shown = async {
        loop {
            let version = read(address, "/v1/versions/1").await;
            if version.contains(text) {
                return version;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(shown).await
}

#[tokio::test]
async fn who_subscribes_to_a_part_neither_proves_nor_blocks_and_who_leaves_the_whole_blocks() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[token("token-a")]).unwrap();
    drop(ledger);
    let mut config = config(&authority, &directory);
    config.adapter.admin.read_token = rescind_runtime::config::Secret::new("reads");
    let app = App::build(config).await.unwrap();
    let (addresses, stop) = (app.addresses(), app.token());
    let running = tokio::spawn(app.run());
    let channel = channel(&authority, addresses.xds).await;

    let range = rescind_xds::RANGE_TYPE_URL;
    let mut watcher = Delta::open(&channel, "watcher", range, &["checkpoint"]).await;
    watcher.take().await;
    let mut names = Delta::open(&channel, "names", TYPE_URL, &["token-a"]).await;
    names.take().await;
    let nobody = until(addresses.admin, "names").await;
    assert!(nobody.contains("\"everywhere\":false"), "{nobody}");

    let mut whole = Delta::open(&channel, "gw", range, &["log", "checkpoint"]).await;
    whole.take().await;
    let everywhere = until(addresses.admin, "\"everywhere\":true").await;
    assert_eq!(everywhere.matches("PARTIAL").count(), 2, "{everywhere}");
    assert!(everywhere.contains("\"partial\":2"), "{everywhere}");
    let enforcers = read(addresses.admin, "/v1/enforcers").await;
    let parts = enforcers.matches("\"subscribes_to_all\":false").count();
    assert_eq!(parts, 2, "{enforcers}");

    whole.unsubscribe(&["log"]).await;
    let left = until(addresses.admin, "\"everywhere\":false").await;
    assert!(left.contains("\"missing\":1"), "{left}");
    stop.cancel();
    soon(running).await.unwrap();
}

#[tokio::test]
async fn who_takes_every_name_is_at_the_head_also_where_that_is_not_for_it() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let mut config = config(&authority, &directory);
    config.adapter.admin.read_token = rescind_runtime::config::Secret::new("reads");
    let app = App::build(config).await.unwrap();
    let (addresses, stop, feed) = (app.addresses(), app.token(), app.feed());
    let running = tokio::spawn(app.run());
    let channel = channel(&authority, addresses.xds).await;
    feed.revoke(vec![application(1)]).await.unwrap();
    let mut names = Delta::open(&channel, "names", TYPE_URL, &["*"]).await;
    names.take().await;
    until(addresses.admin, "CANNOT").await;

    // The same application again, twice: neither is sent, and the second version is nothing's any more.
    for revoked_at in [2, 3] {
        feed.revoke(vec![application(revoked_at)]).await.unwrap();
    }
    let enforcers = async {
        loop {
            let enforcers = read(addresses.admin, "/v1/enforcers").await;
            if enforcers.contains("\"acked\":\"3-") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(enforcers).await;
    stop.cancel();
    soon(running).await.unwrap();
}

fn application(revoked_at: u64) -> Revocation {
    Revocation::App {
        consumer_key: Identifier::new("consumer-key").unwrap(),
        revoked_at: UnixMillis(revoked_at),
        disbelieved: None,
    }
}

/// Who was away when the adapter ended may not have it, and nobody knows of it.
#[tokio::test]
async fn nothing_is_everywhere_while_the_file_that_says_who_is_away_cannot_be_read() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[token("token-a")]).unwrap();
    drop(ledger);
    let file = directory.path().join("roster.db");
    fs::write(&file, "no database".repeat(1000)).unwrap();
    let mut config = config(&authority, &directory);
    config.adapter.admin.read_token = rescind_runtime::config::Secret::new("reads");
    let app = App::build(config).await.unwrap();
    let (addresses, stop) = (app.addresses(), app.token());
    let running = tokio::spawn(app.run());
    let channel = channel(&authority, addresses.xds).await;
    let range = rescind_xds::RANGE_TYPE_URL;
    let mut whole = Delta::open(&channel, "gw", range, &["log", "checkpoint"]).await;
    whole.take().await;
    let version = until(addresses.admin, "\"acked\":1").await;
    for part in ["\"everywhere\":false", "\"away_unknown\":true"] {
        assert!(version.contains(part), "{part} {version}");
    }
    let enforcers = read(addresses.admin, "/v1/enforcers").await;
    assert!(enforcers.contains("\"away_unknown\":true"), "{enforcers}");
    stop.cancel();
    soon(running).await.unwrap();
}
