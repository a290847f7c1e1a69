//! An ext_authz client of one's own, for what Envoy would not let through.

use std::collections::HashMap;

use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse,
    attribute_context::{HttpRequest, Request},
    authorization_client::AuthorizationClient,
    check_response::HttpResponse,
};
use tonic::{Status, transport::Channel};

/// A `Check` for a GET with these headers.
pub(crate) fn check_request(headers: &[(&str, &str)]) -> CheckRequest {
    let headers: HashMap<_, _> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let http = HttpRequest {
        method: "GET".into(),
        path: "/demo/v1/echo".into(),
        headers,
        ..HttpRequest::default()
    };
    let request = Request {
        http: Some(http),
        ..Request::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(request),
            ..AttributeContext::default()
        }),
    }
}

/// Asks.
pub(crate) async fn check(
    channel: Channel,
    request: CheckRequest,
) -> Result<CheckResponse, Status> {
    let mut client = AuthorizationClient::new(channel).max_encoding_message_size(usize::MAX);
    Ok(client.check(request).await?.into_inner())
}

/// The status and the body of a refusal; `None` where the request may pass.
pub(crate) fn denial(response: &CheckResponse) -> Option<(i32, &str)> {
    match response.http_response.as_ref()? {
        HttpResponse::DeniedResponse(denied) => Some((
            denied.status.as_ref().map_or(0, |status| status.code),
            &denied.body,
        )),
        _ => None,
    }
}
