//! Access tokens: what stands in them, and what is made of a token that comes back.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::jwt::{self, Padding};
use crate::keys::SigningKey;

/// Whom a token speaks for: claim `aut`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Authority {
    /// The application itself: grant `client_credentials`.
    Application,
    /// A user of the application: grant `password`.
    ApplicationUser,
}

/// The claims, in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// The user, or the application's owner.
    pub sub: String,
    /// Whom the token speaks for.
    pub aut: Authority,
    /// The consumer key.
    pub aud: String,
    /// Seconds.
    pub nbf: i64,
    /// The consumer key.
    pub azp: String,
    /// Scopes, separated by blanks.
    pub scope: String,
    /// Who issued it.
    pub iss: String,
    /// Seconds.
    pub exp: i64,
    /// Seconds.
    pub iat: i64,
    /// A random UUID, which is what gets revoked.
    pub jti: String,
    /// `PRODUCTION`.
    pub keytype: String,
    /// What subject revocations name: the user's UUID, or the consumer key where the application speaks for itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entity_id: Option<String>,
}

#[derive(Serialize)]
struct Header {
    x5t: String,
    kid: String,
    alg: &'static str,
}

/// How long a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// So many seconds.
    Seconds(u32),
    /// For ever: API Manager writes the largest number of seconds whose milliseconds still fit.
    Never,
}

impl Validity {
    /// The claim `exp`. Seconds since the epoch.
    pub fn expires_at(self, now: i64) -> i64 {
        match self {
            Validity::Seconds(seconds) => now + i64::from(seconds),
            Validity::Never => NEVER,
        }
    }

    /// `expires_in` of the answer.
    pub fn seconds(self) -> i64 {
        match self {
            Validity::Seconds(seconds) => seconds.into(),
            Validity::Never => NEVER,
        }
    }
}

/// `exp` of a token that never expires. Seconds.
const NEVER: i64 = i64::MAX / 1000;

impl AccessTokenClaims {
    /// Writes and signs the token.
    pub fn sign(&self, key: &SigningKey) -> String {
        let header = Header {
            x5t: key.token_thumbprint(),
            kid: key.token_key_id(),
            alg: "RS256",
        };
        jwt::sign(key, Padding::None, &header, self)
    }

    /// Reads a token of ours that has not expired. Whether it is revoked is the list's affair.
    pub fn read(key: &SigningKey, token: &str, now: i64) -> Option<Self> {
        let claims: Self = jwt::verify(key, token)?;
        (claims.exp > now).then_some(claims)
    }

    /// Whether the token carries `scope`.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|one| one == scope)
    }

    /// `expiryTime` of its revocation: milliseconds, the largest number for a token that never expires.
    pub fn expiry_time(&self) -> i64 {
        match self.exp {
            NEVER => i64::MAX,
            exp => exp.saturating_mul(1000),
        }
    }
}

/// A new `jti`.
pub fn new_identifier() -> String {
    Uuid::new_v4().to_string()
}
