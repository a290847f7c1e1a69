//! The request's method in the table of requests: it decides on a stale set and nowhere else.
//!
//! Columns: method, credential, what is verified, the configured policy and the route's own (`-`: it says nothing), how the
//! set stands, and what comes of it: the status and the reason, which stands for one body.

use std::time::Duration;

use super::*;
use crate::staleness::StalePolicy;

const TABLE: &str = "
    GET      good     full     deny         -            fresh    200 ok
    HEAD     good     full     deny         -            fresh    200 ok
    OPTIONS  good     full     deny         -            fresh    200 ok
    POST     good     full     deny         -            fresh    200 ok
    PUT      good     full     deny         -            fresh    200 ok
    PATCH    good     full     deny         -            fresh    200 ok
    DELETE   good     full     deny         -            fresh    200 ok
    CONNECT  good     full     deny         -            fresh    200 ok
    TRACE    good     full     deny         -            fresh    200 ok
    PROPFIND good     full     deny-writes  deny-writes  fresh    200 ok
    POST     good     full     deny-writes  -            edge     200 ok
    POST     good     full     deny         -            edge     200 ok
    GET      revoked  full     allow        -            fresh    401 token_revoked
    OPTIONS  revoked  full     allow        allow        fresh    401 token_revoked
    POST     revoked  full     allow        -            fresh    401 token_revoked
    GET      expired  full     allow        -            fresh    401 expired
    OPTIONS  nothing  full     allow        -            fresh    401 no_credential
    POST     nothing  full     deny         -            fresh    401 no_credential
    POST     forged   full     deny         -            fresh    401 signature

    GET      good     full     deny         -            stale    503 stale
    HEAD     good     full     deny         -            stale    503 stale
    OPTIONS  good     full     deny         -            stale    503 stale
    POST     good     full     deny         -            stale    503 stale
    GET      good     full     deny-writes  -            stale    200 ok
    HEAD     good     full     deny-writes  -            stale    200 ok
    OPTIONS  good     full     deny-writes  -            stale    200 ok
    POST     good     full     deny-writes  -            stale    503 stale
    PUT      good     full     deny-writes  -            stale    503 stale
    PATCH    good     full     deny-writes  -            stale    503 stale
    DELETE   good     full     deny-writes  -            stale    503 stale
    CONNECT  good     full     deny-writes  -            stale    503 stale
    TRACE    good     full     deny-writes  -            stale    503 stale
    PROPFIND good     full     deny-writes  -            stale    503 stale
    get      good     full     deny-writes  -            stale    503 stale
    GETS     good     full     deny-writes  -            stale    503 stale
    GET,POST good     full     deny-writes  -            stale    503 stale
    none     good     full     deny-writes  -            stale    503 stale
    POST     good     full     allow        -            stale    200 ok
    DELETE   good     full     allow        -            stale    200 ok
    none     good     full     allow        -            stale    200 ok
    GET      good     full     allow        deny         stale    503 stale
    GET      good     full     allow        deny-writes  stale    200 ok
    POST     good     full     allow        deny-writes  stale    503 stale
    GET      good     full     deny         deny-writes  stale    200 ok
    POST     good     full     deny         deny-writes  stale    503 stale
    POST     good     full     deny         allow        stale    200 ok
    GET      revoked  full     deny         -            stale    401 token_revoked
    GET      revoked  full     deny-writes  -            stale    401 token_revoked
    POST     revoked  full     deny-writes  -            stale    401 token_revoked
    POST     revoked  full     allow        -            stale    401 token_revoked
    GET      expired  full     deny-writes  -            stale    401 expired
    POST     forged   full     deny-writes  -            stale    401 signature
    POST     nothing  full     deny-writes  -            stale    401 no_credential
    OPTIONS  nothing  full     allow        -            stale    401 no_credential

    GET      forged   timeonly deny-writes  -            stale    200 ok
    POST     forged   timeonly deny-writes  -            stale    503 stale
    POST     expired  timeonly deny-writes  -            stale    401 expired
    POST     revoked  timeonly allow        -            stale    401 token_revoked

    GET      good     revoked  deny         -            fresh    200 ok
    POST     good     revoked  deny         -            fresh    200 ok
    POST     forged   revoked  deny         -            fresh    200 ok
    DELETE   expired  revoked  deny         -            fresh    200 ok
    OPTIONS  nothing  revoked  deny         -            fresh    200 ok
    POST     opaque   revoked  deny         -            fresh    200 ok
    GET      revoked  revoked  allow        -            fresh    401 token_revoked
    OPTIONS  revoked  revoked  allow        allow        fresh    401 token_revoked
    GET      good     revoked  deny         -            stale    503 stale
    OPTIONS  nothing  revoked  deny         -            stale    503 stale
    GET      forged   revoked  deny-writes  -            stale    200 ok
    HEAD     expired  revoked  deny-writes  -            stale    200 ok
    OPTIONS  nothing  revoked  deny-writes  -            stale    200 ok
    POST     good     revoked  deny-writes  -            stale    503 stale
    POST     nothing  revoked  deny-writes  -            stale    503 stale
    POST     opaque   revoked  deny-writes  -            stale    503 stale
    get      good     revoked  deny-writes  -            stale    503 stale
    POST     good     revoked  deny         allow        stale    200 ok
    GET      good     revoked  allow        deny         stale    503 stale
    GET      revoked  revoked  deny-writes  -            stale    401 token_revoked
    POST     revoked  revoked  deny-writes  -            stale    401 token_revoked
    POST     revoked  revoked  deny         allow        stale    401 token_revoked

    GET      good     full     allow        allow        unready  503 not_ready
    OPTIONS  nothing  full     deny-writes  -            unready  503 not_ready
    POST     revoked  revoked  allow        -            unready  503 not_ready
    GET      good     full     deny         -            unheard  503 stale
    GET      good     full     deny-writes  -            unheard  200 ok
    POST     good     full     deny-writes  -            unheard  503 stale
    POST     good     full     allow        -            unheard  200 ok
    GET      revoked  full     deny-writes  -            unheard  401 token_revoked
    POST     nothing  revoked  deny-writes  -            unheard  503 stale
    GET      nothing  revoked  deny-writes  -            unheard  200 ok
