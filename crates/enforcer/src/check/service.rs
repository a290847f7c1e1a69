//! The ext_authz service below HTTP/2: bytes in, bytes out.
//!
//! It takes the place of a generated server, which would build every message before it is read and every answer before it is
//! written, and would not keep the bytes that go on to a next enforcer.

use std::{convert::Infallible, error::Error, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::service::Service;
use rescind_revocation::UnixSeconds;
use rescind_runtime::time::unix_now_seconds;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::{
    Checks,
    grpc::{self, BodyError},
};

/// `envoy.service.auth.v3.Authorization` before the other services of a server: a check is not routed.
#[derive(Debug, Clone)]
pub struct WithChecks<S> {
    checks: Arc<Checks>,
    /// The largest check, in bytes.
    most: usize,
    others: S,
}

/// The name of the service.
pub(crate) const SERVICE: &str = "envoy.service.auth.v3.Authorization";

/// Its one method.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

impl<S> WithChecks<S> {
    /// Answers as `checks` does; a check may have `most` bytes. Everything else is for `others`.
    pub fn new(checks: Checks, most: usize, others: S) -> Self {
        Self {
            checks: Arc::new(checks),
            most,
            others,
        }
    }
}

async fn check<B>(checks: Arc<Checks>, most: usize, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (call, body) = request.into_parts();
    let body = match grpc::collect(body, most).await {
        Ok(body) => body.to_bytes(),
        // Refused as what cannot be read: a gRPC error would leave it to the proxy's failure mode.
        Err(BodyError::TooLong(_)) => Bytes::new(),
        Err(BodyError::Broken(_)) => return grpc::cut_off(),
    };
    let now = UnixSeconds(unix_now_seconds());
    checks.serve(&call.headers, body, now).await
}

impl<S, B> Service<Request<B>> for WithChecks<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        match request.uri().path() {
            CHECK => {
                let answer = check(Arc::clone(&self.checks), self.most, request);
                Box::pin(async { Ok(answer.await) })
            }
            _ => Box::pin(self.others.clone().oneshot(request.map(Body::new))),
        }
    }
}
