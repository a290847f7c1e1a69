//! `envoy.service.auth.v3.Authorization/Check`: a request's attributes in, Choreo Connect's answer out.
//!
//! A check is a pure function of one version of the set, one of the keys and the clock; nothing is kept between two of them.
//! Whatever is wrong with a check, the answer is a refusal of ours: a gRPC error would leave it to the proxy's failure mode.

use std::{sync::Arc, time::Instant};

use rescind_authz::{Answer, Decision, Denial, Policy, Reason, Request};
use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, attribute_context::HttpRequest,
    authorization_server::Authorization,
};
use rescind_revocation::{RevokedSet, UnixSeconds};
use rescind_runtime::time::unix_now_seconds;
use tracing::debug;

use crate::{
    keys::Keys,
    metrics::{Metrics, Outcome},
    readiness::Readiness,
};

mod request;
mod response;

use request::RequestHeaders;

/// The ext_authz service.
#[derive(Debug, Clone)]
pub struct Checks {
    policy: Arc<Policy>,
    keys: Keys,
    set: Arc<RevokedSet>,
    readiness: Readiness,
    metrics: Metrics,
}

impl Checks {
    /// Decides by `policy` on what `set` and `keys` hold at the moment of each check, once `readiness` says so.
    pub fn new(
        policy: Policy,
        keys: Keys,
        set: Arc<RevokedSet>,
        readiness: Readiness,
        metrics: Metrics,
    ) -> Self {
        Self {
            policy: Arc::new(policy),
            keys,
            set,
            readiness,
            metrics,
        }
    }

    /// Answers one check. `now` is the wall clock's.
    pub fn check(&self, check: &CheckRequest, now: UnixSeconds) -> CheckResponse {
        let began = Instant::now();
        let http = request::http(check);
        let decision = self.decide(http, now);
        let outcome = outcome(&decision);
        self.metrics.checked(outcome, began.elapsed().as_secs_f64());
        log(http, &decision);
        match decision {
            Decision::Allow(permit) => response::allowed(http, permit),
            Decision::Deny(denial) => response::denied(http, &denial),
        }
    }

    fn decide(&self, http: Option<&HttpRequest>, now: UnixSeconds) -> Decision {
        if !self.readiness.is_complete() {
            return self.refuse(Answer::NotReady, Reason::NotReady);
        }
        let Some(http) = http else {
            return self.refuse(Answer::Unclassified, Reason::BadCheck);
        };
        let request = Request {
            method: &http.method,
            path: &http.path,
            headers: &RequestHeaders(http),
        };
        let keys = self.keys.load();
        let decision = self.policy.decide(&request, &keys, &self.set, now);
        if let Decision::Deny(denial) = &decision
            && denial.reason == Reason::UnknownKey
        {
            self.keys.wanted();
        }
        decision
    }

    fn refuse(&self, answer: Answer, reason: Reason) -> Decision {
        Decision::Deny(Denial {
            answer,
            reason,
            credential: None,
            version: self.set.read(|view| Arc::clone(view.version())),
        })
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

fn outcome(decision: &Decision) -> Outcome {
    match decision {
        Decision::Allow(_) => Outcome::Allowed,
        Decision::Deny(denial) => match denial.reason {
            reason if reason.is_revoked() => Outcome::Revoked,
            Reason::NotReady => Outcome::NotReady,
            Reason::BadCheck => Outcome::BadCheck,
            Reason::NoCredential | Reason::TooManyCredentials => Outcome::Missing,
            _ => Outcome::Invalid,
        },
    }
}

/// One line for each check, for who wants it. The path is shown without its query, where an API key may stand.
fn log(http: Option<&HttpRequest>, decision: &Decision) {
    let method = http.map_or("", |http| &http.method);
    let path = http.map_or("", request::path_without_query);
    let (reason, credential, version) = match decision {
        Decision::Allow(permit) => ("ok", Some(permit.credential), &permit.version),
        Decision::Deny(denial) => (denial.reason.as_str(), denial.credential, &denial.version),
    };
    let credential = credential.map_or("", rescind_authz::CredentialKind::as_str);
    debug!(target: "rescind_enforcer::access", method, path, reason, credential, %version, "Checked");
}

#[cfg(test)]
mod tests;
