//! Answers: those of the OAuth endpoints, and those of the REST APIs.

use std::error::Error;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::error;

use crate::plane::PlaneError;

/// A refusal as RFC 6749, section 5.2, has it, in API Manager's order of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

impl OAuthError {
    /// Unknown client, or wrong secret: which of the two is not said.
    pub(super) const INVALID_CLIENT: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        error: "invalid_client",
        description: "Client Authentication failed.",
    };

    pub(super) const INVALID_GRANT: Self = Self::bad("invalid_grant", "Authentication failed");

    pub(super) const UNSUPPORTED_GRANT: Self =
        Self::bad("unsupported_grant_type", "Unsupported grant_type value");

    /// A parameter is missing or wrong.
    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
    }

    const fn bad(error: &'static str, description: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description,
        }
    }
}

/// Nothing was revoked, nothing published.
impl From<PlaneError> for OAuthError {
    fn from(cause: PlaneError) -> Self {
        report(&cause);
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "server_error",
            description: "The list of revocations is not available",
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let Self {
            status,
            error,
            description,
        } = self;
        // By hand: the order of the fields is API Manager's.
        let body = format!(r#"{{"error_description":"{description}","error":"{error}"}}"#);
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            challenge(&mut response, "Basic realm=is.com");
        }
        guard(response)
    }
}

/// Adds what API Manager puts on every answer of the OAuth endpoints.
pub(super) fn guard(mut response: Response) -> Response {
    let guards = [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("x-xss-protection", "1; mode=block"),
        ("cache-control", "no-store"),
        ("pragma", "no-cache"),
    ];
    for (name, value) in guards {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A refusal of a REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    description: &'static str,
    challenge: Option<&'static str>,
}

impl ApiError {
    /// No access token, or one that is not good any more.
    pub(super) const NO_TOKEN: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        description: "Unauthenticated request",
        challenge: Some("Bearer"),
    };

    /// Not the admin.
    pub(super) const NOT_ADMIN: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        description: "Unauthenticated request",
        challenge: Some("Basic realm=\"WSO2-Registry\""),
    };

    pub(super) const fn new(status: StatusCode, description: &'static str) -> Self {
        Self {
            status,
            description,
            challenge: None,
        }
    }

    pub(super) const fn bad_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, description)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.status.as_u16(),
            "message": self.status.canonical_reason(),
            "description": self.description,
            "moreInfo": "",
            "error": [],
        });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(scheme) = self.challenge {
            challenge(&mut response, scheme);
        }
        response
    }
}

/// Nothing was revoked, nothing published.
impl From<PlaneError> for ApiError {
    fn from(cause: PlaneError) -> Self {
        report(&cause);
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The list of revocations is not available",
        )
    }
}

fn challenge(response: &mut Response, scheme: &'static str) {
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
}

fn report(cause: &PlaneError) {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    error!(error = text, "Cannot use the list of revocations");
}
