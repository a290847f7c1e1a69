//! Checks on a set that is too old, and routes that say what then.

use std::time::Duration;

use super::*;

const STALE: &str = r#"{"error_message":"Service Unavailable","code":"900900","error_description":"Revoked tokens have not been confirmed for longer than is allowed"}"#;

/// Ready, and nothing was heard for longer than the bound.
fn stale() -> Fixture {
    let fixture = fixture();
    fixture.clock.pass(Duration::from_secs(901));
    fixture
}

#[test]
fn a_stale_set_refuses_what_is_good_and_says_why() {
    let fixture = stale();
    let response = fixture.answer(&bearer(&fixture.good()));
    assert_eq!(seen(&response), (503, STALE));
    assert_eq!(response.status.as_ref().unwrap().code, 14);
    for (key, value) in [
        ("rescind_reason", Some("stale")),
        ("rescind_stale", Some("true")),
        ("rescind_age", Some("901")),
        ("rescind_version", Some("7-0a0b0c0d")),
        ("choreo-connect-enforcer-reply", Some("Ok")),
    ] {
        assert_eq!(metadata(&response, key), value, "{key}");
    }
    assert_eq!(fixture.metrics.checks(Outcome::Stale), 1);
    fixture.age.current();
    assert_eq!(seen(&fixture.answer(&bearer(&fixture.good()))).0, 200);
}

#[test]
fn what_is_revoked_or_bad_is_told_so_on_any_set() {
    let fixture = stale();
    let revoked = fixture.signer.token(r#""jti":"revoked""#);
    let response = fixture.answer(&bearer(&revoked));
    assert_eq!(seen(&response), (401, Answer::InvalidJwt.body()));
    assert_eq!(metadata(&response, "rescind_reason"), Some("token_revoked"));
    let response = fixture.answer(&check("/", &[]));
    assert_eq!(seen(&response), (401, Answer::NoCredential.body()));
}

#[test]
fn a_route_says_what_happens_on_a_stale_set() {
    let fixture = stale();
    for (policy, method, status) in [
        ("deny", "GET", 503),
        ("allow", "POST", 200),
        ("deny-writes", "GET", 200),
        ("deny-writes", "HEAD", 200),
        ("deny-writes", "OPTIONS", 200),
        ("deny-writes", "POST", 503),
    ] {
        let good = bearer(&fixture.good());
        let request = with(good, method, &[("rescind_stale_policy", policy)]);
        let response = fixture.answer(&request);
        assert_eq!(seen(&response).0, status, "{policy} {method}");
        assert_eq!(metadata(&response, "rescind_stale"), Some("true"));
        let revoked = bearer(&fixture.signer.token(r#""jti":"revoked""#));
        let request = with(revoked, method, &[("rescind_stale_policy", policy)]);
        assert_eq!(seen(&fixture.answer(&request)).0, 401, "{policy} {method}");
    }
    assert_eq!(fixture.metrics.stale_passed.get(), 4);
}

#[test]
fn a_policy_that_is_none_refuses_even_on_a_fresh_set() {
    let fixture = fixture();
    let good = bearer(&fixture.good());
    let request = with(good, "GET", &[("rescind_stale_policy", "alow")]);
    let response = fixture.answer(&request);
    assert_eq!(seen(&response), (401, Answer::Unclassified.body()));
    assert_eq!(metadata(&response, "rescind_reason"), Some("bad_check"));
}

#[test]
fn without_a_set_the_policy_decides_once_no_adapter_answers() {
    let fixture = unready();
    let allow = |request| with(request, "GET", &[("rescind_stale_policy", "allow")]);
    let good = || bearer(&fixture.good());
    assert_eq!(seen(&fixture.answer(&allow(good()))).0, 503);
    fixture.clock.pass(Duration::from_secs(31));
    assert_eq!(seen(&fixture.answer(&good())), (503, STALE));
    assert_eq!(seen(&fixture.answer(&allow(good()))).0, 200);
    // What little is known counts.
    let revoked = bearer(&fixture.signer.token(r#""jti":"revoked""#));
    assert_eq!(seen(&fixture.answer(&allow(revoked))).0, 401);
}

#[test]
fn a_route_has_its_own_places_for_credentials() {
    let fixture = fixture();
    let extensions = [("rescind_authorization_header", "X-Token")];
    let request = |header: &str, token: &str| {
        let value = format!("Bearer {token}");
        with(check("/", &[(header, &value)]), "GET", &extensions)
    };
    let response = fixture.answer(&request("x-token", &fixture.good()));
    let Some(HttpResponse::OkResponse(ok)) = &response.http_response else {
        panic!("{response:?}");
    };
    assert_eq!(ok.headers_to_remove, ["internal-key", "apikey", "x-token"]);
    let revoked = fixture.signer.token(r#""jti":"revoked""#);
    let response = fixture.answer(&request("x-token", &revoked));
    assert_eq!(seen(&response), (401, Answer::InvalidJwt.body()));
    let response = fixture.answer(&request("authorization", &fixture.good()));
    assert_eq!(seen(&response), (401, Answer::NoCredential.body()));
}