";

fn verification(name: &str) -> Verification {
    match name {
        "full" => Verification::Full,
        "timeonly" => Verification::TimeOnly,
        "revoked" => Verification::RevocationOnly,
        other => panic!("{other}"),
    }
}

/// Ready checks, or not, whose clock stands where the column says.
fn standing(policy: Policy, settings: StaleSettings, name: &str) -> Fixture {
    let fixture = with_settings(policy, settings);
    let passed = match name {
        "fresh" | "unready" => 0,
        "edge" => 900,
        "stale" => 901,
        "unheard" => 31,
        other => panic!("{other}"),
    };
    if !name.starts_with("un") {
        fixture.readiness.complete();
        fixture.age.current();
    }
    fixture.clock.pass(Duration::from_secs(passed));
    fixture
}

fn request(fixture: &Fixture, method: &str, credential: &str, route: &str) -> CheckRequest {
    let token = match credential {
        "good" => fixture.good(),
        "revoked" => fixture.signer.token(r#""jti":"revoked""#),
        "expired" => fixture.signer.token_until(1, r#""jti":"a""#),
        "forged" => Signer::new("a").token(r#""jti":"a""#),
        "opaque" => "e4cb79d6-c22e-386a-a1eb-0494208e9976".to_owned(),
        "nothing" => String::new(),
        other => panic!("{other}"),
    };
    let mut request = match token.is_empty() {
        true => check("/pets/1?a=1", &[]),
        false => bearer(&token),
    };
    let attributes = request.attributes.as_mut().unwrap();
    if route != "-" {
        let extensions = &mut attributes.context_extensions;
        extensions.insert("rescind_stale_policy".to_owned(), route.to_owned());
    }
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    http.method = if method == "none" { "" } else { method }.to_owned();
    request
}

fn body(reason: &str) -> &'static str {
    let answer = match reason {
        "ok" => return "",
        "token_revoked" => Answer::InvalidJwt,
        "expired" | "signature" => Answer::InvalidCredentials,
        "no_credential" => Answer::NoCredential,
        "stale" => Answer::Stale,
        "not_ready" => Answer::NotReady,
        other => panic!("{other}"),
    };
    answer.body()
}

#[test]
fn the_method_decides_on_a_stale_set_and_nowhere_else() {
    let rows = TABLE.lines().filter(|line| !line.trim().is_empty());
    for line in rows {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [
            method,
            credential,
            verified,
            configured,
            route,
            set,
            status,
            reason,
        ] = columns[..]
        else {
            panic!("{line}");
        };
        let policy = Policy::new(CredentialNames::default(), verification(verified), false);
        let settings = StaleSettings {
            policy: configured.parse::<StalePolicy>().unwrap(),
            ..StaleSettings::default()
        };
        let fixture = standing(policy, settings, set);
        let response = fixture.answer(&request(&fixture, method, credential, route));
        let expected = (status.parse().unwrap(), body(reason));
        assert_eq!(seen(&response), expected, "{line}");
        assert_eq!(
            metadata(&response, "rescind_reason"),
            Some(reason),
            "{line}"
        );
        let stale = matches!(set, "stale" | "unheard").then_some("true");
        assert_eq!(metadata(&response, "rescind_stale"), stale, "{line}");
    }
}
