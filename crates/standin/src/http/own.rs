//! What API Manager has no single call for: `/standin/v1`, by which tests and the demo revoke an application, a subject, or
//! a thousand tokens at once. Basic auth, the admin's.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::Plane;
use super::answer::ApiError;
use super::credentials::Admin;
use crate::access_token::new_identifier;
use crate::event::Event;
use crate::list::{ConsumerKeyRow, JwtRow, Row, SubjectRow};
use crate::plane::{ControlPlane, TENANT_DOMAIN};

/// Revocations in one call.
const MOST: usize = 1_000_000;
/// A list of that many UUIDs fits.
const BODY_LIMIT: usize = 64 << 20;

pub(super) fn router() -> Router<Arc<ControlPlane>> {
    Router::new()
        .route("/applications/{id}/revoke", post(application))
        .route("/subjects/{entity_id}/revoke", post(subject))
        .route(
            "/revocations",
            post(revocations).layer(DefaultBodyLimit::max(BODY_LIMIT)),
        )
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApplicationRequest {
    /// Milliseconds; now where absent.
    revocation_time: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationAnswer {
    consumer_key: String,
    revocation_time: i64,
}

async fn application(
    _admin: Admin,
    State(plane): Plane,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<ApplicationAnswer>, ApiError> {
    let request: ApplicationRequest = read(&body)?;
    let (_, application) = plane.application(&id).ok_or(ApiError::new(
        StatusCode::NOT_FOUND,
        "The application does not exist",
    ))?;
    let consumer_key = application.client_id.clone();
    let revocation_time = request.revocation_time.unwrap_or_else(|| now(&plane));
    let row = Row::ConsumerKey(ConsumerKeyRow {
        consumer_key: consumer_key.clone(),
        revocation_time,
        organization: TENANT_DOMAIN.into(),
    });
    let event = Event::application(&consumer_key, revocation_time);
    plane.revoke(vec![(row, event)]).await?;
    info!(
        application = application.name,
        revocation_time, "Application is revoked"
    );
    Ok(Json(ApplicationAnswer {
        consumer_key,
        revocation_time,
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubjectRequest {
    /// `CLIENT_ID` for a known consumer key, else `USER_ID`, where absent.
    entity_type: Option<String>,
    /// Milliseconds; now where absent.
    revocation_time: Option<i64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectAnswer {
    entity_id: String,
    entity_type: String,
    revocation_time: i64,
}

async fn subject(
    _admin: Admin,
    State(plane): Plane,
    Path(entity_id): Path<String>,
    body: Bytes,
) -> Result<Json<SubjectAnswer>, ApiError> {
    let request: SubjectRequest = read(&body)?;
    let revocation_time = request.revocation_time.unwrap_or_else(|| now(&plane));
    let entity_type = request.entity_type.unwrap_or_else(|| {
        let client = plane.is_consumer_key(&entity_id);
        if client { "CLIENT_ID" } else { "USER_ID" }.into()
    });
    let row = Row::Subject(SubjectRow {
        entity_id: entity_id.clone(),
        entity_type: entity_type.clone(),
        revocation_time,
        organization: TENANT_DOMAIN.into(),
    });
    let event = Event::subject(&entity_id, &entity_type, revocation_time);
    plane.revoke(vec![(row, event)]).await?;
    info!(entity_type, revocation_time, "Subject is revoked");
    Ok(Json(SubjectAnswer {
        entity_id,
        entity_type,
        revocation_time,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RevocationsRequest {
    /// So many new UUIDs ...
    #[serde(default)]
    count: usize,
    /// ... and these.
    #[serde(default)]
    identifiers: Vec<String>,
    /// The event's `type`.
    #[serde(rename = "type", default = "jwt")]
    kind: String,
    /// As it is to be sent; an hour from now, in milliseconds, where absent.
    expiry_time: Option<i64>,
    /// `false` writes the list alone, as if every event were lost.
    #[serde(default = "yes")]
    publish: bool,
}

#[derive(Debug, Serialize)]
struct RevocationsAnswer {
    identifiers: Vec<String>,
}

async fn revocations(
    _admin: Admin,
    State(plane): Plane,
    body: Bytes,
) -> Result<Json<RevocationsAnswer>, ApiError> {
    let request: RevocationsRequest = serde_json::from_slice(&body)
        .map_err(|_| ApiError::bad_request("expected {\"count\":n} or {\"identifiers\":[..]}"))?;
    let RevocationsRequest {
        count,
        mut identifiers,
        kind,
        expiry_time,
        publish,
    } = request;
    if count > MOST || identifiers.len() > MOST {
        return Err(ApiError::bad_request("more than 1000000 revocations"));
    }
    if identifiers.iter().any(String::is_empty) {
        return Err(ApiError::bad_request("an identifier is empty"));
    }
    identifiers.extend((0..count).map(|_| new_identifier()));
    let expiry_time = expiry_time.unwrap_or_else(|| now(&plane) + 3_600_000);
    let rows = identifiers.iter().map(|identifier| {
        Row::Jwt(JwtRow {
            jwt_signature: identifier.clone(),
            expiry_time,
        })
    });
    if publish {
        let events = identifiers.iter().map(|identifier| Event {
            kind: kind.clone(),
            revoked_token: identifier.clone(),
            expiry_time,
        });
        plane.revoke(rows.zip(events).collect()).await?;
    } else {
        plane.list_only(rows.collect()).await?;
    }
    info!(count = identifiers.len(), publish, "Tokens are revoked");
    Ok(Json(RevocationsAnswer { identifiers }))
}

fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|_| ApiError::bad_request("The request body is not valid"))
}

fn now(plane: &ControlPlane) -> i64 {
    i64::try_from(plane.clock.millis()).unwrap_or(i64::MAX)
}

fn jwt() -> String {
    "JWT".into()
}

fn yes() -> bool {
    true
}
