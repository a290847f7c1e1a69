//! An HTTP/2 server over mutual TLS that does as its script says.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    server::{self, SendResponse},
};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use crate::{Upstream, dial::HTTP_2};

pub(super) struct Original {
    pub(super) address: SocketAddr,
    /// Where nobody said a port, this socket has found it; it never listens, and nobody else is given the port while it lives.
    _held: TcpSocket,
    pub(super) certificates: Arc<Certificates>,
    alive: CancellationToken,
    leaving: CancellationToken,
    frozen: CancellationToken,
    connections: Arc<AtomicUsize>,
}

/// A call as the original sees it.
pub(super) struct Call {
    pub(super) head: Request<()>,
    pub(super) body: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
}

/// How an original listens.
pub(super) struct Listening {
    pub(super) certificates: Arc<Certificates>,
    pub(super) address: SocketAddr,
    pub(super) max_streams: u32,
    pub(super) versions: &'static [&'static rustls::SupportedProtocolVersion],
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            certificates: Arc::new(Certificates::new()),
            address: "127.0.0.1:0".parse().unwrap(),
            max_streams: 1000,
            versions: rustls::DEFAULT_VERSIONS,
        }
    }
}

impl Original {
    pub(super) async fn start<F>(script: impl Fn(Call) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Listening::default().start(script).await
    }

    pub(super) fn upstream(&self) -> Upstream {
        super::upstream(&self.certificates, self.address.to_string())
    }

    /// Ends it as a killed process does: nothing more is sent.
    pub(super) fn kill(&self) {
        self.alive.cancel();
    }

    /// Stops it as SIGSTOP does: its connections stay, nothing is read.
    pub(super) fn freeze(&self) {
        self.frozen.cancel();
    }

    /// How many connections it has accepted.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Says on each connection that it takes no more calls; those under way go on.
    pub(super) fn leave(&self) {
        self.leaving.cancel();
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Listening {
    pub(super) async fn start<F>(
        self,
        script: impl Fn(Call) -> F + Clone + Send + 'static,
    ) -> Original
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let held = TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind(self.address).unwrap();
        let address = held.local_addr().unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let acceptor = TlsAcceptor::from(self.certificates.server(self.versions, HTTP_2));
        let [alive, leaving, frozen] = [(); 3].map(|()| CancellationToken::new());
        let (ends, leaves, freezes) = (alive.clone(), leaving.clone(), frozen.clone());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let accept = async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::Relaxed);
                tcp.set_nodelay(true).unwrap();
                let (acceptor, script) = (acceptor.clone(), script.clone());
                let (ends, leaves, freezes) = (ends.clone(), leaves.clone(), freezes.clone());
                let max_streams = self.max_streams;
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let serving = serve(tls, max_streams, script, leaves, freezes);
                    ends.run_until_cancelled(serving).await;
                });
            }
        };
        let ends = alive.clone();
        tokio::spawn(async move { ends.run_until_cancelled(accept).await });
        Original {
            address,
            _held: held,
            certificates: self.certificates,
            alive,
            leaving,
            frozen,
            connections,
        }
    }
}

async fn serve<F, T>(
    io: T,
    max_streams: u32,
    script: impl Fn(Call) -> F,
    leaves: CancellationToken,
    freezes: CancellationToken,
) where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    F: Future<Output = ()> + Send + 'static,
{
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(max_streams)
        .initial_connection_window_size(10_000_000);
    let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
    let mut left = false;
    loop {
        tokio::select! {
            // What stands still does not even answer what has come already.
            biased;
            () = freezes.cancelled() => std::future::pending().await,
            () = leaves.cancelled(), if !left => {
                left = true;
                connection.graceful_shutdown();
            }
            call = connection.accept() => {
                let Some(Ok((request, respond))) = call else { return };
                let (head, body) = request.into_parts();
                let head = Request::from_parts(head, ());
                tokio::spawn(script(Call { head, body, respond }));
            }
        }
    }
}

impl Call {
    /// Begins the answer.
    pub(super) fn begin(&mut self) -> SendStream<Bytes> {
        let response = Response::builder().header("content-type", "application/grpc");
        let response = response.body(()).unwrap();
        self.respond.send_response(response, false).unwrap()
    }

    /// The next frame of data, with its room given back.
    pub(super) async fn data(&mut self) -> Option<Bytes> {
        let data = self.body.data().await?.ok()?;
        let _ = self.body.flow_control().release_capacity(data.len());
        Some(data)
    }

    pub(super) async fn all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(data) = self.data().await {
            all.extend_from_slice(&data);
        }
        all
    }
}

/// Sends as much as the window lets it, then the rest; false if the other side is gone.
pub(super) async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
        let Some(Ok(room)) = room else { return false };
        let part = data.split_to(room.min(data.len()));
        if stream.send_data(part, false).is_err() {
            return false;
        }
    }
    true
}

pub(super) fn trailers(status: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    trailers
}

/// Sends back what comes, and OK at its end.
pub(super) async fn echo(mut call: Call) {
    let mut answer = call.begin();
    while let Some(data) = call.data().await {
        if !send(&mut answer, data).await {
            return;
        }
    }
    let _ = answer.send_trailers(trailers("0"));
}
