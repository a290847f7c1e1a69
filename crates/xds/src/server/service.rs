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
use tonic::{Extensions, Request, Response, Status, Streaming};
use tracing::warn;

use super::{
    Metrics, Settings, StreamStatus,
    connection::StreamId,
    driver::{drive, shutting_down},
    fetch,
    method::{Delta, State, Streamed},
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

    /// Ends every stream that is open now with `UNAVAILABLE`; new ones are served.
    pub fn end_all(&self) {
        self.registry.end_all();
    }

    /// Who is connected now, in no order.
    pub fn roster(&self) -> Vec<StreamStatus> {
        self.registry.roster()
    }
}

impl<S> Inner<S> {
    /// The peer, if it may subscribe.
    fn admitted(&self, extensions: &Extensions) -> Result<Peer, Status> {
        let peer = Peer::of(extensions, &self.settings);
        if self.settings.admit.call(&peer.identity) {
            return Ok(peer);
        }
        self.metrics.refused.inc();
        warn!(
            identity = peer.identity,
            address = peer.shown(),
            "xDS stream refused: this certificate may not subscribe"
        );
        Err(Status::permission_denied(
            "the client's certificate is not among those that may subscribe",
        ))
    }

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
        self.stream::<State>(request)
    }

    async fn fetch_tokens(
        &self,
        request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        if self.inner.drain.is_cancelled() {
            return Err(shutting_down());
        }
        self.inner.admitted(request.extensions())?;
        let Inner {
            source, settings, ..
        } = &*self.inner;
        let page = fetch::page(&**source, settings, request.get_ref())?;
        self.inner.metrics.pages.inc();
        Ok(Response::new(page))
    }

    async fn delta_tokens(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaTokensStream>, Status> {
        if self.inner.source.ranges().is_none() && self.inner.source.names().is_none() {
            return Err(Status::unimplemented("DeltaTokens is not served"));
        }
        self.stream::<Delta>(request)
    }
}

impl<S: Source> TokenService<S> {
    /// Starts the task of a stream.
    fn stream<M: Streamed>(
        &self,
        request: Request<Streaming<M::Request>>,
    ) -> Result<Response<ResponseStream<M::Response>>, Status> {
        if self.inner.drain.is_cancelled() {
            return Err(shutting_down());
        }
        let peer = self.inner.admitted(request.extensions())?;
        let (outlet, responses) = outlet();
        let inner = Arc::clone(&self.inner);
        self.tasks
            .spawn(drive::<S, M>(inner, peer, request.into_inner(), outlet));
        Ok(Response::new(Box::pin(responses)))
    }
}

impl<S> fmt::Debug for TokenService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenService")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
