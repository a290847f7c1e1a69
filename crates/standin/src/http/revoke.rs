//! `POST /oauth2/revoke` (RFC 7009, with API Manager's headers).

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tracing::info;

use super::Plane;
use super::answer::{OAuthError, guard};
use super::credentials::{Fields, client};
use crate::access_token::{AccessTokenClaims, new_identifier};
use crate::event::Event;
use crate::list::{JwtRow, Row};
use crate::plane::TENANT_DOMAIN;

pub(super) async fn revoke(
    State(plane): Plane,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, OAuthError> {
    let Form(fields) =
        form.map_err(|_| OAuthError::invalid_request("The request body is not a form"))?;
    let application = client(&plane, &headers, &fields)?;
    let token = fields
        .get("token")
        .filter(|token| !token.is_empty())
        .ok_or(OAuthError::invalid_request("Missing token parameter value"))?;
    // A token of another application is answered like one that nobody has issued: RFC 7009 wants it left alone, and
    // whoever asks has no business to know that it is good.
    let claims = plane
        .active_token(token)
        .filter(|claims| claims.azp == application.client_id);
    let Some(claims) = claims else {
        return Ok(empty());
    };
    let (jti, expiry_time) = (claims.jti.clone(), claims.expiry_time());
    let event = Event::token(&jti, expiry_time);
    let row = Row::Jwt(JwtRow {
        jwt_signature: jti,
        expiry_time,
    });
    plane.revoke(vec![(row, event)]).await?;
    info!(application = application.name, "Access token is revoked");
    Ok(revoked(token, &claims))
}

/// The token was invalid: the same answer without the three headers that name it.
fn empty() -> Response {
    let mut response = ().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    guard(response)
}

fn revoked(token: &str, claims: &AccessTokenClaims) -> Response {
    let mut response = empty();
    let named = [
        ("revokedaccesstoken", token.to_owned()),
        ("authorizeduser", format!("{}@{TENANT_DOMAIN}", claims.sub)),
        ("revokedrefreshtoken", new_identifier()),
    ];
    for (name, value) in named {
        // A verified token is base64 and dots, an identifier a UUID. A user's name may be anything: it is left out rather
        // than the answer refused, for the token is revoked by now.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
