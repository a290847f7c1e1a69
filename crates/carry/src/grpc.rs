//! gRPC calls, carried over HTTP/2.

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, poll_fn};
use http::{Request, Response, Uri, Version, header::HOST, uri::Scheme};
use http_body::Body;
use tokio::{
    select,
    sync::Semaphore,
    time::{Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::Service;

use self::probe::Foreign;
use crate::{
    Away, Caller, GrpcBody, Hops, Metrics, Upstream,
    body::{GRACE, Live, Progress, doubted},
    callers::Callers,
    headers::strip_hop_by_hop,
    metrics::{Call, Outcome, Place},
    pool::Pool,
    status::{self, GRPC_STATUS, Status},
    upload::Upload,
};

mod probe;

/// How a [`GrpcCarry`] carries.
#[derive(Debug, Clone)]
pub struct Settings {
    /// So many calls at once; who comes beyond is told `RESOURCE_EXHAUSTED`. Each holds at most about 400 KiB of what its
    /// ends do not read, and beside it its metadata: [`MAX_METADATA`](crate::MAX_METADATA) of the call's where the server
    /// in front has that limit, and up to 1 MiB of the answer's.
    pub max_calls: usize,
    /// So many of them for one [`Caller`], so that none shuts the others out.
    pub max_calls_per_caller: usize,
    /// Makes `UNAVAILABLE` of an OK that ends a call whose caller has not ended its own half: an upstream that goes away
    /// may end its streams so, and Choreo Connect's xDS clients never come back from OK.
    pub open_never_ends_ok: bool,
    /// An upstream connection with calls is pinged so often, one without is closed after as long. gRPC servers do not
    /// suffer pings more often than each five minutes.
    pub ping_interval: Duration,
    /// The longest that an answer to a ping may take.
    pub ping_timeout: Duration,
    /// The longest that an answer to a [probe](GrpcCarry::probe) may take.
    pub probe_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_calls: 4096,
            max_calls_per_caller: usize::MAX,
            open_never_ends_ok: false,
            ping_interval: Duration::from_secs(330),
            ping_timeout: Duration::from_secs(20),
            probe_timeout: Duration::from_secs(10),
        }
    }
}

/// Carries every gRPC call to one upstream. A clone is the same carrier.
///
/// A tower service for requests as a server receives them. Its answers are the upstream's own, or a status: `UNAVAILABLE`
/// when the upstream is away or goes away before the call has ended, `DEADLINE_EXCEEDED` when the caller's time is up,
/// `RESOURCE_EXHAUSTED` beyond [`Settings::max_calls`] or the share of its caller, and after a reset what gRPC's table has
/// for it. Connections are made when a call needs one, and again after a loss.
#[derive(Debug, Clone)]
pub struct GrpcCarry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: Pool,
    address: String,
    places: Arc<Semaphore>,
    callers: Arc<Callers>,
    settings: Settings,
    drain: CancellationToken,
    metrics: Arc<Metrics>,
    hops: Hops,
    foreign: Foreign,
}

impl GrpcCarry {
    /// A carrier to `upstream`; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The address is not `host:port`.
    pub fn new(
        upstream: &Upstream,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Away> {
        let inner = Inner {
            pool: Pool::new(upstream, settings.clone(), Arc::clone(&metrics))?,
            address: upstream.address.clone(),
            places: Arc::new(Semaphore::new(settings.max_calls)),
            callers: Arc::new(Callers::new(settings.max_calls_per_caller)),
            settings,
            drain: CancellationToken::new(),
            metrics,
            hops: Hops::new(),
            foreign: Foreign::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Probes as `hops`, where somebody else of this process probes the same upstream: what either finds holds for both.
    ///
    /// # Panics
    ///
    /// The carrier has been cloned.
    #[must_use]
    pub fn with_hops(mut self, hops: Hops) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("called before there is a clone");
        inner.hops = hops;
        self
    }

    /// Whether so many calls are under way that another one would be refused.
    pub fn is_full(&self) -> bool {
        self.inner.places.available_permits() == 0
    }

    /// Ends every call with `UNAVAILABLE` and refuses new ones.
    pub fn drain(&self) {
        self.inner.drain.cancel();
    }
}

impl<B> Service<Request<B>> for GrpcCarry
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<GrpcBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.inner);
        // From here on, and not from the first poll: a server in front that counts too must not be the first, since tonic's
        // says CANCELLED then.
        let deadline = status::timeout(request.headers()).map(|time| Box::pin(sleep(time)));
        Box::pin(async move { Ok(inner.carry(request, deadline).await) })
    }
}

