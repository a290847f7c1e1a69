//! Streams of one connection belong together: to the xDS server, over the real port, a connection is a connection.

use rescind_proto::google::{
    protobuf::{Struct, Value, value::Kind},
    rpc,
};

use super::*;

/// A `StreamTokens` whose every request the test writes.
pub(super) struct Written {
    requests: mpsc::Sender<DiscoveryRequest>,
    pub(super) responses: Streaming<DiscoveryResponse>,
}

impl Written {
    pub(super) async fn open(channel: &Channel, instance: &str) -> Self {
        let (requests, queue) = mpsc::channel(8);
        requests.send(first(instance)).await.unwrap();
        let queue = tokio_stream::wrappers::ReceiverStream::new(queue);
        let mut client = RevokedTokenDiscoveryServiceClient::new(channel.clone());
        let responses = client.stream_tokens(queue).await.unwrap().into_inner();
        Self {
            requests,
            responses,
        }
    }

    pub(super) async fn next(&mut self) -> DiscoveryResponse {
        soon(self.responses.message()).await.unwrap().unwrap()
    }

    async fn answer(&self, response: &DiscoveryResponse, error: Option<&str>) {
        let request = DiscoveryRequest {
            version_info: response.version_info.clone(),
            response_nonce: response.nonce.clone(),
            error_detail: error.map(|message| rpc::Status {
                message: message.to_owned(),
                ..rpc::Status::default()
            }),
            ..DiscoveryRequest::default()
        };
        self.requests.send(request).await.unwrap();
    }
}

fn first(instance: &str) -> DiscoveryRequest {
    let value = Value {
        kind: Some(Kind::StringValue(instance.to_owned())),
    };
    let fields = [("instanceIdentifier".to_owned(), value)].into();
    DiscoveryRequest {
        node: Some(Node {
            id: "commonEnforcerLabel".into(),
            metadata: Some(Struct { fields }),
            ..Node::default()
        }),
        type_url: TYPE_URL.into(),
        ..DiscoveryRequest::default()
    }
}

pub(super) struct Served {
    pub(super) authority: Authority,
    _directory: TempDir,
    pub(super) addresses: Addresses,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<ExitCode>,
}

/// An adapter with one token in its ledger.
pub(super) async fn served() -> Served {
    served_with(|_| {}).await
}

/// One that is configured as `change` says.
pub(super) async fn served_with(change: impl FnOnce(&mut Config)) -> Served {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[token("token-a")]).unwrap();
    drop(ledger);
    let mut config = config(&authority, &directory);
    config.adapter.admin.read_token = rescind_runtime::config::Secret::new("reads");
    change(&mut config);
    let app = App::build(config).await.unwrap();
    Served {
        authority,
        _directory: directory,
        addresses: app.addresses(),
        stop: app.token(),
        running: tokio::spawn(app.run()),
    }
}

impl Served {
    pub(super) async fn stop(self) {
        self.stop.cancel();
        assert_eq!(soon(self.running).await.unwrap(), ExitCode::SUCCESS);
    }

    async fn has_metric(&self, line: &str) {
        soon(async {
            loop {
                let (_, metrics) = page(self.addresses.admin, "/metrics").await;
                if metrics.lines().any(|found| found == line) {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_newer_stream_of_a_connection_supersedes_and_answers_for_the_older() {
    let served = served().await;
    let channel = channel(&served.authority, served.addresses.xds).await;
    let mut old = Written::open(&channel, "gw").await;
    let due = old.next().await;
    let mut new = Written::open(&channel, "gw").await;
    let ended = soon(old.responses.message()).await.unwrap();
    assert!(ended.is_none(), "superseded: {ended:?}");
    new.answer(&due, None).await;
    served.has_metric("rescind_xds_acks_total 1").await;
    served.has_metric("rescind_xds_stale_nonces_total 0").await;
    let all = new.next().await;
    assert_eq!(all.resources.len(), 1);
    served.stop().await;
}

#[tokio::test]
async fn what_was_refused_on_a_connection_is_not_sent_on_its_next_stream() {
    let served = served().await;
    let channel = channel(&served.authority, served.addresses.xds).await;
    let mut old = Written::open(&channel, "gw").await;
    let refused = old.next().await;
    assert_eq!(refused.resources.len(), 1);
    old.answer(&refused, Some("cannot decode")).await;
    served.has_metric("rescind_xds_nacks_total 1").await;
    let mut new = Written::open(&channel, "gw").await;
    assert_eq!(new.next().await.resources.len(), 0);

    // Another connection is another client.
    let other = super::channel(&served.authority, served.addresses.xds).await;
    let mut other = Written::open(&other, "gw").await;
    assert_eq!(other.next().await.resources.len(), 1);
    served.stop().await;
}

#[tokio::test]
async fn it_is_shown_whence_a_client_connects() {
    let served = served().await;
    let channel = channel(&served.authority, served.addresses.xds).await;
    let mut stream = Written::open(&channel, "gw").await;
    stream.next().await;
    let enforcers = read(served.addresses.admin, "/v1/enforcers").await;
    assert!(
        enforcers.contains("\"address\":\"127.0.0.1:"),
        "{enforcers}"
    );
    served.stop().await;
}
