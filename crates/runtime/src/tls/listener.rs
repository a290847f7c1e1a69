//! A listener whose connections have their handshake behind them.
//!
//! One task accepts; each handshake runs in a task of its own, so that a slow or silent peer delays nobody, and a
//! crowd takes turns. Their number and their time are bounded. What fails is logged and forgotten: nothing a peer does ends the listener.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::refusals::{Refusal, Refusals};
use super::turns::Turns;
use crate::net::{self, BindError};

/// What the listener yields.
pub type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// The longest that a peer may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes in flight; who comes beyond waits in the kernel's backlog. At 10 s for each, silent peers can take about 50
/// places a second.
const MAX_HANDSHAKES: usize = 512;

/// Connections ready and not yet taken. The server takes them at once, so this only smooths bursts.
const READY: usize = 64;

/// The pause after an accept that failed for want of descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Listens for TLS connections. A [`Stream`] for [`serve_each`](net::serve_each) and tonic's `serve_with_incoming`, and a
/// [`Listener`](axum::serve::Listener) for axum. Dropping it closes the port and ends the handshakes in flight.
#[derive(Debug)]
pub struct TlsListener {
    address: SocketAddr,
    accepted: mpsc::Receiver<(TlsStream, SocketAddr)>,
    _task: AbortOnDropHandle<()>,
}

impl TlsListener {
    /// Listens on `host:port`; port 0 takes a free one. Needs a running runtime.
    pub async fn bind(host: &str, port: u16, config: Arc<ServerConfig>) -> Result<Self, BindError> {
        let listener = net::bind(host, port).await?;
        let address = net::local_addr(&listener)?;
        let (tx, accepted) = mpsc::channel(READY);
        let acceptor = Acceptor {
            config,
            turns: Turns::new(),
            refusals: Arc::new(Refusals::new(address)),
            accepted: tx,
        };
        Ok(Self {
            address,
            accepted,
            _task: AbortOnDropHandle::new(tokio::spawn(acceptor.run(listener))),
        })
    }

    /// The address that is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Stream for TlsListener {
    type Item = io::Result<TlsStream>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(self.accepted.poll_recv(context));
        Poll::Ready(accepted.map(|(stream, _)| Ok(stream)))
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The accept loop runs as long as this listener lives; its channel closes only with the runtime.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

#[derive(Clone)]
struct Acceptor {
    config: Arc<ServerConfig>,
    turns: Turns,
    refusals: Arc<Refusals>,
    accepted: mpsc::Sender<(TlsStream, SocketAddr)>,
}

impl Acceptor {
    async fn run(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let mut handshakes = JoinSet::new();
        loop {
            let place = places.clone().acquire_owned().await;
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let acceptor = self.clone();
                    handshakes.spawn(async move {
                        acceptor.handshake(stream, peer).await;
                        drop(place);
                    });
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    self.refusals.accept_failed(&error);
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
            while handshakes.try_join_next().is_some() {}
        }
    }

    async fn handshake(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            warn!(%peer, %error, "Cannot set TCP_NODELAY");
        }
        let acceptor = TlsAcceptor::from(self.config.clone());
        let handshake = self.turns.drive(acceptor.accept(stream));
        match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => {
                // An error: the listener is being dropped.
                let _ = self.accepted.send((stream, peer)).await;
            }
            Ok(Err(error)) => self.refusals.refused(peer, &Refusal::of(&error)),
            Err(_) => self
                .refusals
                .refused(peer, &Refusal::timeout(HANDSHAKE_TIMEOUT)),
        }
    }
}

/// accept(2): errors of the connection that was to be accepted, over with it.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
