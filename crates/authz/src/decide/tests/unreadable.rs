//! What stands in a credential's place and cannot be read: it is never passed over.

use super::*;
use crate::token::MAX_BYTES;

/// The same token with so much in its signature that does not belong there. A lenient decoder finds the signature.
fn padded(token: &str) -> String {
    format!("{token}{}", "!".repeat(MAX_BYTES))
}

/// An opaque token that is longer than any identifier.
fn long() -> String {
    "x".repeat(Identifier::MAX_BYTES + 1)
}

#[test]
fn what_is_too_long_to_be_looked_at_is_refused() {
    let usable = |row: Row| row.denied(Answer::UndecodableJwt, Reason::Malformed, Bearer);
    let no_token = |row: Row| row.denied(Answer::NoCredential, Reason::Malformed, Bearer);
    let bad = || padded(&with_jti(JTI));
    usable(row("alone").bearer(bad()).revoked(JTI));
    usable(row("for the next one").revocation_only().bearer(bad()));
    usable(
        row("beside a good key")
            .bearer(bad())
            .key(api_key(r#""jti":"g""#)),
    );
    no_token(row("opaque").missing_allowed().bearer(long()));
    no_token(
        row("opaque, for the next one")
            .revocation_only()
            .bearer(long()),
    );
    row("a key")
        .revocation_only()
        .path(format!("/?apikey={}", padded(&api_key(r#""jti":"k""#))))
        .denied(Answer::ApiKeyFailed, Reason::Malformed, ApiKey);
}

#[test]
fn a_revoked_one_comes_before_one_that_is_too_long() {
    row("")
        .revocation_only()
        .internal(padded("a.b.c"))
        .bearer(with_jti(JTI))
        .revoked(JTI)
        .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
}

#[test]
fn what_is_just_short_enough_is_looked_at() {
    let text = "x".repeat(Identifier::MAX_BYTES);
    row("opaque").revocation_only().bearer(&text).allowed(None);
    row("revoked")
        .revocation_only()
        .bearer(&text)
        .revoked(&text)
        .denied(Answer::NoCredential, Reason::TokenRevoked, Bearer);
    let token = with_jti(JTI);
    let stray = "!".repeat(MAX_BYTES - token.len());
    row("stray characters in the signature")
        .revocation_only()
        .bearer(format!("{token}{stray}"))
        .revoked(JTI)
        .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
}

#[test]
fn bytes_that_are_no_text_are_not_nothing() {
    row("a key")
        .missing_allowed()
        .bytes("apikey", b"\xff\xfe")
        .denied(Answer::NoCredential, Reason::NoCredential, None);
    row("a token")
        .missing_allowed()
        .bytes("authorization", b"Bearer \xff\xfe")
        .denied(Answer::NoCredential, Reason::NoCredential, None);
    row("another scheme")
        .missing_allowed()
        .bytes("authorization", b"Basic \xff")
        .allowed(None);
    row("one of two keys: nobody knows which is meant")
        .bytes("apikey", b"\xff")
        .key(api_key(r#""jti":"k""#))
        .denied(Answer::NoCredential, Reason::NoCredential, None);
    row("a key in the query beside it")
        .bytes("apikey", b"\xff")
        .path(format!("/?apikey={}", api_key(r#""jti":"k""#)))
        .denied(Answer::NoCredential, Reason::NoCredential, None);
}

#[test]
fn a_revoked_credential_is_found_among_bytes_that_are_no_text() {
    let with = |before: &str, token: &str, after: &[u8]| {
        [before.as_bytes(), token.as_bytes(), after].concat()
    };
    for (before, after) in [
        ("Bearer ", &b"\xff"[..]),
        ("Bearer ", b", \xff"),
        ("", b" \xff"),
    ] {
        row("a token")
            .revocation_only()
            .bytes("authorization", &with(before, &with_jti(JTI), after))
            .revoked(JTI)
            .denied(Answer::InvalidJwt, Reason::TokenRevoked, Bearer);
    }
    for after in [&b"\xff"[..], b",\xff"] {
        row("a key")
            .bytes("apikey", &with("", &api_key(r#""jti":"k""#), after))
            .bearer(with_jti("good"))
            .revoked("k")
            .denied(Answer::InvalidCredentials, Reason::TokenRevoked, ApiKey);
    }
}
