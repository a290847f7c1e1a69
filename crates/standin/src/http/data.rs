//! `GET /internal/data/v1/revokedjwt`: the whole list, for whoever has missed events.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Plane;
use super::answer::ApiError;
use super::credentials::Admin;

pub(super) async fn revoked(
    _admin: Admin,
    State(plane): Plane,
) -> Result<impl IntoResponse, ApiError> {
    let list = plane.list_json().await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], list))
}
