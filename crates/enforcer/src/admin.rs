//! `/revoked_tokens` as Choreo Connect's enforcer has it: what is revoked, for who knows the password.
//!
//! ```text
//! GET /revoked_tokens                 200 {"count":1,"tokens":[{"token":"<id>","expiredTime":1628175421481}]}
//! GET /revoked_tokens?token=<token>   the same, of that token alone; a JWT in full, or an identifier
//! ```
//!
//! The enforcer holds 128 bits of each identifier. For a UUID that is all of it; anything else is shown by its hash, in the
//! same form. Two headers tell what the original does not know: `rescind-version`, and `rescind-age` in seconds.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::stream;
use rescind_authz::identifiers;
use rescind_carry::HttpCarry;
use rescind_revocation::{Entry, RevokedSet, TokenId};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::{config::Management, engine::Engine};

const NO_HEADER: &str = r#"{"error": true, "message": "No Authorization header provided"}"#;
const REFUSED: &str = r#"{"error": true, "message": "Username/ password invalid. User is not authorized to invoke the resource."}"#;
const NOT_IMPLEMENTED: &str = r#"{"error": true, "message": "Request Method not implemented."}"#;
const NOT_FOUND: &str = r#"{"error": true, "message": "Requested Resource Not Found"}"#;
const BUSY: &str = r#"{"error": true, "message": "Another list is being written"}"#;

/// Entries in one piece of the body: 90 kB.
const PIECE: usize = 1000;

/// Lists at once. One of 10 million tokens takes 320 MB while it is written.
const LISTS: usize = 1;

/// What the page needs.
#[derive(Debug, Clone)]
pub struct RevokedTokens {
    engine: Engine,
    /// The digest of `user:password`; `None`: nobody may.
    credentials: Option<[u8; 32]>,
    lists: Arc<Semaphore>,
}

impl RevokedTokens {
    /// The page on the set of `engine`, for who `management` names.
    pub fn new(engine: Engine, management: &Management) -> Self {
        let password = &management.password;
        let credentials = (!password.is_empty())
            .then(|| hash(format!("{}:{}", management.username, password.expose()).as_bytes()));
        Self {
            engine,
            credentials,
            lists: Arc::new(Semaphore::new(LISTS)),
        }
    }

    /// The route; every other is carried by `carry`, or has the original's answer for what it does not know.
    pub fn router(self, carry: Option<HttpCarry>) -> Router {
        let router = Router::new().route("/revoked_tokens", any(page));
        let router = match carry {
            Some(carry) => router.fallback_service(carry),
            None => router.fallback(nothing),
        };
        router.with_state(self)
    }

    /// The answer to who may not.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Some(error(StatusCode::UNAUTHORIZED, NO_HEADER));
        };
        let sent = basic(value).unwrap_or_default();
        let good = self
            .credentials
            .is_some_and(|credentials| equal(&credentials, &hash(&sent)));
        (!good).then(|| error(StatusCode::UNAUTHORIZED, REFUSED))
    }
}

async fn page(
    State(tokens): State<RevokedTokens>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    if let Some(refusal) = tokens.refusal(request.headers()) {
        return refusal;
    }
    if request.method() != Method::GET {
        return error(StatusCode::NOT_IMPLEMENTED, NOT_IMPLEMENTED);
    }
    let Ok(list) = tokens.lists.clone().try_acquire_owned() else {
        return error(StatusCode::SERVICE_UNAVAILABLE, BUSY);
    };
    let only = query.get("token").map(|token| identifiers(token));
    let engine = tokens.engine.clone();
    let collect = move || collect(engine.set(), only.as_deref());
    let collected = tokio::task::spawn_blocking(collect).await;
    let (version, found) = match collected {
        Ok(collected) => collected,
        Err(failed) => {
            warn!(error = %failed, "The list of revoked tokens cannot be made");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let pieces = pieces(found).map(|piece| Ok::<_, std::convert::Infallible>(Bytes::from(piece)));
    // The list is over when its last piece was taken.
    let pieces = pieces.inspect(move |_| {
        let _ = &list;
    });
    let mut response = json(StatusCode::OK, Body::from_stream(stream::iter(pieces)));
    let headers = response.headers_mut();
    if let Ok(version) = HeaderValue::from_str(&version) {
        headers.insert("rescind-version", version);
    }
    if let Some(age) = tokens.engine.freshness().age().link() {
        headers.insert("rescind-age", age.as_secs().into());
    }
    response
}

async fn nothing(State(tokens): State<RevokedTokens>, headers: HeaderMap) -> Response {
    tokens
        .refusal(&headers)
        .unwrap_or_else(|| error(StatusCode::NOT_FOUND, NOT_FOUND))
}

/// The tokens of the set, or those of them that `only` names.
fn collect(set: &RevokedSet, only: Option<&[TokenId]>) -> (Arc<str>, Vec<Entry>) {
    let wanted = |id: TokenId| only.is_none_or(|only| only.contains(&id));
    // A look-up tells whether it is worth going through everything.
    let none = only.is_some_and(|only| !set.read(|view| only.iter().any(|id| view.has_token(*id))));
    let mut found = Vec::new();
    if none {
        return (set.read(|view| view.version().clone()), found);
    }
    let version = set.for_each(|entry| {
        if let Entry::Token { id, .. } = entry
            && wanted(id)
        {
            found.push(entry);
        }
    });
    (version, found)
}

/// The body, piece by piece.
fn pieces(found: Vec<Entry>) -> impl Iterator<Item = String> + Send {
    let head = format!(r#"{{"count":{},"tokens":["#, found.len());
    let count = found.len().div_ceil(PIECE);
    let middle = (0..count).map(move |piece| {
        let from = piece * PIECE;
        let to = found.len().min(from + PIECE);
        let mut text = String::with_capacity(PIECE * 96);
        for (at, entry) in found[from..to].iter().enumerate() {
            let comma = if from + at > 0 { "," } else { "" };
            write_token(&mut text, comma, entry);
        }
        text
    });
    std::iter::once(head)
        .chain(middle)
        .chain(std::iter::once("]}".to_owned()))
}

fn write_token(text: &mut String, comma: &str, entry: &Entry) {
    let Entry::Token { id, expiry } = entry else {
        return;
    };
    let bits = id.as_u128();
    // Writing to a text cannot fail.
    let _ = write!(
        text,
        r#"{comma}{{"token":"{:08x}-{:04x}-{:04x}-{:04x}-{:012x}","expiredTime":{}}}"#,
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff,
        expiry.to_wire_millis(),
    );
}

/// `user:password` of a value of HTTP Basic authentication (RFC 7617).
fn basic(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    match scheme.eq_ignore_ascii_case("basic") {
        true => BASE64_STANDARD.decode(credentials.trim()).ok(),
        false => None,
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Takes the same time whatever differs.
fn equal(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

fn error(status: StatusCode, body: &'static str) -> Response {
    json(status, Body::from(body))
}

fn json(status: StatusCode, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests;
