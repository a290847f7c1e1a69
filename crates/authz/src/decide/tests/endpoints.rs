//! Which endpoint a credential is for, where an API has two.

use super::*;
use ClaimValue::{Number, Text};
use KeyType::{Production, Sandbox};

fn typed(key_type: &str) -> String {
    token(&format!(
        r#""jti":"{JTI}","iat":{NOW},"keytype":{key_type}"#
    ))
}

#[test]
fn the_key_type_names_the_endpoint_and_nothing_names_production() {
    for (key_type, expected) in [
        (r#""PRODUCTION""#, Production),
        (r#""Production""#, Production),
        (r#""SANDBOX""#, Sandbox),
        (r#""sandbox""#, Sandbox),
        (r#""""#, Production),
        ("null", Production),
    ] {
        let permit = row(key_type).bearer(typed(key_type)).endpoints(true, true);
        assert_eq!(permit.allowed(Bearer).endpoint, expected, "{key_type}");
    }
    let permit = row("says nothing").bearer(with_jti(JTI));
    assert_eq!(
        permit.endpoints(true, true).allowed(Bearer).endpoint,
        Production
    );
    for (key, kind) in [
        (
            row("key").key(api_key(r#""jti":"k","keytype":"SANDBOX""#)),
            ApiKey,
        ),
        (
            row("internal").internal(internal_key(r#""jti":"k","keytype":"SANDBOX""#)),
            InternalKey,
        ),
    ] {
        assert_eq!(key.endpoints(true, true).allowed(kind).endpoint, Sandbox);
    }
    let gateway = row("verified by the gateway").verified(&[
        ("jti", Text(JTI)),
        ("exp", Number((NOW + 60) as f64)),
        ("keytype", Text("SANDBOX")),
    ]);
    let permit = gateway.endpoints(true, true).allowed(Bearer);
    assert_eq!(permit.endpoint, Sandbox);
}

#[test]
fn a_key_without_an_endpoint_is_refused_by_the_originals_texts() {
    for (key_type, production, sandbox, answer) in [
        (r#""PRODUCTION""#, false, true, Answer::NoProductionEndpoint),
        ("null", false, false, Answer::NoProductionEndpoint),
        (r#""SANDBOX""#, true, false, Answer::NoSandboxEndpoint),
        (r#""other""#, true, true, Answer::InvalidKeyType),
        ("7", true, true, Answer::InvalidKeyType),
    ] {
        let row = row(key_type).bearer(typed(key_type));
        row.endpoints(production, sandbox)
            .denied(answer, Reason::KeyType, Bearer);
    }
    row("nobody asks for it")
        .bearer(typed(r#""other""#))
        .allowed(Bearer);
    row("revoked is revoked")
        .bearer(typed(r#""SANDBOX""#))
        .endpoints(true, false)
        .revoked(JTI)
        .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
    row("the next credential has one")
        .bearer(typed(r#""SANDBOX""#))
        .key(api_key(r#""jti":"k""#))
        .endpoints(true, false)
        .allowed(ApiKey);
}

#[test]
fn without_a_credential_it_is_the_one_that_there_is() {
    let nobody = || row("nobody").missing_allowed();
    for (production, sandbox, expected) in [
        (true, true, Production),
        (true, false, Production),
        (false, true, Sandbox),
    ] {
        let permit = nobody().endpoints(production, sandbox).allowed(None);
        assert_eq!(permit.endpoint, expected);
    }
    nobody()
        .endpoints(false, false)
        .denied(Answer::NoSandboxEndpoint, Reason::KeyType, None);
}
