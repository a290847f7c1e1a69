//! The payloads of tokens that Envoy's `jwt_authn` has verified, as it leaves them in the request's metadata.
//!
//! They come only where the ext_authz filter names `envoy.filters.http.jwt_authn` in its `metadata_context_namespaces`,
//! and the provider names a key in `payload_in_metadata`. Callers cannot put anything there.

use rescind_authz::{ClaimValue, VerifiedClaims};
use rescind_proto::{
    envoy::service::auth::v3::AttributeContext,
    google::protobuf::{Value, value::Kind},
};

const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// The payload under each of `keys` that is there.
pub(super) fn payloads(attributes: &AttributeContext, keys: &[String]) -> Vec<VerifiedClaims> {
    if keys.is_empty() {
        return Vec::new();
    }
    let metadata = attributes.metadata_context.as_ref();
    let Some(filter) = metadata.and_then(|metadata| metadata.filter_metadata.get(NAMESPACE)) else {
        return Vec::new();
    };
    keys.iter()
        .filter_map(|key| filter.fields.get(key))
        .map(claims)
        .collect()
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
