use prometheus_client::registry::Registry;
use prost::Message as _;
use rescind_authz::{Answer, CredentialNames, IssuerKeys, Jwks, KeySet, Policy, Verification};
use rescind_proto::envoy::{
    config::core::v3::{HeaderMap, HeaderValue, header_value_option::HeaderAppendAction},
    service::auth::v3::{
        AttributeContext, CheckRequest, CheckResponse,
        attribute_context::{self, HttpRequest},
        check_response::HttpResponse,
    },
};
use rescind_revocation::{Entry, Expiry, RevokedSet, TokenId};
use rescind_runtime::Health;
use tokio::sync::Notify;

use super::*;
use crate::testing::{ISSUER, Signer, bearer, check, jwks, metadata, of_http, seen};
use crate::{
    age::Age,
    clock::ManualClock,
    keys::Keys,
    metrics::{Metrics, Outcome},
    readiness::Readiness,
    staleness::{Freshness, StaleSettings},
};

mod gateway;
mod methods;
mod next;
mod router;
mod stale;
mod told;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

struct Fixture {
    checks: Checks,
    metrics: Metrics,
    readiness: Readiness,
    age: Age,
    clock: Arc<ManualClock>,
    signer: Signer,
    wanted: Arc<[Notify]>,
}

/// Ready checks with one issuer, and the set of an adapter at `7-0a0b0c0d` in which `revoked` is revoked.
fn fixture() -> Fixture {
    let fixture = unready();
    fixture.readiness.complete();
    fixture.age.current();
    fixture
}

fn unready() -> Fixture {
    with_policy(Policy::new(
        CredentialNames::default(),
        Verification::Full,
        false,
    ))
}

fn with_policy(policy: Policy) -> Fixture {
    with_settings(policy, StaleSettings::default())
}

fn with_settings(policy: Policy, settings: StaleSettings) -> Fixture {
    let signer = Signer::new("a");
    let jwks = Jwks::parse(jwks(&[&signer]).as_bytes()).unwrap();
    let mut keys = KeySet::default();
    keys.insert_issuer(ISSUER, IssuerKeys::from_jwks(jwks));
    let set = RevokedSet::new();
    let revoked = Entry::Token {
        id: TokenId::of("revoked"),
        expiry: Expiry::Never,
    };
    set.apply(&[revoked], "7-0a0b0c0d");
    let (keys, wanted) = Keys::watched(keys);
    let clock = ManualClock::at(1_000_000, 1);
    let age = Age::new(clock.clone());
    let readiness = Readiness::new(&Health::new());
    let metrics = Metrics::register(&mut Registry::default());
    let engine = Engine::new(
        policy,
        keys,
        Arc::new(set),
        Freshness::new(readiness.clone(), age.clone(), settings),
        metrics.clone(),
    );
    Fixture {
        checks: Checks::new(engine, &["jwt_payload".to_owned()]),
        metrics,
        readiness,
        age,
        clock,
        signer,
        wanted,
    }
}

/// Through the bytes of both.
fn answer(checks: &Checks, request: &CheckRequest) -> CheckResponse {
    let answer = checks.answer(&request.encode_to_vec(), NOW);
    CheckResponse::decode(&*answer).unwrap()
}

/// The check of a request with this method, on a route with these context extensions.
fn with(mut request: CheckRequest, method: &str, extensions: &[(&str, &str)]) -> CheckRequest {
    let attributes = request.attributes.as_mut().unwrap();
    for (name, value) in extensions {
        let extensions = &mut attributes.context_extensions;
        extensions.insert((*name).to_owned(), (*value).to_owned());
    }
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    http.method = method.to_owned();
    request
}

impl Fixture {
    fn answer(&self, request: &CheckRequest) -> CheckResponse {
        answer(&self.checks, request)
    }

    fn good(&self) -> String {
        self.signer.token(r#""jti":"good","iat":1"#)
    }
}

#[test]
fn a_good_request_passes_without_its_credentials() {
    let fixture = fixture();
    let authorization = format!("Bearer {}", fixture.good());
    let request = check(
        "/pets/1?a=%20&apikey=x.y.z&b",
        &[("authorization", &authorization)],
    );
    let response = fixture.answer(&request);
    assert_eq!(seen(&response), (200, ""));
    let Some(HttpResponse::OkResponse(ok)) = &response.http_response else {
        panic!("{response:?}");
    };
    assert_eq!(
        ok.headers_to_remove,
        ["internal-key", "apikey", "authorization"]
    );
    let [path] = &ok.headers[..] else {
        panic!("{:?}", ok.headers);
    };
    let header = path.header.as_ref().unwrap();
    assert_eq!((&*header.key, &*header.value), (":path", "/pets/1?a=%20&b"));
    assert_eq!(
        path.append_action,
        i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd)
    );
    for (key, value) in [
        ("correlationID", Some("request-7")),
        ("choreo-connect-enforcer-reply", Some("Ok")),
        ("originalPath", Some("/pets/1")),
        ("rescind_version", Some("7-0a0b0c0d")),
        ("rescind_reason", Some("ok")),
        ("rescind_credential", Some("jwt")),
        ("rescind_age", Some("0")),
        ("rescind_source_age", None),
        ("rescind_stale", None),
        ("token", None),
    ] {
        assert_eq!(metadata(&response, key), value, "{key}");
    }
}

