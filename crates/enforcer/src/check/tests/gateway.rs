//! Payloads that Envoy's `jwt_authn` has verified.

use rescind_proto::{
    envoy::config::core::v3::Metadata,
    google::protobuf::{Struct, Value, value::Kind},
};

use super::*;

fn structure(fields: &[(&str, Kind)]) -> Struct {
    let value = |kind: &Kind| Value {
        kind: Some(kind.clone()),
    };
    Struct {
        fields: fields
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), value(kind)))
            .collect(),
    }
}

fn payload(jti: &str) -> Kind {
    Kind::StructValue(structure(&[
        ("jti", Kind::StringValue(jti.to_owned())),
        ("exp", Kind::NumberValue(9_999_999_999.0)),
        ("iat", Kind::NumberValue(1.0)),
        ("scope", Kind::ListValue(Default::default())),
    ]))
}

/// A request without any credential to be seen, with that in the metadata of a filter.
fn verified(filter: &str, key: &str, payload: Kind) -> CheckRequest {
    let mut request = check("/pets", &[]);
    let metadata = Metadata {
        filter_metadata: [(filter.to_owned(), structure(&[(key, payload)]))].into(),
        ..Metadata::default()
    };
    let attributes = request.attributes.as_mut().unwrap();
    attributes.metadata_context = Some(metadata);
    request
}

const FILTER: &str = "envoy.filters.http.jwt_authn";

#[test]
fn what_jwt_authn_has_verified_passes_unless_it_is_revoked() {
    let fixture = fixture();
    let response = fixture.answer(&verified(FILTER, "jwt_payload", payload("good")));
    assert_eq!(seen(&response), (200, ""));
    assert_eq!(metadata(&response, "rescind_credential"), Some("jwt"));
    let response = fixture.answer(&verified(FILTER, "jwt_payload", payload("revoked")));
    assert_eq!(seen(&response), (401, Answer::InvalidJwt.body()));
    assert_eq!(metadata(&response, "rescind_reason"), Some("token_revoked"));
}

#[test]
fn what_stands_elsewhere_or_is_no_payload_is_nothing() {
    let fixture = fixture();
    for (request, body) in [
        (
            verified("envoy.lua", "jwt_payload", payload("good")),
            Answer::NoCredential,
        ),
        (
            verified(FILTER, "another", payload("good")),
            Answer::NoCredential,
        ),
        (
            verified(FILTER, "jwt_payload", Kind::StringValue("good".to_owned())),
            Answer::UndecodableJwt,
        ),
        (
            verified(FILTER, "jwt_payload", Kind::BoolValue(true)),
            Answer::UndecodableJwt,
        ),
    ] {
        assert_eq!(seen(&fixture.answer(&request)), (401, body.body()));
    }
}

#[test]
fn where_it_is_not_believed_nothing_of_it_counts() {
    let fixture = fixture();
    let checks = Checks::new(fixture.checks.engine.clone(), &[]);
    let response = answer(&checks, &verified(FILTER, "jwt_payload", payload("good")));
    assert_eq!(seen(&response), (401, Answer::NoCredential.body()));
}

#[test]
fn where_it_is_allowed_a_request_without_any_credential_passes() {
    let names = CredentialNames::default();
    let policy = Policy::new(names, Verification::Full, false).with_missing_allowed(true);
    let fixture = with_policy(policy);
    fixture.readiness.complete();
    fixture.age.current();
    let response = fixture.answer(&check("/", &[]));
    assert_eq!(seen(&response), (200, ""));
    assert_eq!(metadata(&response, "rescind_credential"), None);
    assert_eq!(metadata(&response, "rescind_reason"), Some("ok"));
}
