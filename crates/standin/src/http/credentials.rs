//! Who asks: the header `Authorization` in its two forms, and the form fields of OAuth.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::answer::{ApiError, OAuthError};
use crate::config::ApplicationConfig;
use crate::plane::ControlPlane;

/// The scope that makes and revokes API keys.
pub(super) const API_KEY_SCOPE: &str = "apim:api_key";

/// The fields of a form body.
pub(super) type Fields = HashMap<String, String>;

/// The application that asks: by Basic auth, else by `client_id` and `client_secret` in the form.
pub(super) fn client<'a>(
    plane: &'a ControlPlane,
    headers: &HeaderMap,
    fields: &Fields,
) -> Result<&'a ApplicationConfig, OAuthError> {
    let (id, secret) = if headers.contains_key(header::AUTHORIZATION) {
        basic(headers).ok_or(OAuthError::INVALID_CLIENT)?
    } else {
        let field = |name| fields.get(name).cloned().unwrap_or_default();
        (field("client_id"), field("client_secret"))
    };
    plane
        .authenticate_client(&id, &secret)
        .ok_or(OAuthError::INVALID_CLIENT)
}

/// The request comes from the admin, by Basic auth.
#[derive(Debug)]
pub(super) struct Admin;

impl FromRequestParts<Arc<ControlPlane>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        plane: &Arc<ControlPlane>,
    ) -> Result<Self, ApiError> {
        basic(&parts.headers)
            .filter(|(username, password)| plane.is_admin(username, password))
            .map(|_| Self)
            .ok_or(ApiError::NOT_ADMIN)
    }
}

/// The request has an access token with the scope [`API_KEY_SCOPE`].
#[derive(Debug)]
pub(super) struct ApiKeyScope;

impl FromRequestParts<Arc<ControlPlane>> for ApiKeyScope {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        plane: &Arc<ControlPlane>,
    ) -> Result<Self, ApiError> {
        let claims = credential(&parts.headers, "bearer")
            .and_then(|token| plane.active_token(token))
            .ok_or(ApiError::NO_TOKEN)?;
        if claims.has_scope(API_KEY_SCOPE) {
            Ok(Self)
        } else {
            Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "The access token does not allow you to access the requested resource",
            ))
        }
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let decoded = STANDARD.decode(credential(headers, "basic")?).ok()?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// What follows the scheme. Two headers are none: which of them counts would be a matter of taste.
fn credential<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (found, credential) = value.split_once(' ')?;
    found
        .eq_ignore_ascii_case(scheme)
        .then(|| credential.trim())
}