#[test]
fn a_path_without_a_key_is_not_touched() {
    let fixture = fixture();
    let response = fixture.answer(&bearer(&fixture.good()));
    let Some(HttpResponse::OkResponse(ok)) = &response.http_response else {
        panic!("{response:?}");
    };
    assert!(ok.headers.is_empty());
}

#[test]
fn a_revoked_token_gets_the_originals_answer_to_the_byte() {
    let fixture = fixture();
    let token = fixture.signer.token(r#""jti":"revoked""#);
    let response = fixture.answer(&bearer(&token));
    let status = response.status.as_ref().unwrap();
    assert_eq!((status.code, &*status.message), (16, ""));
    let Some(HttpResponse::DeniedResponse(denied)) = &response.http_response else {
        panic!("{response:?}");
    };
    assert_eq!(denied.status.as_ref().unwrap().code, 401);
    assert_eq!(
        denied.body,
        r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid JWT token. Make sure you have provided the correct security credentials"}"#
    );
    let headers: Vec<_> = denied
        .headers
        .iter()
        .map(|option| option.header.as_ref().unwrap())
        .map(|header| (&*header.key, &*header.value))
        .collect();
    assert_eq!(
        headers,
        [
            ("content-type", "application/json"),
            (
                "WWW-Authenticate",
                r#"Bearer realm="Choreo Connect", error="invalid_token", error_description="The provided token is invalid""#
            )
        ]
    );
    for (key, value) in [
        ("correlationID", Some("request-7")),
        ("choreo-connect-enforcer-reply", Some("Ok")),
        ("originalPath", None),
        ("rescind_version", Some("7-0a0b0c0d")),
        ("rescind_reason", Some("token_revoked")),
        ("rescind_credential", Some("jwt")),
    ] {
        assert_eq!(metadata(&response, key), value, "{key}");
    }
}

#[test]
fn until_the_set_is_complete_every_check_is_answered_with_503() {
    let fixture = unready();
    let token = fixture.signer.token(r#""jti":"revoked""#);
    for request in [
        bearer(&fixture.good()),
        bearer(&token),
        check("/", &[]),
        CheckRequest::default(),
    ] {
        let response = fixture.answer(&request);
        assert_eq!(
            seen(&response),
            (
                503,
                r#"{"error_message":"Service Unavailable","code":"900900","error_description":"Revoked tokens are not loaded yet"}"#
            )
        );
        assert_eq!(response.status.as_ref().unwrap().code, 14);
        assert_eq!(
            metadata(&response, "choreo-connect-enforcer-reply"),
            Some("Ok")
        );
        assert_eq!(metadata(&response, "rescind_reason"), Some("not_ready"));
    }
    fixture.readiness.complete();
    fixture.age.current();
    assert_eq!(seen(&fixture.answer(&bearer(&fixture.good()))).0, 200);
}

#[test]
fn a_check_without_a_request_is_refused_in_words() {
    let fixture = fixture();
    let no_request = CheckRequest {
        attributes: Some(AttributeContext::default()),
    };
    let no_http = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(attribute_context::Request::default()),
            ..AttributeContext::default()
        }),
    };
    for request in [CheckRequest::default(), no_request, no_http] {
        let response = fixture.answer(&request);
        assert_eq!(seen(&response), (401, Answer::Unclassified.body()));
        assert_eq!(metadata(&response, "rescind_reason"), Some("bad_check"));
        assert_eq!(metadata(&response, "correlationID"), Some(""));
    }
    let empty = of_http(HttpRequest::default());
    assert_eq!(
        seen(&fixture.answer(&empty)),
        (401, Answer::NoCredential.body())
    );
}

