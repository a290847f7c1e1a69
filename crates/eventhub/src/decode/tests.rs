use rescind_revocation::{Expiry, UnixSeconds};
use serde_json::json;

use super::*;

mod base64_payloads;
mod hostile;
mod maps;
mod texts;
mod work;

/// When everything in these tests is received: 2024-03-09T16:00:00Z.
const NOW: UnixMillis = UnixMillis(1_710_000_000_000);

const JTI: &str = "4e330dbd-75c6-4ab5-a749-b9497aa3521a";

fn token(identifier: &str, expiry: Expiry) -> Revocation {
    Revocation::Token {
        identifier: Identifier::new(identifier).unwrap(),
        expiry,
    }
}

fn revoked(kind_name: &str, revocation: Revocation) -> Event {
    Event::Revoked {
        kind_name: kind_name.into(),
        revocation,
    }
}

/// A message as APIM's template makes it.
fn template(revoked_token: &str, expiry_time: i64, kind: &str) -> String {
    format!(
        "{{\"event\":{{\"payloadData\":{{\"eventId\":\"444d2f9b-57d8-4245-bef2-3f8d824741c3\",\
         \"revokedToken\":\"{revoked_token}\",\"ttl\":\"5000\",\"expiryTime\":{expiry_time},\
         \"type\":\"{kind}\",\"tenantId\":-1234}}}}}}"
    )
}

fn decode_text(body: &str) -> Result<Event, DecodeError> {
    decode(Some("text/plain"), body.as_bytes(), NOW)
}

#[track_caller]
fn check(body: &str, event: Event) {
    assert_eq!(decode_text(body), Ok(event), "{body}");
}

#[track_caller]
fn refuse(body: &str, error: DecodeError) {
    assert_eq!(decode_text(body), Err(error), "{body}");
}
