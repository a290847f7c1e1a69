//! The ext_authz service below HTTP/2: bytes in, bytes out.
//!
//! It takes the place of a generated server, which would build every message before it is read and every answer before it is
//! written, and would not keep the bytes that go on to a next enforcer.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use rescind_revocation::UnixSeconds;
use rescind_runtime::time::unix_now_seconds;
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

use super::{Checks, grpc};

/// Answers `envoy.service.auth.v3.Authorization`.
#[derive(Debug, Clone)]
pub struct CheckService {
    checks: Arc<Checks>,
    /// The largest check, in bytes.
    most: usize,
}

/// Its one method.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

impl CheckService {
    /// Answers as `checks` does; a check may have `most` bytes.
    pub fn new(checks: Checks, most: usize) -> Self {
        Self {
            checks: Arc::new(checks),
            most,
        }
    }
}

impl NamedService for CheckService {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl Service<Request<Body>> for CheckService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { checks, most } = self.clone();
        Box::pin(async move { Ok(serve(&checks, most, request).await) })
    }
}

async fn serve(checks: &Checks, most: usize, request: Request<Body>) -> Response<Body> {
    if request.uri().path() != CHECK {
        return Status::unimplemented("").into_http();
    }
    let (call, body) = request.into_parts();
    let body = match grpc::collect(body, most).await {
        Ok(body) => body.to_bytes(),
        Err(error) => return grpc::failed(&error),
    };
    let now = UnixSeconds(unix_now_seconds());
    checks.serve(&call.headers, body, now).await
}