impl Inner {
    async fn carry<B>(&self, request: Request<B>, mut deadline: Deadline) -> Response<GrpcBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut call = match self.place(request.extensions().get()) {
            Ok(place) => self.metrics.call(Some(place)),
            Err(status) => {
                self.metrics.call(None).ended(Outcome::full);
                return status.response();
            }
        };
        let mut drained = Box::pin(self.drain.clone().cancelled_owned());
        let ended = select! {
            biased;
            () = &mut drained => Status::draining(),
            () = over(&mut deadline) => Status::deadline(),
            answer = self.answer(request, &mut call) => match answer {
                Ok(answer) => return self.respond(answer, call, deadline, drained),
                Err(status) => return status.response(),
            },
        };
        call.ended(Outcome::ended);
        ended.response()
    }

    /// A place for one more call of `caller`.
    fn place(&self, caller: Option<&Caller>) -> Result<Place, Status> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Status::too_many())?;
        let share = caller.map(|caller| {
            self.callers
                .share(caller)
                .ok_or_else(Status::too_many_of_one)
        });
        Ok(Place {
            _permit: permit,
            _share: share.transpose()?,
        })
    }

    /// Sends the call and waits for the headers of its answer.
    async fn answer<B>(&self, request: Request<B>, call: &mut Call) -> Result<Answer, Status>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let away = |call: &mut Call, status| {
            call.ended(Outcome::away);
            status
        };
        if self.hops.is_looped() {
            return Err(away(call, Away::looped().into()));
        }
        let ready = self.pool.ready().await;
        let (slot, mut sender) = ready.map_err(|error| away(call, error.into()))?;
        let (head, body) = self.head(request)?;
        let whole = body.is_end_stream();
        let (response, stream) = sender
            .send_request(head, whole)
            .map_err(|error| away(call, Status::of(&error)))?;
        let mut upload = match whole {
            true => Upload::Whole,
            false => Upload::start(body, stream),
        };
        let response = response
            .await
            .map_err(|error| away(call, Status::of(&error)))?;
        if response.body().is_end_stream() {
            if self.settings.open_never_ends_ok && status::is_ok(response.headers()) {
                let mut grace = Box::pin(sleep(GRACE));
                let whole = poll_fn(|context| doubted(&mut upload, grace.as_mut(), context));
                if !whole.await {
                    return Err(away(call, Status::ended_open()));
                }
            }
            if !response.headers().contains_key(GRPC_STATUS) && response.status().is_success() {
                return Err(away(call, Status::without()));
            }
        }
        Ok(Answer {
            response,
            upload,
            slot,
        })
    }

    /// The head as the upstream gets it: the same but for what concerns the caller's connection.
    fn head<B>(&self, request: Request<B>) -> Result<(Request<()>, B), Status> {
        let (parts, body) = request.into_parts();
        let mut head = Request::new(());
        *head.method_mut() = parts.method;
        *head.version_mut() = Version::HTTP_2;
        *head.headers_mut() = parts.headers;
        strip_hop_by_hop(head.headers_mut());
        let host = head.headers_mut().remove(HOST);
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTPS);
        if uri.authority.is_none() {
            let host = host.as_ref().and_then(|host| host.to_str().ok());
            uri.authority = host.unwrap_or(&self.address).parse().ok();
        }
        *head.uri_mut() = Uri::from_parts(uri)
            .map_err(|_| Status::new(status::Code::Internal, "the call names no path"))?;
        Ok((head, body))
    }

    fn respond(
        &self,
        answer: Answer,
        mut call: Call,
        deadline: Deadline,
        drained: Pin<Box<WaitForCancellationFutureOwned>>,
    ) -> Response<GrpcBody> {
        let Answer {
            response,
            upload,
            slot,
        } = answer;
        let (parts, answer) = response.into_parts();
        if answer.is_end_stream() {
            call.ended(match status::is_ok(&parts.headers) {
                true => Outcome::ok,
                false => Outcome::error,
            });
            return Response::from_parts(parts, GrpcBody::empty());
        }
        let body = GrpcBody::live(Live {
            answer,
            progress: Progress::Data,
            upload,
            deadline,
            drained,
            open_never_ends_ok: self.settings.open_never_ends_ok,
            call,
            _slot: slot,
        });
        Response::from_parts(parts, body)
    }
}

/// A call whose answer has begun.
struct Answer {
    response: Response<h2::RecvStream>,
    upload: Upload,
    slot: crate::connection::Slot,
}

/// When the caller's time is up, where it said so.
type Deadline = Option<Pin<Box<Sleep>>>;

async fn over(deadline: &mut Deadline) {
    match deadline {
        Some(deadline) => deadline.await,
        None => std::future::pending().await,
    }
}
