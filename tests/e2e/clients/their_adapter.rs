//! Choreo Connect's own adapter by script: the state of the world is the newest batch, under versions by chance, and
//! nothing else is spoken.

use std::pin::Pin;

use prost::Message as _;
use rescind_proto::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
    google::protobuf::Any,
    wso2::discovery::{
        keymgt::RevokedToken,
        service::keymgt::revoked_token_discovery_service_server::RevokedTokenDiscoveryService,
    },
};
use rescind_stack::Identity;
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::{serving::Serving, xds::TYPE_URL};

/// The label under which the original keeps its one snapshot.
const LABEL: &str = "commonEnforcerLabel";

/// An original, until it is dropped.
#[derive(Debug)]
pub(crate) struct TheirAdapter {
    snapshot: watch::Sender<Option<Snapshot>>,
    serving: Serving,
}

#[derive(Debug, Clone)]
struct Snapshot {
    version: String,
    tokens: Vec<RevokedToken>,
}

impl TheirAdapter {
    /// Serves nothing, and so answers nothing, to clients of `ca`.
    pub(crate) async fn start(identity: &Identity, ca: &str) -> Self {
        let snapshot = watch::Sender::default();
        let script = Script(snapshot.clone());
        let serving = Serving::start(identity, ca, script).await;
        Self { snapshot, serving }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.serving.address.to_string()
    }

    /// Publishes a batch, which takes the place of the one before.
    pub(crate) fn revoke(&self, identifiers: impl IntoIterator<Item = String>) {
        let token = |jti| RevokedToken {
            jti,
            expirytime: i64::MAX,
            ..RevokedToken::default()
        };
        self.snapshot.send_replace(Some(Snapshot {
            version: rand::random::<u32>().to_string(),
            tokens: identifiers.into_iter().map(token).collect(),
        }));
    }
}

#[derive(Debug, Clone)]
struct Script(watch::Sender<Option<Snapshot>>);

impl Script {
    async fn serve(
        self,
        mut requests: Streaming<DiscoveryRequest>,
        responses: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) -> Option<()> {
        let mut request = requests.message().await.ok()??;
        let node = request.node.take()?;
        if node.id != LABEL || request.type_url != TYPE_URL {
            return std::future::pending().await;
        }
        let mut watched = self.0.subscribe();
        for nonce in 1_u64.. {
            let held = request.version_info;
            let news = |snapshot: &Option<Snapshot>| {
                snapshot
                    .as_ref()
                    .is_some_and(|snapshot| snapshot.version != held)
            };
            let snapshot = watched.wait_for(news).await.ok()?.clone()?;
            responses.send(Ok(snapshot.response(nonce))).await.ok()?;
            request = requests.message().await.ok()??;
        }
        None
    }
}

impl Snapshot {
    fn response(self, nonce: u64) -> DiscoveryResponse {
        let resource = |token: RevokedToken| Any {
            type_url: TYPE_URL.into(),
            value: token.encode_to_vec(),
        };
        DiscoveryResponse {
            version_info: self.version,
            resources: self.tokens.into_iter().map(resource).collect(),
            type_url: TYPE_URL.into(),
            nonce: nonce.to_string(),
            ..DiscoveryResponse::default()
        }
    }
}

#[tonic::async_trait]
impl RevokedTokenDiscoveryService for Script {
    type StreamTokensStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type DeltaTokensStream =
        Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

    async fn stream_tokens(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamTokensStream>, Status> {
        let (responses, stream) = mpsc::channel(1);
        tokio::spawn(self.clone().serve(request.into_inner(), responses));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn delta_tokens(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaTokensStream>, Status> {
        Err(Status::unimplemented("the original has no such method"))
    }

    async fn fetch_tokens(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}
