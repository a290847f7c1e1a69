//! From the bytes of a message to what it says. Pure: the moment of receipt is an argument.
//!
//! The phases are functions of their own: find the form ([`json`], [`map`]) and read its few fields, then make sense of
//! them ([`event`]). Everything but `revokedToken` is optional, and what cannot be read is an error that names no token.

use rescind_revocation::{Identifier, IdentifierError, Revocation, UnixMillis};
use thiserror::Error;

mod event;
mod json;
mod map;
mod moment;
mod scalar;

pub(crate) use event::entity_type;
pub(crate) use moment::{expiry, revoked_at};
pub(crate) use scalar::Scalar;

/// The largest body that is read. Real ones have a few hundred bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Most characters of a text that is kept only to be shown.
pub(crate) const MAX_SHOWN_CHARS: usize = 64;

/// What a message of the hub says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something is revoked.
    Revoked {
        /// The `type` as it stood in the message, fit for a log line: at most 64 characters, none of them a control
        /// character. `Default` where the message has none.
        kind_name: Box<str>,
        /// What is revoked.
        revocation: Revocation,
    },
    /// More was revoked than the message names: the whole list is to be read again.
    Refetch {
        /// The `type` as it stood in the message, fit for a log line.
        kind_name: Box<str>,
    },
}

/// When something was heard, by our own clock and, where it is known, by the control plane's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// By our own clock.
    pub at: UnixMillis,
    /// By the control plane's.
    pub control_plane: Option<UnixMillis>,
}

impl Received {
    /// The earlier of both.
    pub fn earliest(self) -> UnixMillis {
        self.control_plane.map_or(self.at, |at| at.min(self.at))
    }

    /// The later of both.
    pub fn latest(self) -> UnixMillis {
        self.control_plane.map_or(self.at, |at| at.max(self.at))
    }
}

/// By our own clock alone.
impl From<UnixMillis> for Received {
    fn from(at: UnixMillis) -> Self {
        Self {
            at,
            control_plane: None,
        }
    }
}

/// Why a message cannot be read. Printing it shows no part of the message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Larger than [`MAX_BODY_BYTES`]; it was not looked at.
    #[error("body has {0} bytes, more than {max}", max = MAX_BODY_BYTES)]
    TooLarge(usize),
    /// No body at all, as of an empty JMS text.
    #[error("body is empty")]
    Empty,
    /// Text that is not UTF-8.
    #[error("body is not UTF-8")]
    NotUtf8,
    /// Text that is not JSON, or JSON that its publisher has not escaped in a way that leaves only one reading.
    #[error("body is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the first thing that is wrong, from 1.
        line: usize,
        /// Column of the first thing that is wrong, from 1.
        column: usize,
    },
    /// JSON, but no object with an event in it.
    #[error("body is not a JSON object")]
    NotAnObject,
    /// A JMS map whose bytes do not add up.
    #[error("map message is damaged: {0}")]
    Map(&'static str),
    /// Neither text nor map.
    #[error(
        "content type is not one of text/plain, application/json, jms/map-message and amqp/map"
    )]
    ContentType,
    /// `revokedToken` is absent, null or no text. It never becomes an empty identifier, which would match every
    /// credential that has none.
    #[error("revokedToken is missing")]
    MissingToken,
    /// The text cannot name anything.
    #[error("{field}: {error}")]
    Identifier {
        /// The field that it was read from.
        field: &'static str,
        /// What is wrong with it.
        error: IdentifierError,
    },
    /// An application's or a subject's `revokedToken` is not base64 of a JSON object.
    #[error("revokedToken of a {0} is not base64 of a JSON object")]
    Payload(&'static str),
    /// An application's or a subject's payload lacks the name of what it revokes.
    #[error("{0} is missing")]
    MissingName(&'static str),
}

impl DecodeError {
    /// The kind of error, as a label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too_large",
            Self::Empty => "empty",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::Map(_) => "map",
            Self::ContentType => "content_type",
            Self::MissingToken => "missing_token",
            Self::Identifier { .. } => "identifier",
            Self::Payload(_) | Self::MissingName(_) => "payload",
        }
    }
}

/// Reads one message of the hub.
///
/// The form follows from `content_type`; where that is unknown or absent, a body that begins with `{` is JSON.
/// The later clock of `received` stands in for a moment of revocation that is absent or lies in the future; the earlier one
/// decides whether an expiry can be believed.
pub fn decode(
    content_type: Option<&str>,
    body: &[u8],
    received: impl Into<Received>,
) -> Result<Event, DecodeError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(DecodeError::TooLarge(body.len()));
    }
    if body.is_empty() {
        return Err(DecodeError::Empty);
    }
    event::event(fields(content_type, body)?, received.into())
}

/// The fields of an event that matter, as far as the message has them.
///
/// `ttl` is a property of the publisher, not of the token; `tenantId` must not filter (an event may carry the key
/// manager's tenant); `eventId` is not needed. None of them is read, so none of them can make a message unreadable.
#[derive(Debug, Default, PartialEq)]
struct Fields {
    revoked_token: Scalar,
    expiry_time: Scalar,
    kind: Scalar,
}

impl Fields {
    /// Whether a field of this name is kept.
    fn has(name: &str) -> bool {
        matches!(name, "revokedToken" | "expiryTime" | "type")
    }

    /// Keeps `value` if `name` is one of the fields. Of two fields of one name the last one counts.
    fn set(&mut self, name: &str, value: Scalar) {
        match name {
            "revokedToken" => self.revoked_token = value,
            "expiryTime" => self.expiry_time = value,
            "type" => self.kind = value,
            _ => {}
        }
    }
}

fn fields(content_type: Option<&str>, body: &[u8]) -> Result<Fields, DecodeError> {
    let essence = content_type.map(|text| {
        let essence = text.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    });
    match essence.as_deref() {
        Some("jms/map-message") => map::jms(body),
        Some("amqp/map") => map::amqp(body),
        Some("text/plain" | "application/json" | "") | None => json::fields(text(body)?),
        Some(_) if looks_like_json(body) => json::fields(text(body)?),
        Some(_) => Err(DecodeError::ContentType),
    }
}

fn text(body: &[u8]) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::NotUtf8)?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn looks_like_json(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// An identifier, or the error that names the field it should have come from.
pub(crate) fn identifier(text: &str, field: &'static str) -> Result<Identifier, DecodeError> {
    Identifier::new(text).map_err(|error| DecodeError::Identifier { field, error })
}

#[cfg(test)]
mod tests;
