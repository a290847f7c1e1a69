//! What a refused request is told: Choreo Connect's bodies, headers and codes, to the byte.

use std::sync::Arc;

use crate::{CredentialKind, KeyType};

mod soap;

pub use soap::Fault;

/// One of the answers that exist. Which one a case gets is decided elsewhere; here is what each looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A revoked JWT.
    InvalidJwt,
    /// A revoked API key or internal key; a JWT that is expired, badly signed or of an unknown issuer; an expired API key
    /// or internal key.
    InvalidCredentials,
    /// Nothing in the request can be used as a credential.
    NoCredential,
    /// No key for this token, or a reason that has no code of its own.
    Unclassified,
    /// A JWT that cannot be decoded.
    UndecodableJwt,
    /// An API key that cannot be decoded or is badly signed.
    ApiKeyFailed,
    /// An internal key that cannot be decoded.
    InternalKeyFailed,
    /// A key for production, where the API has no such endpoint.
    NoProductionEndpoint,
    /// A key for the sandbox, where the API has no such endpoint.
    NoSandboxEndpoint,
    /// A key for neither.
    InvalidKeyType,
    /// `OPTIONS` of a resource that does not list it. No refusal: the gateway answers in the place of the API.
    Options,
    /// The revoked set is not complete yet. Ours: the original has no such state, and lets requests pass instead.
    NotReady,
    /// The revoked set is too old, and the policy refuses. Ours, as the one before.
    Stale,
    /// The same as 401, for callers that take any 5xx for a reason to try again at once.
    StaleUnauthorized,
    /// Who was to be asked next has not answered. Ours too.
    NextSilent,
}

/// What an answer says, and all of it as JSON.
#[derive(Debug, Clone, Copy)]
struct Text {
    message: &'static str,
    code: &'static str,
    description: &'static str,
    body: &'static str,
}

/// `error_message`, `code` and `error_description`, put together as the original does.
macro_rules! text {
    ($message:literal, $code:literal, $($description:literal),+) => {
        Text {
            message: $message,
            code: $code,
            description: concat!($($description,)+),
            body: concat!(
                r#"{"error_message":""#,
                $message,
                r#"","code":""#,
                $code,
                r#"","error_description":""#,
                $($description,)+
                r#""}"#
            ),
        }
    };
}

/// A text with code 900901, whose description ends with a hint.
macro_rules! invalid {
    ($description:literal) => {
        text!(
            "Invalid Credentials",
            "900901",
            $description,
            "Make sure you have provided the correct security credentials"
        )
    };
}

const CONTENT_TYPE: (&str, &str) = ("content-type", "application/json");
const CHALLENGE: (&str, &str) = (
    "WWW-Authenticate",
    "Bearer realm=\"Choreo Connect\", error=\"invalid_token\", error_description=\"The provided token is invalid\"",
);

impl Answer {
    /// The body. No newline at its end.
    pub fn body(self) -> &'static str {
        self.text().body
    }

    fn text(self) -> Text {
        match self {
            Self::InvalidJwt => invalid!("Invalid JWT token. "),
            Self::InvalidCredentials => invalid!("Invalid Credentials. "),
            Self::NoCredential => invalid!(""),
            Self::Unclassified => text!(
                "Unclassified Authentication Failure",
                "900900",
                "Unclassified Authentication Failure"
            ),
            Self::UndecodableJwt => {
                invalid!("Not a JWT token. Failed to decode the token header. ")
            }
            // Two dots each: the original's text ends with one, and another is put behind it.
            Self::ApiKeyFailed => invalid!("API key authentication failed.. "),
            Self::InternalKeyFailed => invalid!("Internal key authentication failed.. "),
            Self::NoProductionEndpoint => {
                invalid!("Production key offered to an API with no production endpoint. ")
            }
            Self::NoSandboxEndpoint => {
                invalid!("Sandbox key offered to an API with no sandbox endpoint. ")
            }
            Self::InvalidKeyType => invalid!("Invalid key type.. "),
            Self::Options => Text {
                message: "",
                code: "",
                description: "",
                body: "",
            },
            Self::NotReady => text!(
                "Service Unavailable",
                "900900",
                "Revoked tokens are not loaded yet"
            ),
            Self::Stale => text!(
                "Service Unavailable",
                "900900",
                "Revoked tokens have not been confirmed for longer than is allowed"
            ),
            Self::NextSilent => text!(
                "Service Unavailable",
                "900900",
                "The check of this request could not be completed"
            ),
            Self::StaleUnauthorized => {
                text!(
                    "Unclassified Authentication Failure",
                    "900900",
                    "Revoked tokens have not been confirmed for longer than is allowed"
                )
            }
        }
    }

    /// What a key of this type is told where the API has no endpoint for it.
    pub(crate) fn no_endpoint(key_type: KeyType) -> Self {
        match key_type {
            KeyType::Production => Self::NoProductionEndpoint,
            KeyType::Sandbox => Self::NoSandboxEndpoint,
            KeyType::Other => Self::InvalidKeyType,
        }
    }

    /// The `code` of the body.
    pub fn code(self) -> &'static str {
        self.text().code
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Options => 204,
            Self::NotReady | Self::Stale | Self::NextSilent => 503,
            _ => 401,
        }
    }

    /// The gRPC code of the check's own status: `UNAUTHENTICATED`, or `UNAVAILABLE` where nothing was decided. What is
    /// no refusal has the original's `INTERNAL`.
    pub fn grpc_code(self) -> i32 {
        match self {
            Self::Options => 13,
            Self::NotReady | Self::Stale | Self::NextSilent => 14,
            _ => 16,
        }
    }

    /// The headers, in order.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Options => &[],
            Self::NotReady | Self::Stale | Self::NextSilent => &[CONTENT_TYPE],
            _ => &[CONTENT_TYPE, CHALLENGE],
        }
    }
}

