//! HTTP/2 for calls that are answered at once, as checks are.
//!
//! A server usually gives each call a task of its own. That pays where calls wait; a check takes some microseconds, which is
//! less than it takes to wake another thread for it. So calls that have come together are answered together, on the task of
//! their connection, and their answers leave in one write. A call that must wait goes on in a task of its own.
//!
//! ```text
//! bytes -> connection -> calls: each is begun here --answered--> connection -> bytes, once for all of them
//!                                       `--must wait--> a task --answered--^
//! ```
//!
//! Connections belong to [`serve`], which ends with the last one. It knows nothing of gRPC.

use std::{
    convert::Infallible,
    error::Error,
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::http2::{Builder, Connection},
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rescind_runtime::net::serve_each;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tracing::debug;

mod calls;
mod joined;

use calls::Calls;
use joined::Joined;

/// Clients such as Envoy keep their connections; one whose other end is gone without a word is found by these.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls in flight.
    pub streams: u32,
    /// Bytes of a call's headers.
    pub header_list: u32,
    /// Bytes of a call's body that nobody has read yet; `None`: the library's default.
    pub stream_window: Option<u32>,
    /// The same of all calls together.
    pub connection_window: Option<u32>,
}

/// Serves connections as they come, until `drain` or until no more can come. Then calls in flight are finished.
pub async fn serve<I, T, E, S, B>(incoming: I, service: S, limits: Limits, drain: CancellationToken)
where
    I: Stream<Item = Result<T, E>>,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let drained = drain.cancelled();
    serve_each(incoming, drained, |io| {
        connection(io, service.clone(), limits, drain.clone())
    })
    .await;
}

/// Serves one connection to its end.
async fn connection<T, S, B>(io: T, service: S, limits: Limits, drain: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let calls = Calls::default();
    let io = TokioIo::new(Joined(io));
    let mut connection = pin!(builder(&calls, limits).serve_connection(io, service));
    let ended = tokio::select! {
        biased;
        ended = answer(connection.as_mut(), &calls) => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            answer(connection, &calls).await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "A connection broke off");
    }
}

fn builder(calls: &Calls, limits: Limits) -> Builder<Calls> {
    let mut builder = Builder::new(calls.clone());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_list)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        // No gRPC client asks for it, and each has to read it.
        .auto_date_header(false);
    builder
}

/// Moves a connection on: calls come in, are begun, and what they have answered goes out.
async fn answer<T, S, B>(
    mut connection: Pin<&mut Connection<T, S, Calls>>,
    calls: &Calls,
) -> hyper::Result<()>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            if !calls.begin() {
                return Poll::Pending;
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests;
