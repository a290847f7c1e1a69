//! Several names for one kind of credential: each API may have its own.

use super::*;

fn names() -> CredentialNames {
    CredentialNames::default()
        .with_bearers(["authorization", "X-Pets-Token"])
        .with_api_key_headers(["apikey", "X-Pets-Key"])
        .with_api_key_queries(["apikey", "petsKey"])
        .with_internal_keys(["Internal-Key", "X-Console"])
}

#[test]
fn a_credential_is_found_under_each_name_and_goes_no_further() {
    let bearer = || format!("Bearer {}", with_jti(JTI));
    let named = |name| row(name).names(names());
    for header in ["authorization", "x-pets-token"] {
        named(header).header(header, bearer()).allowed(Bearer);
        named(header).header(header, bearer()).revoked(JTI).denied(
            Answer::InvalidJwt,
            Reason::TokenRevoked,
            Bearer,
        );
    }
    for header in ["apikey", "x-pets-key"] {
        let permit = named(header)
            .header(header, api_key(r#""jti":"k""#))
            .allowed(ApiKey);
        let removed: Vec<_> = permit.remove_headers.iter().map(|name| &**name).collect();
        assert_eq!(
            removed,
            [
                "internal-key",
                "x-console",
                "apikey",
                "x-pets-key",
                "authorization",
                "x-pets-token"
            ]
        );
    }
    named("console")
        .header("x-console", internal_key(r#""jti":"k""#))
        .allowed(InternalKey);
    for parameter in ["apikey", "petsKey"] {
        let path = format!("/pets?a=1&{parameter}={}&b=2", api_key(r#""jti":"k""#));
        let permit = named(parameter).path(&*path).allowed(ApiKey);
        assert_eq!(permit.path.as_deref(), Some("/pets?a=1&b=2"));
        named(parameter).path(path).revoked("k").denied(
            Answer::InvalidCredentials,
            Reason::TokenRevoked,
            ApiKey,
        );
    }
    let both = format!("/pets?petsKey={}&apikey=x&b=2", api_key(r#""jti":"k""#));
    let permit = named("both")
        .path(both)
        .bearer(with_jti(JTI))
        .allowed(Bearer);
    assert_eq!(permit.path.as_deref(), Some("/pets?b=2"));
}

#[test]
fn one_that_is_revoked_refuses_beside_one_that_is_good_under_another_name() {
    row("beside")
        .names(names())
        .bearer(with_jti("good"))
        .header("x-pets-token", format!("Bearer {}", with_jti(JTI)))
        .revoked(JTI)
        .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
}
