//! A layer around any service that answers HTTP requests.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode, Uri, request::Parts, uri::PathAndQuery,
};
use tower::Service;

use super::{Answer, Decision, Embedded, Permit, Route};

/// Puts an enforcer before a service: what it refuses never reaches it.
#[derive(Debug, Clone)]
pub struct Layer {
    enforcer: Embedded,
    route: Arc<Route>,
}

/// A service behind an enforcer. A request that passes comes without its credentials, and with its [`Permit`] among the
/// extensions.
#[derive(Debug, Clone)]
pub struct Enforce<S> {
    enforcer: Embedded,
    route: Arc<Route>,
    inner: S,
}

impl Layer {
    /// A layer as it is configured.
    pub fn new(enforcer: Embedded) -> Self {
        Self::for_route(enforcer, Route::default())
    }

    /// A layer for a route with settings of its own.
    pub fn for_route(enforcer: Embedded, route: Route) -> Self {
        Self {
            enforcer,
            route: Arc::new(route),
        }
    }
}

impl<S> tower::Layer<S> for Layer {
    type Service = Enforce<S>;

    fn layer(&self, inner: S) -> Enforce<S> {
        Enforce {
            enforcer: self.enforcer.clone(),
            route: self.route.clone(),
            inner,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Enforce<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<&'static str>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<S::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match self.enforcer.check(&parts, &self.route).decision {
            Decision::Allow(permit) => match pass(&mut parts, permit) {
                Ok(()) => Either::Right(self.inner.call(Request::from_parts(parts, body))),
                Err(NoTarget) => refuse(Answer::Unclassified),
            },
            Decision::Deny(denial) => refuse(denial.answer),
        }
    }
}

/// The target without its key is no target any more. It cannot happen: what is cut out of a target leaves one.
struct NoTarget;

/// Takes the credentials out of a request.
fn pass(parts: &mut Parts, permit: Permit) -> Result<(), NoTarget> {
    for name in permit.remove_headers.iter() {
        parts.headers.remove(&**name);
    }
    if let Some(path) = &permit.path {
        let mut uri = parts.uri.clone().into_parts();
        let path: PathAndQuery = path.parse().map_err(|_| NoTarget)?;
        uri.path_and_query = Some(path);
        parts.uri = Uri::from_parts(uri).map_err(|_| NoTarget)?;
    }
    parts.extensions.insert(permit);
    Ok(())
}

fn refuse<R: From<&'static str>, E, F>(answer: Answer) -> Either<Ready<Result<Response<R>, E>>, F> {
    let mut response = Response::new(R::from(answer.body()));
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    for (name, value) in answer.headers() {
        // Names are written as the original has them, in capitals too.
        if let Ok(name) = HeaderName::try_from(*name) {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
    }
    Either::Left(ready(Ok(response)))
}
