//! An adapter that says what a test tells it, over `StreamTokens`, and knows what was ACKed.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use prost::Message as _;
use rescind_proto::{
    envoy::{
        config::core::v3::ControlPlane,
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        },
    },
    google::protobuf::Any,
    wso2::discovery::{
        keymgt::RevokedToken,
        service::keymgt::revoked_token_discovery_service_server::{
            RevokedTokenDiscoveryService, RevokedTokenDiscoveryServiceServer,
        },
    },
};
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status, Streaming, codegen::tokio_stream::Stream};

const TYPE_URL: &str = "type.googleapis.com/wso2.discovery.keymgt.RevokedToken";

/// What was revoked and how far that was ACKed: positions are places in the list.
#[derive(Debug, Default)]
pub(crate) struct Script {
    revoked: Mutex<Vec<String>>,
    head: watch::Sender<usize>,
    acked: watch::Sender<usize>,
}

impl Script {
    pub(crate) fn revoke(&self, jti: &str) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.push(jti.to_owned());
        self.head.send_replace(revoked.len());
    }

    /// Waits until so many were ACKed.
    pub(crate) async fn acked(&self, count: usize) {
        let mut acked = self.acked.subscribe();
        acked.wait_for(|acked| *acked >= count).await.unwrap();
    }

    pub(crate) fn acked_now(&self) -> usize {
        *self.acked.borrow()
    }

    fn response(&self, after: usize, nonce: usize) -> (usize, DiscoveryResponse) {
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        let any = |jti: &String| Any {
            type_url: TYPE_URL.to_owned(),
            value: RevokedToken {
                jti: jti.clone(),
                ..RevokedToken::default()
            }
            .encode_to_vec(),
        };
        // Few at a time, so that a kill falls between them.
        let to = revoked.len().min(after + 500);
        let response = DiscoveryResponse {
            version_info: version(to),
            resources: revoked[after..to].iter().map(any).collect(),
            type_url: TYPE_URL.to_owned(),
            nonce: nonce.to_string(),
            control_plane: Some(ControlPlane {
                identifier: format!("{} complete", version(revoked.len())),
            }),
            ..DiscoveryResponse::default()
        };
        (to, response)
    }

    /// One stream: a response, its ACK, the next one.
    async fn stream(
        self: Arc<Self>,
        mut requests: Streaming<DiscoveryRequest>,
        responses: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) -> Option<()> {
        let first = requests.message().await.ok()??;
        let mut held = position(&first.version_info);
        let mut head = self.head.subscribe();
        for nonce in 0.. {
            if nonce > 0 {
                head.wait_for(|head| *head > held).await.ok()?;
            }
            let (to, response) = self.response(held, nonce);
            responses.send(Ok(response)).await.ok()?;
            let answer = requests.message().await.ok()??;
            assert!(answer.error_detail.is_none(), "{answer:?}");
            assert_eq!(answer.response_nonce, nonce.to_string());
            held = to;
            self.acked.send_if_modified(|acked| {
                let more = to > *acked;
                *acked = to.max(*acked);
                more
            });
        }
        None
    }
}

fn version(position: usize) -> String {
    format!("{position}-0a0b0c0d")
}

fn position(version: &str) -> usize {
    let (position, _) = version.split_once('-').unwrap_or_default();
    position.parse().unwrap_or(0)
}

pub(crate) fn service(script: Arc<Script>) -> RevokedTokenDiscoveryServiceServer<Service> {
    RevokedTokenDiscoveryServiceServer::new(Service(script))
}

pub(crate) struct Service(Arc<Script>);

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl RevokedTokenDiscoveryService for Service {
    type StreamTokensStream = Responses<DiscoveryResponse>;
    type DeltaTokensStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_tokens(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamTokensStream>, Status> {
        let (responses, queue) = mpsc::channel(1);
        tokio::spawn(self.0.clone().stream(request.into_inner(), responses));
        let queue = tokio_stream::wrappers::ReceiverStream::new(queue);
        Ok(Response::new(Box::pin(queue)))
    }

    async fn fetch_tokens(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn delta_tokens(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaTokensStream>, Status> {
        Err(Status::unimplemented("not here"))
    }
}
