//! Who may ask, and who may change: two tokens, sent as a bearer token or as the password of any user.

use axum::http::{HeaderMap, StatusCode, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rescind_runtime::config::Secret;

use super::Refusal;

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    Manage,
}

/// The tokens.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    read: Option<Secret>,
    manage: Option<Secret>,
}

impl Access {
    /// An empty token gives no right.
    pub(crate) fn new(read: &Secret, manage: &Secret) -> Self {
        let set = |secret: &Secret| (!secret.is_empty()).then(|| secret.clone());
        Self {
            read: set(read),
            manage: set(manage),
        }
    }

    /// Who may manage may read.
    pub(super) fn check(&self, headers: &HeaderMap, right: Right) -> Result<(), Refusal> {
        let tokens = match right {
            Right::Read => [&self.read, &self.manage],
            Right::Manage => [&self.manage, &None],
        };
        if tokens.iter().all(|token| token.is_none()) {
            let key = match right {
                Right::Read => "adapter.admin.readToken",
                Right::Manage => "adapter.admin.manageToken",
            };
            let text = format!("nobody may do this: {key} is not set");
            return Err(Refusal(StatusCode::FORBIDDEN, text));
        }
        let Some(shown) = shown(headers) else {
            let text = "send the token, as a bearer token or as a password";
            return Err(Refusal(StatusCode::UNAUTHORIZED, text.to_owned()));
        };
        let fits = |token: &Secret| same(token.expose().as_bytes(), &shown);
        if tokens.into_iter().flatten().any(fits) {
            return Ok(());
        }
        if right == Right::Manage && self.read.as_ref().is_some_and(fits) {
            let text = "this token may read alone";
            return Err(Refusal(StatusCode::FORBIDDEN, text.to_owned()));
        }
        let text = "the token is not the right one";
        Err(Refusal(StatusCode::UNAUTHORIZED, text.to_owned()))
    }
}

/// The token in `Authorization`.
fn shown(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.trim().as_bytes().to_vec()),
        "basic" => {
            let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
            let colon = decoded.iter().position(|byte| *byte == b':')?;
            Some(decoded[colon + 1..].to_vec())
        }
        _ => None,
    }
}

/// Compares in a time that depends on the lengths alone.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |bits, (a, b)| bits | (a ^ b));
    std::hint::black_box(differ) == 0 && one.len() == other.len()
}
