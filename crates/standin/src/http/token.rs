//! `POST /oauth2/token`: grants `client_credentials` and `password`.

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::info;

use super::Plane;
use super::answer::{OAuthError, guard};
use super::credentials::{Fields, client};
use crate::access_token::{AccessTokenClaims, Authority, Validity, new_identifier};
use crate::config::ApplicationConfig;
use crate::plane::ControlPlane;

const DEFAULT_VALIDITY: Validity = Validity::Seconds(3600);

/// Scopes of the control plane's own APIs: for its user alone, however an application asks for them.
const RESERVED: &str = "apim:";

#[derive(Debug, Serialize)]
struct Answer {
    access_token: String,
    scope: String,
    token_type: &'static str,
    expires_in: i64,
}

pub(super) async fn issue(
    State(plane): Plane,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, OAuthError> {
    let Form(fields) =
        form.map_err(|_| OAuthError::invalid_request("The request body is not a form"))?;
    let application = client(&plane, &headers, &fields)?;
    let authority = grant(&plane, &fields)?;
    let validity = validity(&fields)?;
    let claims = claims(
        &plane,
        application,
        authority,
        validity,
        &scope(&fields, authority),
    );
    info!(
        application = application.name,
        authority = ?authority,
        scope = claims.scope,
        "Access token is issued"
    );
    let answer = Answer {
        access_token: claims.sign(&plane.keys.token),
        scope: claims.scope,
        token_type: "Bearer",
        expires_in: validity.seconds(),
    };
    Ok(guard(Json(answer).into_response()))
}

fn grant(plane: &ControlPlane, fields: &Fields) -> Result<Authority, OAuthError> {
    let field = |name| fields.get(name).map_or("", String::as_str);
    match field("grant_type") {
        "" => Err(OAuthError::invalid_request(
            "Missing grant_type parameter value",
        )),
        "client_credentials" => Ok(Authority::Application),
        "password" if plane.is_admin(field("username"), field("password")) => {
            Ok(Authority::ApplicationUser)
        }
        "password" => Err(OAuthError::INVALID_GRANT),
        _ => Err(OAuthError::UNSUPPORTED_GRANT),
    }
}

/// `validity_period` in seconds; negative for ever, as in API Manager.
fn validity(fields: &Fields) -> Result<Validity, OAuthError> {
    let Some(text) = fields.get("validity_period") else {
        return Ok(DEFAULT_VALIDITY);
    };
    match text.parse::<i64>() {
        Ok(..=-1) => Some(Validity::Never),
        Ok(0) | Err(_) => None,
        Ok(seconds) => u32::try_from(seconds).ok().map(Validity::Seconds),
    }
    .ok_or(OAuthError::invalid_request(
        "validity_period is not a number of seconds",
    ))
}

/// What is granted of what is asked for; `default` where nothing is left.
fn scope(fields: &Fields, authority: Authority) -> String {
    let granted: Vec<_> = fields
        .get("scope")
        .map_or("", String::as_str)
        .split_whitespace()
        .filter(|scope| authority == Authority::ApplicationUser || !scope.starts_with(RESERVED))
        .collect();
    if granted.is_empty() {
        "default".into()
    } else {
        granted.join(" ")
    }
}

fn claims(
    plane: &ControlPlane,
    application: &ApplicationConfig,
    authority: Authority,
    validity: Validity,
    scope: &str,
) -> AccessTokenClaims {
    let now = plane.clock.seconds();
    AccessTokenClaims {
        sub: plane.admin_name().into(),
        aut: authority,
        aud: application.client_id.clone(),
        nbf: now,
        azp: application.client_id.clone(),
        scope: scope.into(),
        iss: plane.issuer.clone(),
        exp: validity.expires_at(now),
        iat: now,
        jti: new_identifier(),
        keytype: "PRODUCTION".into(),
        entity_id: match authority {
            Authority::Application => plane.client_entity_id(application),
            Authority::ApplicationUser => plane.user_entity_id(),
        },
    }
}
