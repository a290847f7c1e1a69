//! The connection to the next enforcer: HTTP/2 over mutual TLS, one for all calls, made anew when it is gone.
//!
//! No HTTP/2 pings: grpc-java, which Choreo Connect's enforcer is, ends connections that send more than one in five minutes.
//! Whether it is still there is asked by a call.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Uri};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rescind_carry::Hops;
use rustls_pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    Failure,
    call::{self, NextAnswer},
};
use crate::check::{
    CHECK,
    grpc::{self, Framed},
};

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(2);

/// After a failure nobody dials for so long: calls fail at once.
const PAUSE: Duration = Duration::from_millis(200);

/// For the answers of many calls at once.
const WINDOW: u32 = 4 * 1024 * 1024;

/// Where and how it is reached.
#[derive(Clone)]
pub(crate) struct Dial {
    /// `host:port`.
    pub(crate) address: String,
    /// The name in its certificate.
    pub(crate) server_name: ServerName<'static>,
    /// What is shown to it, and whom we believe; HTTP/2 by ALPN.
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

/// The connection, or the way to it.
#[derive(Debug)]
pub(crate) struct Link {
    dial: Dial,
    /// Whether the way leads back here.
    hops: Hops,
    check: Uri,
    health: Uri,
    /// The connection in use. Held for moments only.
    current: Mutex<Option<Connection>>,
    /// Held while somebody dials: the others wait for what comes of it, which is the last failure or nothing.
    dialling: AsyncMutex<Option<(Instant, Failure)>>,
}

/// It ends when the last clone is gone.
type Connection = SendRequest<Framed>;

impl Link {
    /// Not connected yet.
    pub(crate) fn new(dial: Dial) -> Result<Self, http::Error> {
        let name = match &dial.server_name {
            ServerName::IpAddress(rustls_pki_types::IpAddr::V6(_)) => {
                format!("[{}]", dial.server_name.to_str())
            }
            name => name.to_str().into_owned(),
        };
        let uri = |path| {
            Uri::builder()
                .scheme("https")
                .authority(name.as_str())
                .path_and_query(path)
                .build()
        };
        Ok(Self {
            check: uri(CHECK)?,
            health: uri("/grpc.health.v1.Health/Check")?,
            dial,
            hops: Hops::new(),
            current: Mutex::default(),
            dialling: AsyncMutex::default(),
        })
    }

    /// Who probes, for who else goes the same way.
    pub(crate) fn hops(&self) -> Hops {
        self.hops.clone()
    }

    /// Passes a check on. The caller sees to it that it does not take longer than `limit`.
    pub(super) async fn check(
        &self,
        headers: &HeaderMap,
        limit: Duration,
        body: Bytes,
    ) -> Result<NextAnswer, Failure> {
        if self.hops.is_looped() {
            return Err(looped());
        }
        let request = call::request(self.check.clone(), headers, limit, body);
        call::answer(self.send(request).await?).await
    }

    /// Whether it answers anything at all, and is not ourselves.
    pub(super) async fn probe(&self) -> Result<(), Failure> {
        let mut marks = HeaderMap::new();
        self.hops.mark(&mut marks, None);
        let question = grpc::body(0, |_| {});
        let request = call::request(self.health.clone(), &marks, super::PROBE, question);
        let (head, answer) = self.send(request).await?.into_parts();
        let is_loop = Hops::is_loop(&head.headers);
        self.hops.found(is_loop);
        if is_loop {
            return Err(looped());
        }
        // Whatever it says; read, so that nothing is cut off on the way.
        let _ = grpc::collect(answer, 1024).await;
        Ok(())
    }

    /// Gives the connection up: the next call makes another.
    pub(super) fn give_up(&self) {
        self.current().take();
    }

    async fn send(
        &self,
        request: http::Request<Framed>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let mut sender = self.sender().await?;
        let mut refused = match sender.try_send_request(request).await {
            Ok(answer) => return Ok(answer),
            Err(refused) => refused,
        };
        // A connection that was told to go away gives back what it has not sent: nobody has seen it, so another takes it.
        let Some(request) = refused.take_message() else {
            return Err(lost(&refused.into_error()));
        };
        let mut sender = self.sender().await?;
        let sent = sender.try_send_request(request).await;
        sent.map_err(|refused| lost(&refused.into_error()))
    }

    async fn sender(&self) -> Result<Connection, Failure> {
        if let Some(sender) = self.open() {
            return Ok(sender);
        }
        let mut failed = self.dialling.lock().await;
        // Somebody else may have dialled meanwhile.
        if let Some(sender) = self.open() {
            return Ok(sender);
        }
        if let Some((at, failure)) = &*failed
            && at.elapsed() < PAUSE
        {
            return Err(failure.clone());
        }
        let dialled = timeout(CONNECT, self.dial.connect()).await;
        let late = || io::Error::other(format!("no connection within {CONNECT:?}"));
        match dialled.unwrap_or_else(|_| Err(late())) {
            Ok(connection) => {
                *failed = None;
                *self.current() = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                let failure = Failure::Unavailable(error.to_string());
                *failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    fn open(&self) -> Option<Connection> {
        let current = self.current();
        current.as_ref().filter(|now| !now.is_closed()).cloned()
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        // It is taken or set in one step: a panic elsewhere cannot have left it half done.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn looped() -> Failure {
    Failure::Unavailable("its address leads back to this enforcer".to_owned())
}

fn lost(error: &hyper::Error) -> Failure {
    Failure::Unavailable(format!("connection lost: {error}"))
}

impl Dial {
    async fn connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let tls = TlsConnector::from(self.tls.clone());
        let io = tls.connect(self.server_name.clone(), tcp).await?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(io))
            .await
            .map_err(io::Error::other)?;
        // It ends with the connection; how, the calls on it learn by themselves.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("address", &self.address)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}
