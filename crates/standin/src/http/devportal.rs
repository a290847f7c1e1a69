//! The two calls of the DevPortal API that concern API keys.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::Plane;
use super::answer::ApiError;
use super::credentials::ApiKeyScope;
use crate::access_token::new_identifier;
use crate::api_key::{ApiKeyClaims, ApplicationClaim, IssuedApiKey, subscriptions, tiers};
use crate::config::ApplicationConfig;
use crate::event::Event;
use crate::list::{JwtRow, Row};
use crate::plane::{ControlPlane, TENANT_DOMAIN};

const MALFORMED: ApiError = ApiError::bad_request("The request body is not valid");

pub(super) fn router() -> Router<Arc<ControlPlane>> {
    Router::new()
        .route(
            "/applications/{id}/api-keys/{key_type}/generate",
            post(generate),
        )
        .route(
            "/applications/{id}/api-keys/{key_type}/revoke",
            post(revoke),
        )
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerateRequest {
    validity_period: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    apikey: String,
    validity_time: i64,
}

async fn generate(
    _scope: ApiKeyScope,
    State(plane): Plane,
    Path((id, key_type)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Generated>, ApiError> {
    let (number, application) = application(&plane, &id, &key_type)?;
    let request: GenerateRequest = if body.is_empty() {
        GenerateRequest::default()
    } else {
        serde_json::from_slice(&body).map_err(|_| MALFORMED)?
    };
    let now = plane.clock.seconds();
    let validity = request.validity_period.unwrap_or(-1);
    let exp = match validity {
        -1 => None,
        1.. => Some(now.saturating_add(validity)),
        _ => {
            return Err(ApiError::bad_request(
                "validityPeriod is not a number of seconds",
            ));
        }
    };
    let claims = ApiKeyClaims {
        sub: format!("{}@{TENANT_DOMAIN}", plane.admin_name()),
        application: ApplicationClaim {
            owner: plane.admin_name().into(),
            tier_quota_type: None,
            tier: "Unlimited",
            name: application.name.clone(),
            id: number,
            uuid: application.id.clone(),
        },
        iss: plane.issuer.clone(),
        tier_info: tiers(),
        keytype: key_type,
        subscribed_apis: subscriptions(plane.admin_name()),
        token_type: "apiKey",
        exp,
        iat: now,
        jti: new_identifier(),
    };
    info!(
        application = application.name,
        keytype = claims.keytype,
        "API key is issued"
    );
    Ok(Json(Generated {
        apikey: claims.sign(&plane.keys.api_key),
        validity_time: validity,
    }))
}

#[derive(Debug, Deserialize)]
struct RevokeRequest {
    apikey: String,
}

/// Revoking a key again tells the hub again, as API Manager does; the list holds it once.
async fn revoke(
    _scope: ApiKeyScope,
    State(plane): Plane,
    Path((id, key_type)): Path<(String, String)>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let (_, application) = application(&plane, &id, &key_type)?;
    let request: RevokeRequest = serde_json::from_slice(&body).map_err(|_| MALFORMED)?;
    let key = IssuedApiKey::read(&plane.keys.api_key, &request.apikey, &application.id)
        .ok_or(ApiError::bad_request("The API key is not valid"))?;
    let expiry_time = key.expiry_time();
    let event = Event::api_key(&key.jti, expiry_time);
    let row = Row::Jwt(JwtRow {
        jwt_signature: key.jti,
        expiry_time,
    });
    plane.revoke(vec![(row, event)]).await?;
    info!(application = application.name, "API key is revoked");
    Ok(StatusCode::OK)
}

fn application<'a>(
    plane: &'a ControlPlane,
    id: &str,
    key_type: &str,
) -> Result<(usize, &'a ApplicationConfig), ApiError> {
    let found = plane.application(id).ok_or(ApiError::new(
        StatusCode::NOT_FOUND,
        "The application does not exist",
    ))?;
    match key_type {
        "PRODUCTION" | "SANDBOX" => Ok(found),
        _ => Err(ApiError::bad_request("keyType is PRODUCTION or SANDBOX")),
    }
}
