//! `envoy.service.auth.v3.Authorization/Check`: a request's attributes in, Choreo Connect's answer out.
//!
//! Whatever is wrong with a check, the answer is a refusal of ours: a gRPC error would leave it to the proxy's failure mode.

use std::sync::Arc;

use rescind_authz::{CredentialKind, Decision, Request, VerifiedClaims};
use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, attribute_context::HttpRequest,
    authorization_server::Authorization,
};
use rescind_revocation::UnixSeconds;
use rescind_runtime::time::unix_now_seconds;
use tracing::debug;

use crate::engine::{BadCheck, Engine, Verdict};

mod gateway;
mod request;
mod response;
mod route;

use request::RequestHeaders;
use route::Route;

/// The ext_authz service.
#[derive(Debug, Clone)]
pub struct Checks {
    engine: Engine,
    /// Under which keys Envoy's `jwt_authn` leaves what it has verified; none: it is not believed.
    payload_keys: Arc<[String]>,
}

impl Checks {
    /// Answers as `engine` decides. `payload_keys` are the `payload_in_metadata` of Envoy's `jwt_authn`, where that is
    /// believed.
    pub fn new(engine: Engine, payload_keys: &[String]) -> Self {
        Self {
            engine,
            payload_keys: payload_keys.into(),
        }
    }

    /// Answers one check. `now` is the wall clock's.
    pub fn check(&self, check: &CheckRequest, now: UnixSeconds) -> CheckResponse {
        let verdict = self.decide(check, now);
        let http = request::http(check);
        log(http, &verdict.decision);
        response::of(http, verdict)
    }

    /// Decides on one check, without making an answer of it.
    pub fn decide(&self, check: &CheckRequest, now: UnixSeconds) -> Verdict {
        let http = request::http(check);
        let (Some(attributes), Some(http)) = (&check.attributes, http) else {
            return self.refuse(now);
        };
        let names = self.engine.policy().names();
        let Ok(route) = Route::read(&attributes.context_extensions, names) else {
            return self.refuse(now);
        };
        let verified: Vec<VerifiedClaims> = gateway::payloads(attributes, &self.payload_keys);
        let request = Request {
            method: &http.method,
            path: &http.path,
            headers: &RequestHeaders(http),
            names: route.names.as_ref(),
            verified: &verified,
        };
        self.engine.decide(Ok(&request), route.stale_policy, now)
    }

    fn refuse(&self, now: UnixSeconds) -> Verdict {
        self.engine
            .decide::<RequestHeaders<'_>>(Err(BadCheck), None, now)
    }
}

#[tonic::async_trait]
impl Authorization for Checks {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        let now = UnixSeconds(unix_now_seconds());
        Ok(tonic::Response::new(self.check(request.get_ref(), now)))
    }
}

/// One line for each check, for who wants it. The path is shown without its query, where an API key may stand.
fn log(http: Option<&HttpRequest>, decision: &Decision) {
    let method = http.map_or("", |http| &http.method);
    let path = http.map_or("", request::path_without_query);
    let (reason, credential, version) = match decision {
        Decision::Allow(permit) => ("ok", permit.credential, &permit.version),
        Decision::Deny(denial) => (denial.reason.as_str(), denial.credential, &denial.version),
    };
    let credential = credential.map_or("", CredentialKind::as_str);
    debug!(target: "rescind_enforcer::access", method, path, reason, credential, %version, "Checked");
}

#[cfg(test)]
mod tests;
