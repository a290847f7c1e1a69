//! The gRPC service and the handle that ends its streams.
//!
//! tonic generates a service whose responses are encoded for each stream anew. Here the two streams answer with a body of
//! their own, whose bytes are made once for all who are at the same place; the rest is as tonic has it.

use std::{
    convert::Infallible,
    fmt,
    future::ready,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use http::{HeaderValue, header::CONTENT_TYPE};
use rescind_proto::{
    envoy::service::discovery::v3::DiscoveryResponse,
    wso2::discovery::service::keymgt::revoked_token_discovery_service_server::SERVICE_NAME,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Extensions, Status, Streaming, body::Body, codec::BufferSettings, server::NamedService,
};
use tonic_prost::ProstCodec;
use tower::Service;
use tracing::{error, warn};

use super::{
    Metrics, Settings, StreamStatus,
    admission::{Admission, Admitted},
    connection::StreamId,
    driver::{drive, shutting_down},
    fetch,
    method::{Delta, State, Streamed},
    outlet::outlet,
    peer::{Identify, Peer},
    registry::Registry,
    requests::Requests,
};
use crate::Source;

/// Builds the service, to be added to a tonic server, and the handle to its streams. `identify` tells the server's
/// connections apart.
///
/// The tonic server should ping idle connections (`http2_keepalive_interval`): the original client notices a dead path
/// by itself only after minutes, and its streams stay open as long.
pub fn service<S: Source>(
    source: Arc<S>,
    identify: Identify,
    settings: Settings,
    metrics: Arc<Metrics>,
) -> (TokenService<S>, Handle) {
    let settings = Arc::new(settings);
    let registry = Arc::new(Registry::new(Arc::clone(&settings)));
    let admission = Admission::new(Arc::clone(&settings));
    let handle = Handle {
        registry: Arc::clone(&registry),
        admission: Arc::clone(&admission),
        drain: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let inner = Inner {
        admission,
        source,
        identify,
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
    (service, handle)
}

/// `wso2.discovery.service.keymgt.RevokedTokenDiscoveryService` over a [`Source`]. A clone is the same service.
pub struct TokenService<S> {
    inner: Arc<Inner<S>>,
    tasks: TaskTracker,
}

/// What the tasks of all streams share.
pub(super) struct Inner<S> {
    pub(super) source: Arc<S>,
    identify: Identify,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) registry: Arc<Registry>,
    pub(super) admission: Arc<Admission>,
    pub(super) drain: CancellationToken,
    streams: AtomicU64,
}

/// The streams of one service, for shutdown and status.
#[derive(Debug, Clone)]
pub struct Handle {
    registry: Arc<Registry>,
    admission: Arc<Admission>,
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

    /// The identity that was refused last because [`Settings::share`] does not hold it; changed by each such refusal.
    pub fn unshared(&self) -> watch::Receiver<String> {
        self.admission.unshared()
    }

    /// Who is connected now, in no order.
    pub fn roster(&self) -> Vec<StreamStatus> {
        self.registry.roster()
    }
}

impl<S> Inner<S> {
    /// The peer, if it may subscribe and has not too much open.
    pub(super) fn enter(&self, extensions: &Extensions) -> Result<(Peer, Admitted), Status> {
        let peer = self.peer(extensions)?;
        let allowed = self.settings.admit.check(peer.identity());
        match allowed.and_then(|()| self.admission.admit(&peer)) {
            Ok(admitted) => Ok((peer, admitted)),
            Err(status) => Err(self.refuse(&peer, status)),
        }
    }

    /// Counts and logs what is refused.
    pub(super) fn refuse(&self, peer: &Peer, status: Status) -> Status {
        self.metrics.refused.inc();
        warn!(
            address = peer.shown(),
            identity = peer.identity(),
            reason = status.message(),
            "xDS stream refused"
        );
        status
    }

    fn peer(&self, extensions: &Extensions) -> Result<Peer, Status> {
        let Some(peer) = self.identify.call(extensions) else {
            self.metrics.refused.inc();
            error!("xDS stream refused: this server does not know its connection");
            return Err(Status::internal(
                "the server does not know the connection of this request",
            ));
        };
        Ok(peer)
    }

    pub(super) fn next_stream(&self) -> StreamId {
        self.streams.fetch_add(1, Ordering::Relaxed)
    }
}

impl<S: Source> TokenService<S> {
    fn answer(&self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        if self.inner.drain.is_cancelled() {
            return Err(shutting_down());
        }
        check_encoding(&request)?;
        match request.uri().path().strip_prefix(PREFIX) {
            Some("StreamTokens") => self.stream::<State>(request),
            Some("DeltaTokens") if self.is_incremental() => self.stream::<Delta>(request),
            Some("DeltaTokens") => Err(Status::unimplemented("DeltaTokens is not served")),
            _ => Err(Status::unimplemented("no method of this service")),
        }
    }

    fn is_incremental(&self) -> bool {
        let source = &self.inner.source;
        source.ranges().is_some() || source.names().is_some()
    }

    /// Starts the task of a stream.
    fn stream<M: Streamed>(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Status> {
        let (peer, admitted) = self.inner.enter(request.extensions())?;
        let limit = self.inner.settings.max_request_bytes;
        let buffer = BufferSettings::new(REQUEST_BYTES, REQUEST_BYTES);
        let decoder = ProstCodec::<DiscoveryResponse, M::Request>::raw_decoder(buffer);
        let body = Requests::new(request.into_body(), admitted);
        let requests = Streaming::new_request(decoder, body, None, Some(limit));
        let (outlet, responses) = outlet();
        let inner = Arc::clone(&self.inner);
        self.tasks
            .spawn(drive::<S, M>(inner, peer, requests, outlet));
        let mut response = http::Response::new(Body::new(responses));
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
        Ok(response)
    }
}

/// No compression is offered, so a client that compresses all the same cannot be understood.
fn check_encoding(request: &http::Request<Body>) -> Result<(), Status> {
    match request.headers().get("grpc-encoding") {
        Some(encoding) if encoding != "identity" => Err(Status::unimplemented(
            "requests must not be compressed: grpc-encoding is not identity",
        )),
        _ => Ok(()),
    }
}

impl<S: Source> Service<http::Request<Body>> for TokenService<S> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path().strip_prefix(PREFIX) == Some("FetchTokens") {
            let inner = Arc::clone(&self.inner);
            return Box::pin(async move { Ok(fetch::answer(inner, request).await) });
        }
        let answer = self.answer(request);
        Box::pin(ready(Ok(answer.unwrap_or_else(Status::into_http))))
    }
}

impl<S> NamedService for TokenService<S> {
    const NAME: &'static str = SERVICE_NAME;
}

impl<S> Clone for TokenService<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            tasks: self.tasks.clone(),
        }
    }
}

/// What a stream keeps at hand for requests. Most are ACKs; a longer one takes what it needs.
const REQUEST_BYTES: usize = 512;

/// Of the path of a method.
const PREFIX: &str = "/wso2.discovery.service.keymgt.RevokedTokenDiscoveryService/";

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

impl<S> fmt::Debug for TokenService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenService")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