#[test]
fn headers_are_read_in_both_forms_and_in_any_case() {
    let fixture = fixture();
    let authorization = format!("Bearer {}", fixture.good());
    let raw = |key: &str, value: &str, raw_value: &[u8]| HeaderValue {
        key: key.to_owned(),
        value: value.to_owned(),
        raw_value: raw_value.to_vec(),
    };
    let list = |headers: Vec<HeaderValue>| {
        of_http(HttpRequest {
            header_map: Some(HeaderMap { headers }),
            ..HttpRequest::default()
        })
    };
    let bytes = authorization.as_bytes();
    for (request, status) in [
        (check("/", &[("Authorization", &authorization)]), 200),
        (list(vec![raw("authorization", "", bytes)]), 200),
        (list(vec![raw("AUTHORIZATION", &authorization, b"")]), 200),
        (
            list(vec![
                raw("authorization", "", bytes),
                raw("authorization", "", bytes),
            ]),
            401,
        ),
        (
            list(vec![raw("authorization", "", b"Bearer \xff.\xff.\xff")]),
            401,
        ),
    ] {
        assert_eq!(seen(&fixture.answer(&request)).0, status, "{request:?}");
    }
}

#[test]
fn the_request_is_named_by_its_id_where_the_proxy_sends_no_header() {
    let fixture = fixture();
    let response = fixture.answer(&of_http(HttpRequest {
        id: "13".to_owned(),
        ..HttpRequest::default()
    }));
    assert_eq!(metadata(&response, "correlationID"), Some("13"));
}

#[test]
fn checks_are_counted_by_how_they_end() {
    let fixture = fixture();
    let expired = fixture.signer.token(r#""jti":"a","nbf":9999999999"#);
    let revoked = fixture.signer.token(r#""jti":"revoked""#);
    for request in [
        bearer(&fixture.good()),
        bearer(&revoked),
        bearer(&expired),
        check("/", &[]),
        CheckRequest::default(),
    ] {
        fixture.answer(&request);
    }
    for outcome in [
        Outcome::Allowed,
        Outcome::Revoked,
        Outcome::Invalid,
        Outcome::Missing,
        Outcome::BadCheck,
    ] {
        assert_eq!(fixture.metrics.checks(outcome), 1, "{outcome:?}");
    }
    assert_eq!(fixture.metrics.checks(Outcome::NotReady), 0);
}

#[tokio::test]
async fn an_unknown_key_and_nothing_else_asks_for_new_keys() {
    let fixture = fixture();
    let wanted = || {
        let mut woken = std::pin::pin!(fixture.wanted[0].notified());
        woken.as_mut().enable()
    };
    let unknown = Signer::new("another kid").token(r#""jti":"a""#);
    let forged = Signer::new("a").token(r#""jti":"a""#);
    for request in [bearer(&fixture.good()), bearer(&forged), check("/", &[])] {
        fixture.answer(&request);
        assert!(!wanted());
    }
    fixture.answer(&bearer(&unknown));
    assert!(wanted());
}

#[test]
fn callers_that_speak_soap_are_refused_in_soap_where_that_is_set() {
    use rescind_authz::Fault::{Soap11, Soap12};
    let fixture = fixture();
    let token = fixture.signer.token(r#""jti":"revoked""#);
    let token = format!("Bearer {token}");
    let soap = Checks::new(fixture.checks.engine.clone(), &[]).with_soap_faults(true);
    let content_type = |response: &CheckResponse| match &response.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => {
            let headers = denied
                .headers
                .iter()
                .filter_map(|option| option.header.as_ref());
            let names: Vec<_> = headers.clone().map(|header| &*header.key).collect();
            assert_eq!(names, ["content-type", "WWW-Authenticate"]);
            headers.clone().next().unwrap().value.clone()
        }
        other => panic!("{other:?}"),
    };
    for (headers, fault) in [
        (
            &[("content-type", "text/xml"), ("soapaction", "a")][..],
            Some(Soap11),
        ),
        (
            &[("content-type", "text/xml"), ("soapaction", "")],
            Some(Soap11),
        ),
        (&[("content-type", "text/xml")], None),
        (&[("content-type", "application/soap+xml")], Some(Soap12)),
        (
            &[
                ("content-type", "text/xml;charset=utf-8"),
                ("soapaction", "a"),
            ],
            None,
        ),
        (
            &[("content-type", "text/xml,text/xml"), ("soapaction", "a")],
            None,
        ),
        (&[("accept", "text/xml"), ("soapaction", "a")], None),
        (&[], None),
    ] {
        let headers = [&[("authorization", &*token)], headers].concat();
        let request = check("/", &headers);
        let response = answer(&soap, &request);
        let expected = match fault {
            Some(fault) => (fault.body(Answer::InvalidJwt), fault.content_type()),
            None => (Answer::InvalidJwt.body().to_owned(), "application/json"),
        };
        assert_eq!(seen(&response), (401, &*expected.0), "{headers:?}");
        assert_eq!(content_type(&response), expected.1);
        assert_eq!(
            metadata(&response, "choreo-connect-enforcer-reply"),
            Some("Ok")
        );
        let response = fixture.answer(&request);
        assert_eq!(seen(&response), (401, Answer::InvalidJwt.body()));
        assert_eq!(content_type(&response), "application/json");
    }
}
