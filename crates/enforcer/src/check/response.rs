//! A decision in the words of ext_authz.

use std::{collections::HashMap, time::Duration};

use rescind_authz::{Decision, Denial, Permit};
use rescind_proto::{
    envoy::{
        config::core::v3::{
            HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            CheckResponse, DeniedHttpResponse, OkHttpResponse, attribute_context::HttpRequest,
            check_response::HttpResponse,
        },
        r#type::v3::HttpStatus,
    },
    google::{
        protobuf::{Struct, Value, value::Kind},
        rpc::Status,
    },
};

use super::request::{correlation_id, path_without_query};
use crate::engine::Verdict;

/// Choreo Connect's router turns a refusal without this key into a 500 of its own.
const REPLY: (&str, &str) = ("choreo-connect-enforcer-reply", "Ok");

/// As many entries as an answer may have.
const MOST_METADATA: usize = 9;

/// What the decision is, with the set's version and age for the access log.
pub(super) fn of(http: Option<&HttpRequest>, verdict: Verdict) -> CheckResponse {
    let ages = ages(&verdict);
    match verdict.decision {
        Decision::Allow(permit) => allowed(http, permit, ages),
        Decision::Deny(denial) => denied(http, &denial, ages),
    }
}

/// Whole seconds; what is not known is left out.
fn ages(verdict: &Verdict) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let seconds = |age: Duration| age.as_secs().to_string();
    let link = verdict.link_age.map(|age| ("rescind_age", seconds(age)));
    let source = verdict
        .source_age
        .map(|age| ("rescind_source_age", seconds(age)));
    let stale = verdict.stale.then(|| ("rescind_stale", "true".to_owned()));
    [link, source, stale].into_iter().flatten()
}

/// The request passes, without its credentials.
fn allowed(
    http: Option<&HttpRequest>,
    permit: Permit,
    ages: impl Iterator<Item = (&'static str, String)>,
) -> CheckResponse {
    let path = permit.path.map(|path| header(":path", &path));
    let removed = permit.remove_headers.iter().map(|name| name.to_string());
    let response = OkHttpResponse {
        headers: path.into_iter().collect(),
        headers_to_remove: removed.collect(),
        ..OkHttpResponse::default()
    };
    let mut metadata = metadata(http, &permit.version, "ok");
    if let Some(http) = http {
        metadata.push(("originalPath", path_without_query(http).to_owned()));
    }
    if let Some(credential) = permit.credential {
        metadata.push(("rescind_credential", credential.as_str().to_owned()));
    }
    metadata.extend(ages);
    CheckResponse {
        status: Some(Status::default()),
        dynamic_metadata: Some(fields(metadata)),
        http_response: Some(HttpResponse::OkResponse(response)),
    }
}

/// The request is refused.
fn denied(
    http: Option<&HttpRequest>,
    denial: &Denial,
    ages: impl Iterator<Item = (&'static str, String)>,
) -> CheckResponse {
    let answer = denial.answer;
    let headers = answer.headers().iter();
    let response = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(answer.status()),
        }),
        headers: headers.map(|(name, value)| header(name, value)).collect(),
        body: answer.body().to_owned(),
    };
    let mut metadata = metadata(http, &denial.version, denial.reason.as_str());
    if let Some(credential) = denial.credential {
        metadata.push(("rescind_credential", credential.as_str().to_owned()));
    }
    metadata.extend(ages);
    CheckResponse {
        status: Some(Status {
            code: answer.grpc_code(),
            ..Status::default()
        }),
        dynamic_metadata: Some(fields(metadata)),
        http_response: Some(HttpResponse::DeniedResponse(response)),
    }
}

/// What every answer says to the proxy's other filters and its access log.
fn metadata(
    http: Option<&HttpRequest>,
    version: &str,
    reason: &str,
) -> Vec<(&'static str, String)> {
    let mut metadata = Vec::with_capacity(MOST_METADATA);
    metadata.extend([
        (
            "correlationID",
            http.map(correlation_id).unwrap_or_default(),
        ),
        (REPLY.0, REPLY.1.to_owned()),
        ("rescind_version", version.to_owned()),
        ("rescind_reason", reason.to_owned()),
    ]);
    metadata
}

fn fields(entries: Vec<(&'static str, String)>) -> Struct {
    let mut fields = HashMap::with_capacity(entries.len());
    for (key, text) in entries {
        let kind = Some(Kind::StringValue(text));
        fields.insert(key.to_owned(), Value { kind });
    }
    Struct { fields }
}

/// A header that takes the place of the one that is there.
fn header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
