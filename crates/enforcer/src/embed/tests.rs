use axum::{
    Router,
    body::{Body, to_bytes},
    routing::any,
};
use http::HeaderName;
use prometheus_client::registry::Registry;
use rescind_authz::{IssuerKeys, Jwks, KeySet, Policy, Verification};
use rescind_revocation::{Entry, Expiry, RevokedSet, TokenId};
use tower::ServiceExt as _;

use super::*;
use crate::{
    age::Age,
    clock::ManualClock,
    config::VerificationMode,
    keys::Keys,
    metrics::Metrics,
    readiness::Readiness,
    staleness::{Freshness, StaleSettings},
    testing::{ISSUER, Signer, jwks},
};

struct Fixture {
    enforcer: Embedded,
    signer: Signer,
    clock: Arc<ManualClock>,
    age: Age,
    readiness: Readiness,
}

fn fixture() -> Fixture {
    let signer = Signer::new("a");
    let mut keys = KeySet::default();
    let jwks = Jwks::parse(jwks(&[&signer]).as_bytes()).unwrap();
    keys.insert_issuer(ISSUER, IssuerKeys::from_jwks(jwks));
    let set = RevokedSet::new();
    let revoked = Entry::Token {
        id: TokenId::of("revoked"),
        expiry: Expiry::Never,
    };
    set.apply(&[revoked], "1-0a");
    let clock = ManualClock::at(1_000_000, 1);
    let age = Age::new(clock.clone());
    let health = Health::new();
    let readiness = Readiness::new(&health);
    let mut registry = Registry::default();
    let engine = Engine::new(
        Policy::new(CredentialNames::default(), Verification::Full, false),
        Keys::fixed(keys),
        Arc::new(set),
        Freshness::new(readiness.clone(), age.clone(), StaleSettings::default()),
        Metrics::register(&mut registry),
    );
    Fixture {
        enforcer: Embedded::new(engine, health, registry),
        signer,
        clock,
        age,
        readiness,
    }
}

impl Fixture {
    fn ready(self) -> Self {
        self.readiness.complete();
        self.age.current();
        self
    }

    fn token(&self, jti: &str) -> String {
        self.signer.token(&format!(r#""jti":"{jti}","iat":1"#))
    }

    /// What a service behind the layer answers: the target that it sees, its headers, and who let it in.
    async fn ask(&self, layer: Layer, request: http::Request<Body>) -> (u16, String) {
        let echo = |request: axum::extract::Request| async move {
            let permit = request.extensions().get::<Permit>().cloned();
            let credential = permit.and_then(|permit| permit.credential);
            let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
            format!("{} {names:?} {credential:?}", request.uri())
        };
        let app = Router::new().fallback(any(echo)).layer(layer);
        let response = app.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        if status == 401 {
            assert!(response.headers().contains_key("www-authenticate"));
        }
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn request(path: &str, headers: &[(&str, &str)]) -> http::Request<Body> {
    let mut request = http::Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn what_is_good_passes_without_its_credentials_and_with_its_permit() {
    let fixture = fixture().ready();
    let bearer = format!("Bearer {}", fixture.token("good"));
    let headers = [("authorization", &*bearer), ("accept", "*/*")];
    let layer = Layer::new(fixture.enforcer.clone());
    let answer = fixture
        .ask(layer, request("/pets?a=1&apikey=x&b", &headers))
        .await;
    let seen = r#"/pets?a=1&b ["accept"] Some(Bearer)"#.to_owned();
    assert_eq!(answer, (200, seen));
}

#[tokio::test]
async fn what_is_revoked_or_missing_gets_the_originals_answer() {
    let fixture = fixture().ready();
    let layer = || Layer::new(fixture.enforcer.clone());
    let bearer = format!("Bearer {}", fixture.token("revoked"));
    let headers = [("authorization", &*bearer)];
    let answer = fixture.ask(layer(), request("/pets", &headers)).await;
    assert_eq!(answer, (401, Answer::InvalidJwt.body().to_owned()));
    let answer = fixture.ask(layer(), request("/pets", &[])).await;
    assert_eq!(answer, (401, Answer::NoCredential.body().to_owned()));
}

#[tokio::test]
async fn a_set_that_is_not_there_or_stale_is_told_as_such() {
    let fixture = fixture();
    let bearer = format!("Bearer {}", fixture.token("good"));
    let headers = [("authorization", &*bearer)];
    let ask = async |stale_policy| {
        let route = Route {
            stale_policy,
            ..Route::default()
        };
        let layer = Layer::for_route(fixture.enforcer.clone(), route);
        fixture.ask(layer, request("/pets", &headers)).await
    };
    let answer = ask(None).await;
    assert_eq!(answer, (503, Answer::NotReady.body().to_owned()));
    fixture.readiness.complete();
    fixture.age.current();
    assert_eq!(ask(None).await.0, 200);
    fixture.clock.pass(std::time::Duration::from_secs(901));
    assert_eq!(ask(None).await, (503, Answer::Stale.body().to_owned()));
    assert_eq!(ask(Some(StalePolicy::DenyWrites)).await.0, 200);
}

#[tokio::test]
async fn a_route_has_its_own_places_for_credentials() {
    let fixture = fixture().ready();
    let route = Route {
        names: Some(CredentialNames::new("x-token", "", "", "")),
        ..Route::default()
    };
    let bearer = format!("Bearer {}", fixture.token("revoked"));
    let headers = [("x-token", &*bearer)];
    let layer = Layer::for_route(fixture.enforcer.clone(), route);
    let answer = fixture.ask(layer, request("/pets", &headers)).await;
    assert_eq!(answer.0, 401);
}

#[tokio::test]
async fn its_metrics_and_its_health_can_be_asked() {
    let fixture = fixture();
    assert!(!fixture.enforcer.health().is_ready());
    let (parts, ()) = http::Request::get("/").body(()).unwrap().into_parts();
    fixture.enforcer.check(&parts, &Route::default());
    let page = fixture.enforcer.metrics();
    let line = r#"enforcer_checks_total{outcome="not_ready"} 1"#;
    assert!(page.contains(line), "{page}");
}

#[test]
fn nobody_behind_it_is_asked_so_none_may_be_configured() {
    let mut config = Config::default();
    config.next.address = "enforcer".to_owned();
    let error = subscribe(&config).unwrap_err();
    let text = "next.address: an enforcer inside a proxy asks nobody; leave [next] out";
    assert_eq!(error.to_string(), text);
}

#[test]
fn nobody_before_it_has_verified_anything_so_nothing_passes_for_that() {
    let mut config = Config::default();
    let security = &mut config.enforcer.security;
    security.verification = VerificationMode::JwtAuthn;
    security.jwt_authn.allow_missing = true;
    let error = subscribe(&config).unwrap_err();
    let text = "enforcer.security.jwtAuthn.allowMissing: no Envoy says which requests need a token before an enforcer inside a proxy; set it to false";
    assert_eq!(error.to_string(), text);
}
