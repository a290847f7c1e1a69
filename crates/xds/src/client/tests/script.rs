//! A server whose every response the test writes.

use rescind_proto::{
    envoy::{
        config::core::v3::ControlPlane,
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        },
    },
    wso2::discovery::service::keymgt::revoked_token_discovery_service_server::{
        RevokedTokenDiscoveryService, RevokedTokenDiscoveryServiceServer,
    },
};
use tokio::sync::mpsc;
use tokio_stream::{Empty, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    TYPE_URL,
    fixtures::{resource, wire::serve_tcp},
    wire::identifier,
};

pub(super) struct Script {
    address: String,
    streams: mpsc::Receiver<ScriptedStream>,
}

/// One stream that a client has opened.
pub(super) struct ScriptedStream {
    requests: Streaming<DiscoveryRequest>,
    responses: mpsc::Sender<Result<DiscoveryResponse, Status>>,
}

impl Script {
    pub(super) async fn start() -> Self {
        let (opened, streams) = mpsc::channel(8);
        let server = RevokedTokenDiscoveryServiceServer::new(Service { opened });
        Self {
            address: serve_tcp(server).await.to_string(),
            streams,
        }
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// The next stream.
    pub(super) async fn stream(&mut self) -> ScriptedStream {
        self.streams.recv().await.expect("a stream")
    }
}

impl ScriptedStream {
    pub(super) async fn request(&mut self) -> DiscoveryRequest {
        let request = self.requests.message().await;
        request.expect("a request").expect("no end")
    }

    pub(super) async fn send(&self, response: DiscoveryResponse) {
        self.responses.send(Ok(response)).await.expect("a reader");
    }

    pub(super) async fn fail(self, status: Status) {
        self.responses.send(Err(status)).await.expect("a reader");
    }
}

/// A response of a `rescind.v1` server that is at `version`.
pub(super) fn response(version: &str, nonce: &str, names: &[&str]) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: version.to_owned(),
        nonce: nonce.to_owned(),
        type_url: TYPE_URL.to_owned(),
        resources: names.iter().map(|name| resource(name)).collect(),
        control_plane: Some(ControlPlane {
            identifier: identifier(version, true),
        }),
        ..Default::default()
    }
}

/// A server that takes `StreamTokens` and shows nothing of it, as Choreo Connect's own does while it has nothing to send.
pub(super) async fn mute() -> String {
    serve_tcp(RevokedTokenDiscoveryServiceServer::new(Mute))
        .await
        .to_string()
}

struct Mute;

#[tonic::async_trait]
impl RevokedTokenDiscoveryService for Mute {
    type StreamTokensStream = Empty<Result<DiscoveryResponse, Status>>;
    type DeltaTokensStream = Empty<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_tokens(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamTokensStream>, Status> {
        std::future::pending().await
    }

    async fn fetch_tokens(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delta_tokens(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaTokensStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

struct Service {
    opened: mpsc::Sender<ScriptedStream>,
}

#[tonic::async_trait]
impl RevokedTokenDiscoveryService for Service {
    type StreamTokensStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type DeltaTokensStream = Empty<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_tokens(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamTokensStream>, Status> {
        let (responses, queue) = mpsc::channel(8);
        let stream = ScriptedStream {
            requests: request.into_inner(),
            responses,
        };
        let opened = self.opened.send(stream).await;
        opened.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(queue)))
    }

    async fn fetch_tokens(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delta_tokens(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaTokensStream>, Status> {
        Err(Status::unimplemented(""))
    }
}
