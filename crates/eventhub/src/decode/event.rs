//! From the fields of a message to what it revokes.

use std::collections::HashMap;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rescind_revocation::{Identifier, Revocation, UnixMillis};

use super::{
    DecodeError, Event, Fields, MAX_SHOWN_CHARS, Received, Scalar, identifier,
    moment::{live_expiry, revoked_at},
};
use crate::text::one_line;

const APP: &str = "consumer_app_revocation_event";
const SUBJECT: &str = "subject_entity_revocation_event";
const BATCH: &str = "token_revocation_batch";

/// APIM's publisher says this where the key manager gave no type.
const DEFAULT: &str = "Default";

/// APIM pads what it encodes; one that did not would still mean the same bytes.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What the fields mean. A `type` that is not known revokes a token, as in Choreo Connect: it is the token type of
/// whatever key manager sent the event.
pub(super) fn event(fields: Fields, received: Received) -> Result<Event, DecodeError> {
    let kind = match &fields.kind {
        Scalar::Text(kind) if !kind.is_empty() => kind.clone(),
        Scalar::Integer(number) => number.to_string().into(),
        _ => DEFAULT.into(),
    };
    let kind_name = one_line(&kind, MAX_SHOWN_CHARS);
    // The batch says only that the list has grown; its `revokedToken` may be a consumer key, empty or null.
    if &*kind == BATCH {
        return Ok(Event::Refetch { kind_name });
    }
    let token = fields
        .revoked_token
        .as_text()
        .ok_or(DecodeError::MissingToken)?;
    let revocation = match &*kind {
        APP => app(token, received)?,
        SUBJECT => subject(token, received)?,
        _ => Revocation::Token {
            identifier: identifier(token, "revokedToken")?,
            expiry: live_expiry(&fields.expiry_time, received),
        },
    };
    Ok(Event::Revoked {
        kind_name,
        revocation,
    })
}

/// `{"consumerKey":"abc","revocationTime":"1710000000000"}` in base64.
fn app(token: &str, received: Received) -> Result<Revocation, DecodeError> {
    let payload = Payload::read(token).ok_or(DecodeError::Payload(APP))?;
    let (revoked_at, disbelieved) = payload.moment(received);
    Ok(Revocation::App {
        consumer_key: name(payload.get("consumerKey", "consumer_key"), "consumerKey")?,
        revoked_at,
        disbelieved,
    })
}

/// `{"entityId":"..","entityType":"USER_ID","revocationTime":".."}` in base64.
fn subject(token: &str, received: Received) -> Result<Revocation, DecodeError> {
    let payload = Payload::read(token).ok_or(DecodeError::Payload(SUBJECT))?;
    let (revoked_at, disbelieved) = payload.moment(received);
    Ok(Revocation::Subject {
        entity_id: name(payload.get("entityId", "entity_id"), "entityId")?,
        entity_type: entity_type(payload.get("entityType", "entity_type")),
        revoked_at,
        disbelieved,
    })
}

fn name(value: &Scalar, field: &'static str) -> Result<Identifier, DecodeError> {
    let text = value.as_text().ok_or(DecodeError::MissingName(field))?;
    identifier(text, field)
}

/// A subject's type is shown and never matched: whatever it is, it is made fit for a line.
pub(crate) fn entity_type(value: &Scalar) -> Box<str> {
    one_line(value.as_text().unwrap_or_default(), MAX_SHOWN_CHARS)
}

/// The object that an application's or a subject's `revokedToken` holds.
struct Payload(HashMap<Box<str>, Scalar>);

impl Payload {
    fn read(token: &str) -> Option<Self> {
        let token = token.trim();
        let json = STANDARD
            .decode(token)
            .or_else(|_| URL_SAFE.decode(token))
            .ok()?;
        serde_json::from_slice(&json).ok().map(Self)
    }

    fn moment(&self, received: Received) -> (UnixMillis, Option<UnixMillis>) {
        revoked_at(self.get("revocationTime", "revocation_time"), received)
    }

    /// A value by either of its names: key managers say `consumerKey`, versions of APIM say `consumer_key`.
    fn get(&self, camel_case: &str, snake_case: &str) -> &Scalar {
        [camel_case, snake_case]
            .into_iter()
            .filter_map(|key| self.0.get(key))
            .find(|value| **value != Scalar::Absent)
            .unwrap_or(&Scalar::Absent)
    }
}
