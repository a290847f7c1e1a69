//! A decision in the words of ext_authz.

use rescind_authz::{Denial, Permit};
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

/// Choreo Connect's router turns a refusal without this key into a 500 of its own.
const REPLY: (&str, &str) = ("choreo-connect-enforcer-reply", "Ok");

/// The request passes: without its credentials, and with the set's version for the access log.
pub(super) fn allowed(http: Option<&HttpRequest>, permit: Permit) -> CheckResponse {
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
    metadata.push(("rescind_credential", permit.credential.as_str().to_owned()));
    CheckResponse {
        status: Some(Status::default()),
        dynamic_metadata: Some(fields(metadata)),
        http_response: Some(HttpResponse::OkResponse(response)),
    }
}

/// The request is refused.
pub(super) fn denied(http: Option<&HttpRequest>, denial: &Denial) -> CheckResponse {
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
    vec![
        (
            "correlationID",
            http.map(correlation_id).unwrap_or_default(),
        ),
        (REPLY.0, REPLY.1.to_owned()),
        ("rescind_version", version.to_owned()),
        ("rescind_reason", reason.to_owned()),
    ]
}

fn fields(entries: Vec<(&'static str, String)>) -> Struct {
    let value = |text| Value {
        kind: Some(Kind::StringValue(text)),
    };
    Struct {
        fields: entries
            .into_iter()
            .map(|(key, text)| (key.to_owned(), value(text)))
            .collect(),
    }
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
