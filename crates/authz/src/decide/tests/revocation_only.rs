//! Revocation alone is decided, and everything else by who is asked next.

use super::*;

#[test]
fn what_is_not_revoked_goes_on_whether_it_is_good_or_not() {
    let goes_on = |row: Row, credential: Option<CredentialKind>| {
        row.revocation_only().revoked("other").allowed(credential)
    };
    goes_on(row("nothing"), None);
    goes_on(row("good").bearer(with_jti(JTI)), Some(Bearer));
    goes_on(row("opaque").bearer("opaque"), None);
    goes_on(row("no token").bearer("a.b.c"), None);
    let forged = ISSUER_B.sign(r#"{"alg":"RS256","kid":"z"}"#, r#"{"jti":"x","exp":1}"#);
    goes_on(row("forged and expired").bearer(forged), Some(Bearer));
    goes_on(
        row("a key").path(format!("/?x;apikey={}", api_key(r#""jti":"k""#))),
        Some(ApiKey),
    );
}

#[test]
fn what_is_revoked_is_refused_whatever_stands_beside_it() {
    let denied =
        |row: Row, answer, reason, kind| row.revocation_only().denied(answer, reason, kind);
    let token_revoked = Reason::TokenRevoked;
    denied(
        row("a token").bearer(with_jti(JTI)).revoked(JTI),
        Answer::InvalidJwt,
        token_revoked,
        Bearer,
    );
    denied(
        row("an opaque one").bearer("opaque").revoked("opaque"),
        Answer::NoCredential,
        token_revoked,
        Bearer,
    );
    denied(
        row("a key beside a good token")
            .bearer(with_jti(JTI))
            .key(api_key(r#""jti":"k""#))
            .revoked("k"),
        Answer::InvalidCredentials,
        token_revoked,
        ApiKey,
    );
    denied(
        row("its application")
            .bearer(with_jti(JTI))
            .revoked_app("app", NOW * 1000),
        Answer::InvalidJwt,
        Reason::AppRevoked,
        Bearer,
    );
    denied(
        row("its user")
            .bearer(token(&format!(r#""jti":"{JTI}","entity_id":"u""#)))
            .revoked_subject("u", 1),
        Answer::InvalidJwt,
        Reason::SubjectRevoked,
        Bearer,
    );
}

#[test]
fn claims_that_are_demanded_are_demanded_here() {
    row("no application")
        .revocation_only()
        .required(Lacking::AZP)
        .bearer(token(r#""jti":"a""#))
        .denied(Answer::InvalidCredentials, Reason::MissingClaim, Bearer);
}
