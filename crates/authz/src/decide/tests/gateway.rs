//! What the gateway has verified already, and what may be missing because it knows better.

use super::*;
use ClaimValue::{Number, Other, Text};

const EXP: ClaimValue<'static> = Number((NOW + 60) as f64);

fn good(row: Row) -> Row {
    row.verified(&[
        ("jti", Text(JTI)),
        ("exp", EXP),
        ("iat", Number(NOW as f64)),
    ])
}

#[test]
fn verified_claims_let_a_request_pass_wherever_their_token_stood() {
    let permit = good(row("no token to be seen")).allowed(Bearer);
    assert_eq!(permit.identifier, Identifier::new(JTI).ok());
    good(row("beside a token that is not verified"))
        .bearer(ISSUER_B.sign(r#"{"alg":"RS256","kid":"z"}"#, r#"{"jti":"x"}"#))
        .allowed(Bearer);
    good(row("beside garbage")).bearer("a.b.c").allowed(Bearer);
}

#[test]
fn revocation_beats_what_the_gateway_says() {
    let denied = |row: Row, reason| row.denied(Answer::InvalidJwt, reason, Bearer);
    denied(good(row("its jti")).revoked(JTI), Reason::TokenRevoked);
    denied(
        good(row("a token beside it"))
            .bearer(with_jti("other"))
            .revoked("other"),
        Reason::TokenRevoked,
    );
    denied(
        row("its application")
            .verified(&[
                ("jti", Text(JTI)),
                ("exp", EXP),
                ("iat", Number(NOW as f64)),
                ("azp", Text("app")),
            ])
            .revoked_app("app", NOW * 1000),
        Reason::AppRevoked,
    );
    denied(
        row("its user, and it does not say when it was issued")
            .verified(&[("jti", Text(JTI)), ("exp", EXP), ("entity_id", Text("u"))])
            .revoked_subject("u", 1),
        Reason::SubjectRevoked,
    );
    denied(
        good(row("one of two"))
            .verified(&[("jti", Text("second")), ("exp", EXP)])
            .revoked("second"),
        Reason::TokenRevoked,
    );
    for (claim, app, subject, reason) in [
        ("azp", "revoked", "", Reason::AppRevoked),
        ("entity_id", "", "revoked", Reason::SubjectRevoked),
    ] {
        row("without a name, beside a good key")
            .verified(&[("exp", EXP), (claim, Text("revoked"))])
            .key(api_key(r#""jti":"g""#))
            .revoked_app(app, NOW * 1000)
            .revoked_subject(subject, NOW * 1000)
            .denied(Answer::UndecodableJwt, reason, Bearer);
    }
    row("a time that is none, beside a good key")
        .verified(&[("jti", Text(JTI)), ("iat", Other), ("azp", Text("app"))])
        .key(api_key(r#""jti":"g""#))
        .revoked_app("app", 1)
        .denied(Answer::UndecodableJwt, Reason::AppRevoked, Bearer);
    good(row("issued in the next second"))
        .revoked_app("app", NOW * 1000)
        .allowed(Bearer);
}

#[test]
fn verified_claims_are_still_in_their_time_and_have_a_name() {
    let denied = |row: Row, answer, reason| row.denied(answer, reason, Bearer);
    denied(
        row("expired").verified(&[("jti", Text("a")), ("exp", Number((NOW - 60) as f64))]),
        Answer::InvalidCredentials,
        Reason::Expired,
    );
    denied(
        row("no end").verified(&[("jti", Text("a"))]),
        Answer::InvalidCredentials,
        Reason::Expired,
    );
    denied(
        row("not yet").verified(&[
            ("jti", Text("a")),
            ("exp", Number(9e12)),
            ("nbf", Number((NOW + 60) as f64)),
        ]),
        Answer::InvalidCredentials,
        Reason::NotYetValid,
    );
    denied(
        row("no name").verified(&[("exp", EXP)]),
        Answer::UndecodableJwt,
        Reason::Malformed,
    );
    denied(
        row("a name that is none").verified(&[("jti", Other), ("exp", EXP)]),
        Answer::UndecodableJwt,
        Reason::Malformed,
    );
    row("without a name, but the token itself is there")
        .verified(&[("exp", EXP)])
        .bearer(token(r#""sub":"a""#))
        .allowed(Bearer);
}

#[test]
fn without_verified_claims_everything_is_verified_here() {
    row("good").bearer(with_jti(JTI)).allowed(Bearer);
    row("forged")
        .bearer(ISSUER_B.sign(
            r#"{"alg":"RS256","kid":"a"}"#,
            &format!(r#"{{"iss":"{ISSUER}","exp":{}}}"#, NOW + 60),
        ))
        .denied(Answer::InvalidCredentials, Reason::Signature, Bearer);
}

#[test]
fn nothing_at_all_may_pass_only_where_that_is_set() {
    let permit = row("nothing").missing_allowed().allowed(None);
    assert_eq!(permit.identifier, None);
    row("another scheme")
        .missing_allowed()
        .header("authorization", "Basic dXNlcjpwYXNz")
        .allowed(None);
    row("an empty key").missing_allowed().key("").allowed(None);
    row("not set").denied(Answer::NoCredential, Reason::NoCredential, None);
    row("an opaque token is something")
        .missing_allowed()
        .bearer("opaque")
        .denied(Answer::NoCredential, Reason::NoCredential, None);
    row("two tokens are something")
        .missing_allowed()
        .bearer(with_jti("a"))
        .bearer(with_jti("b"))
        .denied(Answer::NoCredential, Reason::NoCredential, None);
    row("a bad token is something")
        .missing_allowed()
        .bearer("a.b.c")
        .denied(Answer::UndecodableJwt, Reason::Malformed, Bearer);
    row("a revoked one is refused")
        .missing_allowed()
        .bearer("opaque")
        .revoked("opaque")
        .denied(Answer::NoCredential, Reason::TokenRevoked, Bearer);
    row("too many")
        .missing_allowed()
        .path(format!("/?{}", "apikey=a.b.c&".repeat(17)))
        .denied(Answer::NoCredential, Reason::TooManyCredentials, None);
}
