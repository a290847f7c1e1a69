//! The ext_authz service below HTTP/2: bytes in, bytes out.
//!
//! It takes the place of a generated server, which would build every message before it is read and every answer before it is
//! written, and would not keep the bytes that go on to a next enforcer.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either};
use http::{Request, Response};
use rescind_revocation::UnixSeconds;
use rescind_runtime::time::unix_now_seconds;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{
    Checks,
    grpc::{self, BodyError},
};

/// `envoy.service.auth.v3.Authorization`, laid before the other services of a server: a check is not routed.
#[derive(Debug, Clone)]
pub struct CheckLayer {
    checks: Arc<Checks>,
    /// The largest check, in bytes.
    most: usize,
}

/// Checks, and behind them the other services.
#[derive(Debug, Clone)]
pub struct WithChecks<S> {
    checks: CheckLayer,
    others: S,
}

/// The name of the service.
pub(crate) const SERVICE: &str = "envoy.service.auth.v3.Authorization";

/// Its one method.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

impl CheckLayer {
    /// Answers as `checks` does; a check may have `most` bytes.
    pub fn new(checks: Checks, most: usize) -> Self {
        Self {
            checks: Arc::new(checks),
            most,
        }
    }

    async fn serve(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let (call, body) = request.into_parts();
        let body = match grpc::collect(body, self.most).await {
            Ok(body) => body.to_bytes(),
            // Refused as what cannot be read: a gRPC error would leave it to the proxy's failure mode.
            Err(BodyError::TooLong(_)) => Bytes::new(),
            Err(BodyError::Broken(_)) => return Ok(grpc::cut_off()),
        };
        let now = UnixSeconds(unix_now_seconds());
        Ok(self.checks.serve(&call.headers, body, now).await)
    }
}

impl<S> Layer<S> for CheckLayer {
    type Service = WithChecks<S>;

    fn layer(&self, others: S) -> WithChecks<S> {
        WithChecks {
            checks: self.clone(),
            others,
        }
    }
}

impl<S> Service<Request<Body>> for WithChecks<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<BoxFuture<'static, Result<Response<Body>, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.others.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match request.uri().path() {
            CHECK => Either::Left(Box::pin(self.checks.clone().serve(request))),
            _ => Either::Right(self.others.call(request)),
        }
    }
}
