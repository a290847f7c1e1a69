//! `envoy.service.auth.v3.Authorization/Check`: a request's attributes in, Choreo Connect's answer out.
//!
//! Whatever is wrong with a check, the answer is a refusal of ours: a gRPC error would leave it to the proxy's failure mode.
//! Where there is a next enforcer, what is not refused here goes on to it as the bytes that it is, and its answer goes back.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use rescind_authz::{CredentialKind, Decision, Request, VerifiedClaims};
use rescind_revocation::UnixSeconds;
use tonic::body::Body;
use tracing::debug;

use crate::{
    engine::{BadCheck, Engine, Verdict},
    next::Next,
};

mod attributes;
mod gateway;
pub(crate) mod grpc;
mod response;
mod route;
mod router;
mod service;
pub(crate) mod wire;

use attributes::{Attributes, HttpRequest};
use response::Asked;
use route::Route;
use router::Router;
pub use service::WithChecks;
pub(crate) use service::{CHECK, SERVICE};

/// What answers checks.
#[derive(Debug)]
pub struct Checks {
    engine: Engine,
    /// Under which keys Envoy's `jwt_authn` leaves what it has verified; none: it is not believed.
    payload_keys: Arc<[String]>,
    next: Option<Next>,
    /// Whether callers that speak SOAP are refused in SOAP.
    soap: bool,
    /// In which header Choreo Connect's router has a client's certificate, where that is not for the API behind.
    certificate_header: Box<str>,
}

/// What a check is answered from.
struct Judged<'a> {
    verdict: Verdict,
    router: Option<Router<'a>>,
}

impl Checks {
    /// Answers as `engine` decides. `payload_keys` are the `payload_in_metadata` of Envoy's `jwt_authn`, where that is
    /// believed.
    pub fn new(engine: Engine, payload_keys: &[String]) -> Self {
        Self {
            engine,
            payload_keys: payload_keys.into(),
            next: None,
            soap: false,
            certificate_header: "".into(),
        }
    }

    /// With `true`, refuses callers that speak SOAP by a SOAP fault.
    #[must_use]
    pub fn with_soap_faults(self, soap: bool) -> Self {
        Self { soap, ..self }
    }

    /// Takes the header with a client's certificate out of what Choreo Connect's router lets pass; empty: nothing.
    #[must_use]
    pub fn without_certificate_header(self, name: &str) -> Self {
        Self {
            certificate_header: name.to_ascii_lowercase().into(),
            ..self
        }
    }

    /// Asks `next`, if there is one, about everything that is not refused here.
    pub(crate) fn before(self, next: Option<Next>) -> Self {
        Self { next, ..self }
    }

    /// Answers one check, a `CheckRequest` in bytes, by a `CheckResponse` in bytes. `now` is the wall clock's. No next is
    /// asked.
    pub fn answer(&self, check: &[u8], now: UnixSeconds) -> Vec<u8> {
        let attributes = Attributes::read(check).ok();
        let judged = self.judge(attributes.as_ref(), now);
        let mut answer = Vec::with_capacity(response::USUAL_BYTES);
        let asked = self.asked(attributes.as_ref(), judged.router);
        response::write(&mut answer, asked, &judged.verdict);
        answer
    }

    /// Decides on one check, without making an answer of it.
    pub fn decide(&self, check: &[u8], now: UnixSeconds) -> Verdict {
        self.judge(Attributes::read(check).ok().as_ref(), now)
            .verdict
    }

    /// Answers the call with these headers and this body.
    pub(crate) async fn serve(
        &self,
        headers: &HeaderMap,
        body: Bytes,
        now: UnixSeconds,
    ) -> Response<Body> {
        let check = grpc::message(&body);
        let attributes = check.and_then(|check| Attributes::read(check).ok());
        let Judged {
            mut verdict,
            router,
        } = self.judge(attributes.as_ref(), now);
        let asked = self.asked(attributes.as_ref(), router);
        if let (Some(next), Decision::Allow(permit)) = (&self.next, &verdict.decision) {
            // By itself, so that a check without a next does not carry it about.
            match Box::pin(next.ask(headers, body.clone())).await {
                Ok(answer) => {
                    log(asked.http, &verdict.decision);
                    return answer.reply(|out| response::write_beside(out, &verdict));
                }
                Err(failure) => verdict.decision = Decision::Deny(failure.denial(permit)),
            }
        }
        log(asked.http, &verdict.decision);
        grpc::reply(grpc::body(response::USUAL_BYTES, |out| {
            response::write(out, asked, &verdict);
        }))
    }

    fn asked<'r, 'a>(
        &'r self,
        attributes: Option<&'r Attributes<'a>>,
        router: Option<Router<'a>>,
    ) -> Asked<'r, 'a> {
        Asked {
            http: attributes.and_then(|attributes| attributes.http.as_ref()),
            router,
            soap: self.soap,
            certificate_header: &self.certificate_header,
        }
    }

    fn judge<'a>(&self, attributes: Option<&Attributes<'a>>, now: UnixSeconds) -> Judged<'a> {
        let bad = || Judged {
            verdict: self
                .engine
                .decide::<HttpRequest<'_>>(Err(BadCheck), None, now),
            router: None,
        };
        let Some((attributes, http)) = attributes.and_then(|all| Some((all, all.http.as_ref()?)))
        else {
            return bad();
        };
        let names = self.engine.policy().names();
        let Ok(route) = Route::read(&attributes.extensions, names) else {
            return bad();
        };
        // Where there is a next, that is the router's enforcer, and does all of it.
        let router = route.router.filter(|_| self.next.is_none());
        if router.is_some_and(|router| router.answers(http.method)) {
            let verdict = self.engine.answer_options();
            return Judged { verdict, router };
        }
        let payloads = gateway::payloads(&attributes.metadata, &self.payload_keys);
        let Ok(verified): Result<Vec<VerifiedClaims>, _> = payloads else {
            return bad();
        };
        let request = Request {
            method: http.method,
            path: http.path,
            headers: http,
            names: route.names.as_ref(),
            verified: &verified,
            endpoints: router.map(|router| router.endpoints()),
        };
        let verdict = self.engine.decide(Ok(&request), route.stale_policy, now);
        Judged { verdict, router }
    }
}

/// One line for each check, for who wants it. The path is shown without its query, where an API key may stand.
fn log(http: Option<&HttpRequest<'_>>, decision: &Decision) {
    let method = http.map_or("", |http| http.method);
    let path = http.map_or("", HttpRequest::path_without_query);
    let (reason, credential, version) = match decision {
        Decision::Allow(permit) => ("ok", permit.credential, &permit.version),
        Decision::Deny(denial) => (denial.reason.as_str(), denial.credential, &denial.version),
    };
    let credential = credential.map_or("", CredentialKind::as_str);
    debug!(target: "rescind_enforcer::access", method, path, reason, credential, %version, "Checked");
}

#[cfg(test)]
mod tests;
