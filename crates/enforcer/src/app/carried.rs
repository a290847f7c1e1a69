//! What is asked of the ext_authz port and is not ours is carried to the next enforcer, where there is one.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, Either};
use http::{Request, Response};
use rescind_carry::GrpcCarry;
use tonic::body::Body;
use tower::{Layer, Service};

/// Lays the carrying before our own services. It must be the first to see a path: a router would answer for all.
#[derive(Debug, Clone)]
pub(super) struct CarryLayer(pub(super) Option<GrpcCarry>);

/// Our own services, and all others.
#[derive(Debug, Clone)]
pub(super) struct Carried<S> {
    own: S,
    carry: Option<GrpcCarry>,
}

impl<S> Layer<S> for CarryLayer {
    type Service = Carried<S>;

    fn layer(&self, own: S) -> Carried<S> {
        let carry = self.0.clone();
        Carried { own, carry }
    }
}

impl<S> Service<Request<Body>> for Carried<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.own.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match &mut self.carry {
            Some(carry) if GrpcCarry::is_probe(&request) => {
                let answered = answer_probe(carry.clone(), self.own.clone(), request);
                Either::Right(Box::pin(answered))
            }
            Some(carry) if !is_ours(request.uri().path()) => {
                let carried = carry.call(request);
                Either::Right(Box::pin(async {
                    carried.await.map(|response| response.map(Body::new))
                }))
            }
            _ => Either::Left(self.own.call(request)),
        }
    }
}

/// A probe that has come back is told so; any other asks for our health.
async fn answer_probe<S>(
    carry: GrpcCarry,
    mut own: S,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let marks = request.headers().clone();
    match carry.loops(&marks).await {
        Some(looped) => Ok(looped.map(Body::new)),
        None => own.call(request).await,
    }
}

/// Whether a path is of a service that is served here, whatever the next has.
fn is_ours(path: &str) -> bool {
    let service = path.strip_prefix('/').unwrap_or(path);
    let service = service.split('/').next().unwrap_or_default();
    // Of ext_authz, whatever version: the next would decide without any look at what is revoked.
    service.starts_with("envoy.service.auth.") || service == "grpc.health.v1.Health"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_told_by_its_service() {
        for (path, ours) in [
            ("/envoy.service.auth.v3.Authorization/Check", true),
            ("/envoy.service.auth.v3.Authorization/New", true),
            ("/grpc.health.v1.Health/Watch", true),
            (
                "/envoy.extensions.filters.http.mgw_wasm_websocket.v3.WebSocketFrameService/PublishFrameData",
                false,
            ),
            ("/envoy.service.auth.v2.Authorization/Check", true),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(is_ours(path), ours, "{path}");
        }
    }
}
