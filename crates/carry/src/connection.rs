//! One HTTP/2 connection to the upstream: how many calls it takes, whether it lives.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use h2::{
    Ping, PingPong,
    client::{self, SendRequest},
};
use http::{
    HeaderMap, HeaderValue, Request, Uri, Version,
    header::{CONTENT_TYPE, TE},
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::{
    Hops, Metrics,
    gather::{Busy, Gathering},
    grpc::Settings,
};

/// So many calls share a connection, or fewer where the upstream says so. A server whose handler does not read can make all
/// of them wait: its window for a connection is its own affair, and often small.
const CALLS: usize = 100;

/// What the upstream may send ahead of the one who reads it, for each call. Whoever does not read holds so much and no
/// more: the connection's window is all of its calls' windows together, so that no call waits for another's reader.
const CALL_WINDOW: u32 = 256 * 1024;
const WINDOW: u32 = CALL_WINDOW * CALLS as u32;

/// What h2 keeps of a call's requests when the upstream does not read them.
const SEND_BUFFER: usize = 64 * 1024;

/// The headers of an answer, and its trailers. The upstream is one that we believe, and a client sets its own limit: who
/// carries must not be the narrowest.
const ANSWER_METADATA: u32 = 1024 * 1024;

/// Calls that we cancelled are remembered, so that what is still on its way for them is not an error.
const RESET_CALLS: usize = 1024;

/// What a probe calls. An original that does not have it says so, which is an answer as good as any. No HTTP/2 ping: gRPC
/// servers end a connection that is pinged more often than every five minutes.
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// A gRPC message with nothing in it.
const EMPTY: &[u8] = &[0; 5];

/// A connection, shared by its calls.
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    calls: Busy,
    /// Set by each call, so that an idle connection can be told.
    used: AtomicBool,
    /// The upstream takes no new calls on it; those under way go on.
    retired: AtomicBool,
    closed: CancellationToken,
}

/// What a probe has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probed {
    /// Somebody is there.
    Answers,
    /// The way leads back.
    Loops,
}

/// A place on a connection, given back when it is dropped.
pub(crate) struct Slot {
    connection: Arc<Connection>,
}

impl Connection {
    /// Speaks HTTP/2 on `io` and waits for the first answer: then the upstream's settings are known too.
    pub(crate) async fn open(
        io: TlsStream<TcpStream>,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, h2::Error> {
        let io = Gathering::new(io);
        let busy = io.busy();
        let (sender, mut driver) = builder().handshake::<_, Bytes>(io).await?;
        let mut pings = driver.ping_pong().expect("it is taken once");
        let closed = CancellationToken::new();
        let connection = Arc::new(Self {
            sender,
            calls: busy,
            used: AtomicBool::new(true),
            retired: AtomicBool::new(false),
            closed: closed.clone(),
        });
        // Dropped before its time, this future closes the connection.
        let closing = closed.clone().drop_guard();
        tokio::spawn(async move {
            metrics.connections.inc();
            // The calls learn of an error by themselves.
            let _ = closed.run_until_cancelled(driver).await;
            closed.cancel();
            metrics.connections.dec();
        });
        pings.ping(Ping::opaque()).await?;
        closing.disarm();
        let watched = Arc::clone(&connection);
        tokio::spawn(async move { watched.watch(pings, settings).await });
        Ok(connection)
    }

    /// A place for one more call.
    pub(crate) fn slot(self: &Arc<Self>) -> Option<Slot> {
        let limit = CALLS.min(self.sender.current_max_send_streams());
        let taken = self
            .calls
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |calls| {
                (calls < limit).then_some(calls + 1)
            });
        taken.ok()?;
        self.used.store(true, Ordering::Relaxed);
        Some(Slot {
            connection: Arc::clone(self),
        })
    }

    /// Whether new calls may still come here.
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.is_cancelled() && !self.retired.load(Ordering::Relaxed)
    }

    /// Closes the connection when it has been idle for a whole interval, or when the upstream answers no ping.
    async fn watch(&self, mut pings: PingPong, settings: Settings) {
        loop {
            let waited = self
                .closed
                .run_until_cancelled(sleep(settings.ping_interval));
            if waited.await.is_none() {
                return;
            }
            let used = self.used.swap(false, Ordering::Relaxed);
            let idle = self.calls.0.load(Ordering::Acquire) == 0;
            if idle && used {
                continue;
            }
            let answered = !idle
                && matches!(
                    timeout(settings.ping_timeout, pings.ping(Ping::opaque())).await,
                    Ok(Ok(_))
                );
            if !answered {
                return self.closed.cancel();
            }
        }
    }
}

impl Slot {
    /// Who sends on this connection. An error: it takes no more calls, and nothing was sent.
    pub(crate) async fn sender(&self) -> Result<SendRequest<Bytes>, h2::Error> {
        let ready = self.connection.sender.clone().ready().await;
        if ready.is_err() {
            self.retire();
        }
        ready
    }

    /// The connection takes no new calls; those under way go on.
    pub(crate) fn retire(&self) {
        self.connection.retired.store(true, Ordering::Relaxed);
    }

    /// Waits for an answer of any kind to a call of `health` with these headers; even a reset is one. An error: the
    /// connection is gone.
    pub(crate) async fn ask(&self, health: &Uri, marks: HeaderMap) -> Result<Probed, h2::Error> {
        let mut request = Request::post(health.clone())
            .version(Version::HTTP_2)
            .body(())
            .expect("method, address and version are sound");
        let headers = request.headers_mut();
        *headers = marks;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let (response, mut question) = self.sender().await?.send_request(request, false)?;
        question.send_data(Bytes::from_static(EMPTY), true)?;
        match response.await {
            Err(error) if error.is_reset() && error.is_remote() => Ok(Probed::Answers),
            Ok(answer) if Hops::is_loop(answer.headers()) => Ok(Probed::Loops),
            answered => answered.map(|_| Probed::Answers),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connection.calls.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn builder() -> client::Builder {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(CALL_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(ANSWER_METADATA)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESET_CALLS)
        .max_local_error_reset_streams(None);
    builder
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("calls", &self.calls)
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}
