//! Plain requests, carried over HTTP/1.1 and TLS.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::ready,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_TYPE, HOST},
    uri::{Authority, Scheme},
};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_rustls::client::TlsStream;
use tower::Service;

use self::probe::Probe;
use crate::{
    Away, Hops, Upstream,
    dial::{Dialer, HTTP_1, chain},
    headers::strip_hop_by_hop,
};

/// The longest that an answer may take to begin. No page of the original's takes a second.
const ANSWER: Duration = Duration::from_secs(60);

/// Unused connections are closed after so long; servers close theirs at a time of their own, often 60 s.
const IDLE: Duration = Duration::from_secs(30);

mod probe;

/// So many requests at once. Pages of the original's are asked for now and then; what goes round is ended by it.
const REQUESTS: usize = 256;

type BoxError = Box<dyn Error + Send + Sync>;
type HttpBody = UnsyncBoxBody<Bytes, BoxError>;

/// Carries every request to one upstream over HTTP/1.1. A clone is the same carrier.
///
/// A tower service; an upstream that is away, or whose address leads back here, is 502, one that does not answer 504, and
/// too many requests at once are 503, each with a line of text.
#[derive(Clone)]
pub struct HttpCarry {
    client: Client<Connector, HttpBody>,
    connector: Connector,
    authority: Authority,
    places: Arc<Semaphore>,
    probe: Arc<Probe>,
}

impl HttpCarry {
    /// A carrier to `upstream`; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The address is not `host:port`.
    pub fn new(upstream: &Upstream) -> Result<Self, Away> {
        let dialer = Arc::new(Dialer::new(upstream, HTTP_1)?);
        let address = &upstream.address;
        let authority = address
            .parse()
            .map_err(|_| Away::new(format_args!("{address} is not an address")))?;
        let connector = Connector { dialer };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector.clone());
        Ok(Self {
            client,
            connector,
            authority,
            places: Arc::new(Semaphore::new(REQUESTS)),
            probe: Arc::default(),
        })
    }

    /// The request as the upstream gets it: the same but for what concerns the caller's connection.
    fn outgoing<B>(&self, request: Request<B>) -> Request<HttpBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        strip_hop_by_hop(&mut parts.headers);
        let mut uri = parts.uri.into_parts();
        let host = uri.authority.replace(self.authority.clone());
        uri.scheme = Some(Scheme::HTTPS);
        if !parts.headers.contains_key(HOST)
            && let Some(host) = host
            && let Ok(host) = HeaderValue::from_str(host.as_str())
        {
            parts.headers.insert(HOST, host);
        }
        if uri.path_and_query.is_none() {
            uri.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        }
        // Scheme, authority and path are all there.
        parts.uri = Uri::from_parts(uri).unwrap_or_default();
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        Request::from_parts(parts, body.map_err(Into::into).boxed_unsync())
    }
}

impl<B> Service<Request<B>> for HttpCarry
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<HttpBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let text = "too many requests are carried at once\n".to_owned();
            return Box::pin(ready(Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, text))));
        };
        let carry = self.clone();
        Box::pin(async move {
            let _place = place;
            Ok(carry.carry(request).await)
        })
    }
}

impl HttpCarry {
    async fn carry<B>(self, mut request: Request<B>) -> Response<HttpBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if Hops::is_probe(request.headers()) {
            if let Some(looped) = self.probe.passes(request.headers_mut()) {
                return looped;
            }
        } else if self.leads_back().await {
            let text = format!("the original is away: {}\n", Away::looped());
            return refusal(StatusCode::BAD_GATEWAY, text);
        }
        match timeout(ANSWER, self.client.request(self.outgoing(request))).await {
            Ok(Ok(response)) => {
                let mut response = response.map(|body| body.map_err(Into::into).boxed_unsync());
                strip_hop_by_hop(response.headers_mut());
                response
            }
            Ok(Err(error)) => {
                let text = format!("the original is away: {}\n", chain(&error));
                refusal(StatusCode::BAD_GATEWAY, text)
            }
            Err(_) => {
                let text = "the original does not answer\n".to_owned();
                refusal(StatusCode::GATEWAY_TIMEOUT, text)
            }
        }
    }
}

fn refusal(status: StatusCode, text: String) -> Response<HttpBody> {
    let body = Full::from(text).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Makes the client's connections, whatever host a request names.
#[derive(Clone, Debug)]
struct Connector {
    dialer: Arc<Dialer>,
}

impl Service<Uri> for Connector {
    type Response = Io;
    type Error = Away;
    type Future = BoxFuture<'static, Result<Io, Away>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Away>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = Arc::clone(&self.dialer);
        Box::pin(async move {
            let keep = |stream| async { Ok::<_, Infallible>(Io(TokioIo::new(stream))) };
            dialer.dial(keep).await
        })
    }
}

/// A connection as hyper's client takes it.
struct Io(TokioIo<TlsStream<TcpStream>>);

impl Connection for Io {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl fmt::Debug for HttpCarry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCarry")
            .field("connector", &self.connector)
            .finish_non_exhaustive()
    }
}
