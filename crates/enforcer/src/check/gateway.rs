//! The payloads of tokens that Envoy's `jwt_authn` has verified, as it leaves them in the request's metadata.
//!
//! They come only where the ext_authz filter names `envoy.filters.http.jwt_authn` in its `metadata_context_namespaces`,
//! and the provider names a key in `payload_in_metadata`. Callers cannot put anything there.

use prost::{DecodeError, Message as _};
use rescind_authz::{ClaimValue, VerifiedClaims};
use rescind_proto::{
    envoy::config::core::v3::Metadata,
    google::protobuf::{Value, value::Kind},
};

const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// The payload under each of `keys` that is there. `pieces` are those of the request's metadata.
pub(super) fn payloads(
    pieces: &[&[u8]],
    keys: &[String],
) -> Result<Vec<VerifiedClaims>, DecodeError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut metadata = Metadata::default();
    for piece in pieces {
        metadata.merge(*piece)?;
    }
    let Some(filter) = metadata.filter_metadata.get(NAMESPACE) else {
        return Ok(Vec::new());
    };
    let payloads = keys.iter().filter_map(|key| filter.fields.get(key));
    Ok(payloads.map(claims).collect())
}

/// What is there and no payload makes claims on which nothing can rest.
fn claims(payload: &Value) -> VerifiedClaims {
    let mut claims = VerifiedClaims::default();
    if let Some(Kind::StructValue(payload)) = &payload.kind {
        for (name, value) in &payload.fields {
            claims.set(name, claim(value));
        }
    }
    claims
}

fn claim(value: &Value) -> ClaimValue<'_> {
    match &value.kind {
        Some(Kind::StringValue(text)) => ClaimValue::Text(text),
        Some(Kind::NumberValue(number)) => ClaimValue::Number(*number),
        Some(Kind::NullValue(_)) | None => ClaimValue::Null,
        Some(_) => ClaimValue::Other,
    }
}
