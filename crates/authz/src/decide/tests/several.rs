//! Several credentials in one request.

use super::*;

#[test]
fn any_revoked_credential_refuses_the_request() {
    let good = || with_jti("good");
    let bad = || with_jti(JTI);
    let jwt = |row: Row| {
        row.revoked(JTI)
            .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer)
    };
    let key = |row: Row| {
        row.revoked("k")
            .denied(Answer::InvalidCredentials, Reason::TokenRevoked, ApiKey)
    };
    jwt(row("beside a good API key")
        .bearer(bad())
        .key(api_key(r#""jti":"g""#)));
    jwt(row("beside a good internal key")
        .bearer(bad())
        .internal(internal_key(r#""jti":"g""#)));
    jwt(row("the second of two headers")
        .bearer(good())
        .bearer(bad()));
    jwt(row("the second in one header").header(
        "authorization",
        format!("Bearer {}, Bearer {}", good(), bad()),
    ));
    jwt(row("the third word").header("authorization", format!("Bearer {} {}", good(), bad())));
    jwt(row("without a scheme, beside a good key")
        .header("authorization", bad())
        .key(api_key(r#""jti":"g""#)));
    key(row("a key beside a good token")
        .bearer(good())
        .key(api_key(r#""jti":"k""#)));
    key(row("a key in the query beside a good one in the header")
        .key(api_key(r#""jti":"g""#))
        .path(format!("/?apikey={}", api_key(r#""jti":"k""#))));
    key(row("the second parameter").path(format!(
        "/?apikey={}&apikey={}",
        api_key(r#""jti":"g""#),
        api_key(r#""jti":"k""#)
    )));
    key(row("an encoded parameter").path(format!(
        "/?api%6bey={}",
        api_key(r#""jti":"k""#)
            .replace('=', "%3D")
            .replace('.', "%2E")
    )));
    // Choreo Connect ends a parameter at `;` too.
    for query in ["x=1;apikey=KEY", "x;%61pikey=KEY;y", "apikey=KEY;x=1"] {
        let query = query.replace("KEY", &api_key(r#""jti":"k""#));
        key(row("a parameter beside a `;`").path(format!("/?{query}")));
        key(row("the same, beside a good token")
            .bearer(good())
            .path(format!("/?{query}")));
    }
    key(row("in a header of two keys").key(format!(
        "{},{}",
        api_key(r#""jti":"g""#),
        api_key(r#""jti":"k""#)
    )));
}

#[test]
fn the_first_revoked_one_decides_the_body() {
    row("token before key")
        .bearer(with_jti(JTI))
        .key(api_key(r#""jti":"k""#))
        .revoked(JTI)
        .revoked("k")
        .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
    row("internal key before token")
        .bearer(with_jti(JTI))
        .internal(internal_key(r#""jti":"k""#))
        .revoked(JTI)
        .revoked("k")
        .denied(
            Answer::InvalidCredentials,
            Reason::TokenRevoked,
            InternalKey,
        );
}

#[test]
fn the_first_that_verifies_lets_the_request_pass() {
    row("a key after a bad token")
        .bearer("not.a.token")
        .key(api_key(r#""jti":"k""#))
        .allowed(ApiKey);
    row("a token after a bad internal key")
        .internal("not.a.key")
        .bearer(with_jti(JTI))
        .allowed(Bearer);
    row("all good")
        .internal(internal_key(r#""jti":"i""#))
        .bearer(with_jti(JTI))
        .key(api_key(r#""jti":"k""#))
        .allowed(InternalKey);
    row("a key beside another scheme")
        .header("authorization", "Basic dXNlcjpwYXNz")
        .key(api_key(r#""jti":"k""#))
        .allowed(ApiKey);
}

#[test]
fn the_first_failure_is_the_answer() {
    let expired = ISSUER_A.sign(
        r#"{"alg":"RS256","kid":"a"}"#,
        &format!(r#"{{"iss":"{ISSUER}","exp":1}}"#),
    );
    row("token, then key")
        .bearer(&expired)
        .key("not.a.key")
        .denied(Answer::InvalidCredentials, Reason::Expired, Bearer);
    row("malformed token, then key")
        .bearer("not.a.token")
        .key("not.a.key")
        .denied(Answer::UndecodableJwt, Reason::Malformed, Bearer);
    row("key alone")
        .key("not.a.key")
        .denied(Answer::ApiKeyFailed, Reason::Malformed, ApiKey);
    row("internal key of the wrong type, then token")
        .internal(api_key(r#""jti":"k""#))
        .bearer(&expired)
        .denied(Answer::NoCredential, Reason::WrongType, InternalKey);
    row("what is not usable is no failure")
        .bearer("opaque")
        .key("not.a.key")
        .denied(Answer::ApiKeyFailed, Reason::Malformed, ApiKey);
    row("two keys in the header, a good one in the query")
        .key("a.b.c")
        .key("d.e.f")
        .path(format!("/?apikey={}", api_key(r#""jti":"k""#)))
        .denied(Answer::NoCredential, Reason::NoCredential, None);
}
