//! Routes that have names of their own for the places of credentials.

use super::*;

fn names() -> CredentialNames {
    CredentialNames::new("X-Token", "X-Key", "key", "X-Internal")
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn a_routes_names_take_the_place_of_the_policys() {
    row("bearer")
        .route(names())
        .header("x-token", bearer(&with_jti(JTI)))
        .allowed(Bearer);
    row("bearer, revoked")
        .route(names())
        .header("X-TOKEN", bearer(&with_jti(JTI)))
        .revoked(JTI)
        .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
    row("key in the header")
        .route(names())
        .header("x-key", api_key(r#""jti":"k""#))
        .allowed(ApiKey);
    row("key in the query, revoked")
        .route(names())
        .path(format!("/?key={}", api_key(r#""jti":"k""#)))
        .revoked("k")
        .denied(Answer::InvalidCredentials, Reason::TokenRevoked, ApiKey);
    row("internal key")
        .route(names())
        .header("x-internal", internal_key(r#""jti":"k""#))
        .allowed(InternalKey);
    for (name, row) in [
        ("the policy's header", row("").bearer(with_jti(JTI))),
        (
            "the policy's key header",
            row("").key(api_key(r#""jti":"k""#)),
        ),
        (
            "the policy's parameter",
            row("").path(format!("/?apikey={}", api_key(r#""jti":"k""#))),
        ),
    ] {
        Row { name, ..row }
            .route(names())
            .denied(Answer::NoCredential, Reason::NoCredential, None);
    }
}

#[test]
fn a_routes_credentials_do_not_reach_the_upstream() {
    let permit = row("all of it")
        .route(names())
        .header("x-token", bearer(&with_jti(JTI)))
        .path("/pets?a=1&key=x&b=2&apikey=y")
        .allowed(Bearer);
    let removed: Vec<_> = permit.remove_headers.iter().map(|name| &**name).collect();
    assert_eq!(removed, ["x-internal", "x-key", "x-token"]);
    assert_eq!(permit.path.as_deref(), Some("/pets?a=1&b=2&apikey=y"));
    let permit = row("the bearer token goes on")
        .route(names())
        .outbound()
        .header("x-token", bearer(&with_jti(JTI)))
        .allowed(Bearer);
    assert_eq!(permit.remove_headers.len(), 2);
}

#[test]
fn a_route_may_have_no_place_for_keys() {
    row("no key")
        .route(CredentialNames::new("authorization", "", "", ""))
        .key(api_key(r#""jti":"k""#))
        .internal(internal_key(r#""jti":"k""#))
        .path(format!("/?apikey={}", api_key(r#""jti":"k""#)))
        .denied(Answer::NoCredential, Reason::NoCredential, None);
}
