//! HTTP/2 on the connections of the xDS port.
//!
//! tonic's own server adds a `date` to every answer, also to one that is carried and had none.

use std::{convert::Infallible, future::Future, pin::pin, time::Duration};

use futures_util::Stream;
use hyper::{body::Incoming, server::conn::http2::Builder};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rescind_carry::{CONNECTION_WINDOW, MOST_CALLS, STREAM_WINDOW};
use rescind_runtime::net::serve_each;
use tokio_util::sync::CancellationToken;
use tonic::{
    body::Body,
    codegen::{
        Service,
        http::{Request, Response},
    },
    transport::server::Connected as _,
};
use tower::ServiceExt as _;
use tracing::debug;

use super::Connection;

/// A client on a dead path notices nothing by itself; it answers pings.
const PING: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams on one connection: the original client opens another one after each NACK, and with few allowed its ACKs queue
/// inside it for ever. As many as may be carried, and as many again: those of revoked tokens have a limit of their own.
const STREAMS: u32 = 2 * MOST_CALLS as u32;

/// What may differ from one adapter to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Bytes of a call's headers; `None`: the library's default.
    pub(super) header_list: Option<u32>,
    /// A connection is told to go then. Its streams end a little later, each at its own time.
    pub(super) max_age: Option<Duration>,
}

/// Serves connections as they come, until `drained` or until no more can come. Then calls in flight are finished.
///
/// Each call knows its peer. Deadlines are the service's to keep.
pub(super) async fn serve<E, S>(
    connections: impl Stream<Item = Result<Connection, E>>,
    service: S,
    settings: Settings,
    drained: impl Future<Output = ()>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let go = CancellationToken::new();
    let drained = async {
        drained.await;
        go.cancel();
    };
    serve_each(connections, drained, |connection| {
        serve_one(connection, service.clone(), settings, go.clone())
    })
    .await;
}

/// Serves one connection to its end.
async fn serve_one<S>(io: Connection, service: S, settings: Settings, go: CancellationToken)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let peer = io.connect_info();
    let service = service.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.map(Body::new)
    });
    let connection = builder(settings.header_list)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_go(settings.max_age, go) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "A connection broke off");
    }
}

/// At its age, or when all are.
async fn told_to_go(max_age: Option<Duration>, go: CancellationToken) {
    match max_age {
        // In time or not: it goes.
        Some(age) => drop(tokio::time::timeout(age, go.cancelled()).await),
        None => go.cancelled().await,
    }
}

fn builder(header_list: Option<u32>) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // An original that is lost ends all that is carried at once: what callers still send counts, and none of it is a
        // reason to end the streams of revoked tokens beside it.
        .max_local_error_reset_streams(None)
        .auto_date_header(false);
    if let Some(bytes) = header_list {
        builder.max_header_list_size(bytes);
    }
    builder
}
