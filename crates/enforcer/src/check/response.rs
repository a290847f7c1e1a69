//! A decision in the words of ext_authz, written as it goes over the wire: `envoy.service.auth.v3.CheckResponse`.

use std::{fmt::Write as _, time::Duration};

use rescind_authz::{Answer, Decision, Denial, Fault, Headers as _, Permit};

use super::{
    attributes::HttpRequest,
    router::{CLUSTER_HEADER, Router},
    wire::{message, number, text},
};
use crate::engine::Verdict;

/// Choreo Connect's router turns a refusal without this key into a 500 of its own.
const REPLY: (&str, &str) = ("choreo-connect-enforcer-reply", "Ok");

const CONTENT_TYPE: &str = "content-type";

/// As much as most answers take.
pub(super) const USUAL_BYTES: usize = 1024;

/// `CheckResponse.dynamic_metadata`.
const DYNAMIC_METADATA: u32 = 4;

/// What an answer depends on beside the decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'r, 'a> {
    /// The request, where it could be read.
    pub(super) http: Option<&'r HttpRequest<'a>>,
    /// Choreo Connect's router, where that asks.
    pub(super) router: Option<Router<'a>>,
    /// Whether who speaks SOAP is refused in SOAP.
    pub(super) soap: bool,
    /// A header with a client's certificate that must not reach the API behind that router; empty: none.
    pub(super) certificate_header: &'r str,
}

/// What the decision is, with the set's version and age for the access log. A refusal is said by a SOAP fault where the
/// settings allow that and the request asks for it.
pub(super) fn write(out: &mut Vec<u8>, asked: Asked<'_, '_>, verdict: &Verdict) {
    let http = asked.http;
    match &verdict.decision {
        Decision::Allow(permit) => allowed(out, permit, asked),
        Decision::Deny(denial) if denial.answer == Answer::Options => {
            options(out, denial.answer, asked);
        }
        Decision::Deny(denial) => denied(out, denial, http.filter(|_| asked.soap).and_then(fault)),
    }
    message(out, DYNAMIC_METADATA, |fields| {
        let id = http.map(HttpRequest::correlation_id).unwrap_or_default();
        field(fields, "correlationID", &id);
        field(fields, REPLY.0, REPLY.1);
        if let (Some(http), Decision::Allow(permit)) = (http, &verdict.decision) {
            field(fields, "originalPath", http.path_without_query());
            credential_metadata(fields, permit);
        }
        own_metadata(fields, verdict);
    });
}

/// What the original tells its interceptors of the credential; but never `token`, the credential itself.
fn credential_metadata(fields: &mut Vec<u8>, permit: &Permit) {
    if let Some(kind) = permit.credential {
        let key_type = permit.key_type.as_deref();
        field(fields, "tokenType", kind.token_type());
        field(fields, "keyType", key_type.unwrap_or(kind.usual_key_type()));
    }
}

/// What is put behind somebody else's answer: it merges into the metadata that stands there (and takes the place of keys of
/// the same name), as a message that comes in pieces does.
pub(super) fn write_beside(out: &mut Vec<u8>, verdict: &Verdict) {
    message(out, DYNAMIC_METADATA, |fields| {
        own_metadata(fields, verdict);
    });
}

/// What is ours alone. What is not known is left out; ages are in whole seconds.
fn own_metadata(fields: &mut Vec<u8>, verdict: &Verdict) {
    let (version, reason, credential) = match &verdict.decision {
        Decision::Allow(permit) => (&permit.version, "ok", permit.credential),
        Decision::Deny(denial) => (&denial.version, denial.reason.as_str(), denial.credential),
    };
    field(fields, "rescind_version", version);
    field(fields, "rescind_reason", reason);
    if let Some(credential) = credential {
        field(fields, "rescind_credential", credential.as_str());
    }
    let mut seconds = String::new();
    let mut age = |name, age: Option<Duration>| {
        if let Some(age) = age {
            seconds.clear();
            // Writing to a text cannot fail.
            let _ = write!(seconds, "{}", age.as_secs());
            field(fields, name, &seconds);
        }
    };
    age("rescind_age", verdict.link_age);
    age("rescind_source_age", verdict.source_age);
    if verdict.stale {
        field(fields, "rescind_stale", "true");
    }
}

/// The request passes, without its credentials; behind Choreo Connect's router to the cluster of its key type, whatever
/// the client has said of that.
fn allowed(out: &mut Vec<u8>, permit: &Permit, asked: Asked<'_, '_>) {
    let certificate = asked.router.map_or("", |_| asked.certificate_header);
    message(out, 1, |_| {});
    message(out, 3, |ok| {
        if let Some(path) = &permit.path {
            header(ok, ":path", path);
        }
        if let Some(router) = asked.router {
            // The decision was made for one of the router's endpoints: there is a cluster. Without one, what a client has
            // sent does not pass either.
            match router.cluster(permit.endpoint) {
                Some(cluster) => header(ok, CLUSTER_HEADER, cluster),
                None => text(ok, 5, CLUSTER_HEADER),
            }
        }
        for name in permit.remove_headers.iter() {
            text(ok, 5, name);
        }
        if !certificate.is_empty() {
            text(ok, 5, certificate);
        }
    });
}

/// `OPTIONS` is answered in the place of the API. To Envoy that is a refusal too.
fn options(out: &mut Vec<u8>, answer: Answer, asked: Asked<'_, '_>) {
    let allow = asked.router.map(|router| router.allow());
    message(out, 1, |status| {
        number(status, 1, answer.grpc_code().unsigned_abs().into());
    });
    message(out, 2, |denied| {
        message(denied, 1, |status| {
            number(status, 1, answer.status().into());
        });
        if let Some(allow) = &allow {
            header(denied, "allow", allow);
        }
    });
}

/// What a request wants to be told errors in, if not in JSON.
fn fault(http: &HttpRequest<'_>) -> Option<Fault> {
    let content_type = http.values("content-type").next()?;
    Fault::wanted(content_type, http.values("soapaction").next().is_some())
}

/// The request is refused.
fn denied(out: &mut Vec<u8>, denial: &Denial, fault: Option<Fault>) {
    let answer = denial.answer;
    message(out, 1, |status| {
        number(status, 1, answer.grpc_code().unsigned_abs().into());
    });
    message(out, 2, |denied| {
        message(denied, 1, |status| {
            number(status, 1, answer.status().into());
        });
        for (name, value) in answer.headers() {
            match fault {
                Some(fault) if *name == CONTENT_TYPE => header(denied, name, fault.content_type()),
                _ => header(denied, name, value),
            }
        }
        match fault {
            Some(fault) => text(denied, 3, &fault.body(answer)),
            None => text(denied, 3, answer.body()),
        }
    });
}

/// An entry of a `google.protobuf.Struct` that is a text.
fn field(fields: &mut Vec<u8>, key: &str, value: &str) {
    message(fields, 1, |entry| {
        text(entry, 1, key);
        message(entry, 2, |any| text(any, 3, value));
    });
}

/// `HeaderValueOption`: a header that takes the place of the one that is there.
fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    message(out, 2, |option| {
        message(option, 1, |header| {
            text(header, 1, name);
            text(header, 2, value);
        });
        number(option, 3, OVERWRITE_IF_EXISTS_OR_ADD);
    });
}

const OVERWRITE_IF_EXISTS_OR_ADD: u64 = 2;
