use axum::body::to_bytes;
use prometheus_client::registry::Registry;
use rescind_authz::{CredentialNames, KeySet, Policy, Verification};
use rescind_revocation::{Expiry, UnixMillis, UnixSeconds};
use rescind_runtime::{config::Secret, health::Health};
use tower::ServiceExt as _;

use super::*;
use crate::{
    age::Age,
    clock::ManualClock,
    keys::Keys,
    metrics::Metrics,
    readiness::Readiness,
    staleness::{Freshness, StaleSettings},
    testing::Signer,
};

const JTI: &str = "4e330dbd-75c6-4ab5-a749-b9497aa3521a";

fn tokens(password: &str) -> RevokedTokens {
    let set = RevokedSet::new();
    let entry = |name: &str, expiry| Entry::Token {
        id: TokenId::of(name),
        expiry,
    };
    set.apply(
        &[
            entry(JTI, Expiry::Known(UnixSeconds(1_628_175_422))),
            entry("abc", Expiry::Never),
            Entry::App {
                id: TokenId::of("app"),
                revoked_at: UnixMillis(1),
            },
        ],
        "3-0a0b0c0d",
    );
    let age = Age::new(ManualClock::at(1, 1));
    age.current();
    let readiness = Readiness::new(&Health::new());
    let engine = Engine::new(
        Policy::new(CredentialNames::default(), Verification::Full, false),
        Keys::fixed(KeySet::default()),
        Arc::new(set),
        Freshness::new(readiness, age, StaleSettings::default()),
        Metrics::register(&mut Registry::default()),
    );
    let management = Management {
        username: "admin".to_owned(),
        password: Secret::new(password),
    };
    RevokedTokens::new(engine, &management)
}

async fn ask(
    tokens: &RevokedTokens,
    method: &str,
    path: &str,
    authorization: Option<&str>,
) -> (u16, String) {
    let mut request = axum::http::Request::builder().method(method).uri(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = tokens.clone().router(None).oneshot(request).await.unwrap();
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "application/json"
    );
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// `admin:admin`.
const GOOD: Option<&str> = Some("Basic YWRtaW46YWRtaW4=");

#[tokio::test]
async fn the_list_is_the_originals_to_the_byte() {
    let tokens = tokens("admin");
    let one =
        format!(r#"{{"count":1,"tokens":[{{"token":"{JTI}","expiredTime":1628175422000}}]}}"#);
    let path = format!("/revoked_tokens?token={JTI}");
    assert_eq!(ask(&tokens, "GET", &path, GOOD).await, (200, one.clone()));
    let token = Signer::new("a").token(&format!(r#""jti":"{JTI}""#));
    let path = format!("/revoked_tokens?token={token}");
    assert_eq!(ask(&tokens, "GET", &path, GOOD).await, (200, one));
    for nothing in ["unknown", "a.b.c", ""] {
        let path = format!("/revoked_tokens?token={nothing}");
        let empty = r#"{"count":0,"tokens":[]}"#.to_owned();
        assert_eq!(ask(&tokens, "GET", &path, GOOD).await, (200, empty));
    }
    let (status, all) = ask(&tokens, "GET", "/revoked_tokens", GOOD).await;
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!((status, &all["count"]), (200, &2.into()));
    let shown: Vec<_> = all["tokens"].as_array().unwrap().iter().collect();
    let hashed = serde_json::json!({
        "token": "ba7816bf-8f01-cfea-4141-40de5dae2223", "expiredTime": i64::MAX,
    });
    assert!(shown.len() == 2 && shown.contains(&&hashed), "{shown:?}");
}

#[tokio::test]
async fn a_long_list_comes_in_pieces_and_is_one_document() {
    let tokens = tokens("admin");
    let many: Vec<_> = (0..2500)
        .map(|n| Entry::Token {
            id: TokenId::of(&format!("token-{n}")),
            expiry: Expiry::Unknown,
        })
        .collect();
    tokens.engine.set().apply(&many, "4-0a0b0c0d");
    for _ in 0..2 {
        let (_, body) = ask(&tokens, "GET", "/revoked_tokens", GOOD).await;
        let list: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(list["count"], 2502);
        assert_eq!(list["tokens"].as_array().unwrap().len(), 2502);
    }
}

#[tokio::test]
async fn who_may_not_gets_the_originals_errors() {
    let open = tokens("admin");
    let no_password = tokens("");
    let wrong = Some("Basic YWRtaW46d3Jvbmc=");
    for (tokens, method, path, authorization, status, body) in [
        (&open, "GET", "/revoked_tokens", None, 401, NO_HEADER),
        (&open, "GET", "/anything", None, 401, NO_HEADER),
        (&open, "GET", "/revoked_tokens", wrong, 401, REFUSED),
        (&open, "GET", "/revoked_tokens", Some("Basic"), 401, REFUSED),
        (
            &open,
            "GET",
            "/revoked_tokens",
            Some("Basic %"),
            401,
            REFUSED,
        ),
        (
            &open,
            "GET",
            "/revoked_tokens",
            Some("Bearer YWRtaW46YWRtaW4="),
            401,
            REFUSED,
        ),
        (&open, "POST", "/revoked_tokens", wrong, 401, REFUSED),
        (&open, "POST", "/revoked_tokens", GOOD, 501, NOT_IMPLEMENTED),
        (
            &open,
            "DELETE",
            "/revoked_tokens",
            GOOD,
            501,
            NOT_IMPLEMENTED,
        ),
        (&open, "GET", "/api/info", GOOD, 404, NOT_FOUND),
        (&no_password, "GET", "/revoked_tokens", GOOD, 401, REFUSED),
        // `admin:`
        (
            &no_password,
            "GET",
            "/revoked_tokens",
            Some("Basic YWRtaW46"),
            401,
            REFUSED,
        ),
    ] {
        let answer = ask(tokens, method, path, authorization).await;
        assert_eq!(answer, (status, body.to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn one_list_is_written_at_a_time() {
    let tokens = tokens("admin");
    let request = || {
        let request = axum::http::Request::get("/revoked_tokens");
        let request = request.header("authorization", GOOD.unwrap());
        request.body(Body::empty()).unwrap()
    };
    let first = tokens
        .clone()
        .router(None)
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(first.headers()["rescind-version"], "3-0a0b0c0d");
    assert_eq!(first.headers()["rescind-age"], "0");
    let second = tokens
        .clone()
        .router(None)
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    let third = tokens
        .clone()
        .router(None)
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(third.status(), StatusCode::OK);
}