/// Why a request was refused, finer than its answer: for logs, metrics and metadata, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The token itself is revoked.
    TokenRevoked,
    /// The token's application is revoked, and the token is not newer.
    AppRevoked,
    /// The token's user or client is revoked, and the token is not newer.
    SubjectRevoked,
    /// Nothing can be used as a credential.
    NoCredential,
    /// More credentials than are looked at.
    TooManyCredentials,
    /// The credential cannot be decoded.
    Malformed,
    /// A key of one kind in the place of another.
    WrongType,
    /// The issuer is not configured, or the token names none.
    UnknownIssuer,
    /// There is no key for this token.
    UnknownKey,
    /// The algorithm is not taken, or does not fit the key.
    Algorithm,
    /// The signature does not verify.
    Signature,
    /// Expired, or a JWT that never expires.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Meant for somebody else.
    Audience,
    /// A claim is missing that a rule of revocation asks for.
    MissingClaim,
    /// The API has no endpoint for the credential's type.
    KeyType,
    /// `OPTIONS`, answered in the place of the API.
    Options,
    /// The revoked set is not complete yet.
    NotReady,
    /// The revoked set is too old.
    Stale,
    /// The check itself lacks what a decision needs.
    BadCheck,
    /// Who is asked next cannot be reached.
    NextUnavailable,
    /// Who is asked next took too long.
    NextLate,
    /// Who is asked next answered with an error, or with what is no answer.
    NextFailed,
}

impl Reason {
    /// A short name for metadata and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenRevoked => "token_revoked",
            Self::AppRevoked => "app_revoked",
            Self::SubjectRevoked => "subject_revoked",
            Self::NoCredential => "no_credential",
            Self::TooManyCredentials => "too_many_credentials",
            Self::Malformed => "malformed",
            Self::WrongType => "wrong_type",
            Self::UnknownIssuer => "unknown_issuer",
            Self::UnknownKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Audience => "audience",
            Self::MissingClaim => "missing_claim",
            Self::KeyType => "key_type",
            Self::Options => "options",
            Self::NotReady => "not_ready",
            Self::Stale => "stale",
            Self::BadCheck => "bad_check",
            Self::NextUnavailable => "next_unavailable",
            Self::NextLate => "next_late",
            Self::NextFailed => "next_failed",
        }
    }

    /// Whether the refusal is a revocation's.
    pub fn is_revoked(self) -> bool {
        matches!(
            self,
            Self::TokenRevoked | Self::AppRevoked | Self::SubjectRevoked
        )
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What the caller gets.
    pub answer: Answer,
    /// Why.
    pub reason: Reason,
    /// Which kind of credential was refused, if one was.
    pub credential: Option<CredentialKind>,
    /// The version of the set that was asked; empty if none was.
    pub version: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the original, typed out: the macros must not have a say in what is right.
    #[test]
    fn bodies_are_those_of_the_original() {
        for (answer, body) in [
            (
                Answer::InvalidJwt,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid JWT token. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::InvalidCredentials,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid Credentials. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::NoCredential,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::Unclassified,
                r#"{"error_message":"Unclassified Authentication Failure","code":"900900","error_description":"Unclassified Authentication Failure"}"#,
            ),
            (
                Answer::UndecodableJwt,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Not a JWT token. Failed to decode the token header. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::ApiKeyFailed,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"API key authentication failed.. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::InternalKeyFailed,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Internal key authentication failed.. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::NoProductionEndpoint,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Production key offered to an API with no production endpoint. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::NoSandboxEndpoint,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Sandbox key offered to an API with no sandbox endpoint. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::InvalidKeyType,
                r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid key type.. Make sure you have provided the correct security credentials"}"#,
            ),
            (
                Answer::NotReady,
                r#"{"error_message":"Service Unavailable","code":"900900","error_description":"Revoked tokens are not loaded yet"}"#,
            ),
            (
                Answer::Stale,
                r#"{"error_message":"Service Unavailable","code":"900900","error_description":"Revoked tokens have not been confirmed for longer than is allowed"}"#,
            ),
            (
                Answer::NextSilent,
                r#"{"error_message":"Service Unavailable","code":"900900","error_description":"The check of this request could not be completed"}"#,
            ),
            (
                Answer::StaleUnauthorized,
                r#"{"error_message":"Unclassified Authentication Failure","code":"900900","error_description":"Revoked tokens have not been confirmed for longer than is allowed"}"#,
            ),
        ] {
            assert_eq!(answer.body(), body);
            assert!(answer.body().contains(answer.code()), "{answer:?}");
        }
    }

    #[test]
    fn a_refusal_carries_the_challenge_and_a_missing_set_does_not() {
        assert_eq!(
            Answer::InvalidJwt.headers(),
            [
                ("content-type", "application/json"),
                (
                    "WWW-Authenticate",
                    r#"Bearer realm="Choreo Connect", error="invalid_token", error_description="The provided token is invalid""#
                )
            ]
        );
        assert_eq!(
            (Answer::InvalidJwt.status(), Answer::InvalidJwt.grpc_code()),
            (401, 16)
        );
        assert_eq!(
            Answer::NotReady.headers(),
            [("content-type", "application/json")]
        );
        for (answer, codes) in [
            (Answer::NotReady, (503, 14)),
            (Answer::Stale, (503, 14)),
            (Answer::NextSilent, (503, 14)),
            (Answer::StaleUnauthorized, (401, 16)),
        ] {
            assert_eq!((answer.status(), answer.grpc_code()), codes);
        }
        assert_eq!(Answer::StaleUnauthorized.headers().len(), 2);
    }
}
