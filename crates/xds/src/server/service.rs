//! The gRPC service and the handle that ends its streams.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rescind_proto::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
    wso2::discovery::service::keymgt::revoked_token_discovery_service_server::{
        RevokedTokenDiscoveryService, RevokedTokenDiscoveryServiceServer,
    },
};
use tokio_stream::Stream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Metrics, Settings, StreamStatus,
    connection::StreamId,
    driver::{drive, shutting_down},
    outlet::outlet,
    peer::Peer,
    registry::Registry,
};
use crate::Source;

/// Builds the service, to be added to a tonic server, and the handle to its streams.
///
/// The tonic server should ping idle connections (`http2_keepalive_interval`): the original client notices a dead path
/// by itself only after minutes, and its streams stay open as long.
pub fn service<S: Source>(
    source: Arc<S>,
    settings: Settings,
    metrics: Arc<Metrics>,
) -> (RevokedTokenDiscoveryServiceServer<TokenService<S>>, Handle) {
    let limit = settings.max_request_bytes;
    let settings = Arc::new(settings);
    let registry = Arc::new(Registry::new(Arc::clone(&settings)));
    let handle = Handle {
        registry: Arc::clone(&registry),
        drain: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let inner = Inner {
        source,
        settings,
        metrics,
        registry,
        drain: handle.drain.clone(),
        streams: AtomicU64::new(1),
    };
    let service = TokenService {
        inner: Arc::new(inner),
        tasks: handle.tasks.clone(),
    };
    let server = RevokedTokenDiscoveryServiceServer::new(service).max_decoding_message_size(limit);
    (server, handle)
}

/// `wso2.discovery.service.keymgt.RevokedTokenDiscoveryService` over a [`Source`].
pub struct TokenService<S> {
    inner: Arc<Inner<S>>,
    tasks: TaskTracker,
}

/// What the tasks of all streams share.
pub(super) struct Inner<S> {
    pub(super) source: Arc<S>,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) registry: Arc<Registry>,
    pub(super) drain: CancellationToken,
    streams: AtomicU64,
}

/// The streams of one service, for shutdown and status.
#[derive(Debug, Clone)]
pub struct Handle {
    registry: Arc<Registry>,
    drain: CancellationToken,
    tasks: TaskTracker,
}

impl Handle {
    /// Ends every stream with `UNAVAILABLE` and refuses new ones, from the call on. The future is done when the last
    /// stream has ended; only then should the tonic server be stopped, so that the clients learn of it.
    pub fn drain(&self) -> impl Future<Output = ()> + Send + use<> {
        self.drain.cancel();
        self.tasks.close();
        let tasks = self.tasks.clone();
        async move { tasks.wait().await }
    }

    /// Who is connected now, in no order.
    pub fn roster(&self) -> Vec<StreamStatus> {
        self.registry.roster()
    }
}

impl<S> Inner<S> {
    pub(super) fn next_stream(&self) -> StreamId {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }
}

type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl<S: Source> RevokedTokenDiscoveryService for TokenService<S> {
    type StreamTokensStream = ResponseStream<DiscoveryResponse>;
    type DeltaTokensStream = ResponseStream<DeltaDiscoveryResponse>;

    async fn stream_tokens(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamTokensStream>, Status> {
        if self.inner.drain.is_cancelled() {
            return Err(shutting_down());
        }
        let peer = Peer::of(request.extensions(), &self.inner.settings);
        let (outlet, responses) = outlet();
        let inner = Arc::clone(&self.inner);
        self.tasks
            .spawn(drive(inner, peer, request.into_inner(), outlet));
        Ok(Response::new(Box::pin(responses)))
    }

    async fn fetch_tokens(
        &self,
        _request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("FetchTokens is not served"))
    }

    async fn delta_tokens(
        &self,
        _request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaTokensStream>, Status> {
        Err(Status::unimplemented("DeltaTokens is not served"))
    }
}

impl<S> fmt::Debug for TokenService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenService")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
