//! Over the router, with a real ledger and roster.

use axum::{body::Body, http::Request as HttpRequest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rescind_ledger::{Ledger, Origin};
use rescind_revocation::{Identifier, Revocation, UnixMillis};
use rescind_runtime::{
    config::Secret,
    tls::{Identity, Shown as _},
};
use rescind_xds::{
    Audience, Position,
    server::{self, Client, Declared, Method, Watch as _},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

use super::*;
use crate::{
    Metrics,
    config::Xds,
    publication::{Publication, SourceFlag},
    testing::{certificates::Authority, token},
};

struct Fixture {
    _directory: TempDir,
    ledger: Ledger,
    roster: Roster,
    routes: Router,
}

fn fixture() -> Fixture {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let app = Revocation::App {
        consumer_key: Identifier::new("consumer-key-0123456789").unwrap(),
        revoked_at: UnixMillis(5_500),
        disbelieved: None,
    };
    ledger
        .append_from(
            &[token("4e330dbd-75c6-4ab5-a749-b9497aa3521a"), app],
            &Origin {
                at: UnixMillis(1_764_043_200_123),
                source: "event hub amqps://broker:5671/".to_owned(),
            },
        )
        .unwrap();
    let reader = ledger.reader();
    let roster = Roster::new(Vec::new(), reader.clone(), Arc::new(Metrics::default()));
    let (commands, _) = mpsc::channel(1);
    let head = watch::Sender::default().subscribe();
    let publication = Publication::new(reader.clone(), head, commands, SourceFlag::default(), true);
    let settings = server::Settings::default();
    let identify = server::Identify::carried();
    let (_, streams) = server::service(Arc::new(publication), identify, settings, Arc::default());
    let api = Api::new(Access::new(&Secret::new("reads"), &Secret::new("manages")));
    rescind_runtime::tls::install_crypto_provider();
    let authority = Authority::new();
    let (cert, key) = authority.identity("adapter");
    let own = Identity::new(cert, key).certificate().unwrap();
    let allowed = Allowed::new(&Xds::default(), own);
    api.serve(reader, roster.clone(), streams, Peers::default(), allowed);
    Fixture {
        _directory: directory,
        ledger,
        roster,
        routes: api.routes(),
    }
}

fn client(stream: u64, instance: &str, audience: Audience) -> Client {
    Client {
        stream,
        identity: "enforcer".to_owned(),
        instance: instance.to_owned(),
        address: None,
        audience,
        method: Method::DeltaRange,
        subscribes_to_all: true,
        declared: Declared::default(),
    }
}

impl Fixture {
    async fn call(&self, method: &str, path: &str, authorization: Option<&str>) -> (u16, Value) {
        let mut request = HttpRequest::builder().method(method).uri(path);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn read(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, Some("Bearer reads")).await
    }
}

#[tokio::test]
async fn without_the_right_token_nothing_is_shown() {
    let fixture = fixture();
    // `x:reads` and `x:wrong`.
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer wrong"), 401),
        (Some("Bearer read"), 401),
        (Some("Basic eDp3cm9uZw=="), 401),
        (Some("Basic eDpyZWFkcw=="), 200),
        (Some("bearer manages"), 200),
    ] {
        let (found, body) = fixture.call("GET", "/v1/enforcers", authorization).await;
        assert_eq!(found, status, "{authorization:?} {body}");
    }
    let forget = fixture.call("DELETE", "/v1/enforcers/0", Some("Bearer reads"));
    assert_eq!(forget.await.0, 403);
    let closed = Api::new(Access::new(&Secret::new(""), &Secret::new("")));
    let request = HttpRequest::get("/v1/enforcers")
        .body(Body::empty())
        .unwrap();
    let response = closed.routes().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_version_says_where_it_is_and_whether_that_is_everywhere() {
    let fixture = fixture();
    let epoch = fixture.ledger.reader().ledger_id();
    let (status, nobody) = fixture.read("/v1/versions/1").await;
    assert_eq!((status, &nobody["everywhere"]), (200, &json!(false)));

    let (one, two) = (
        client(1, "a", Audience::Rescind),
        client(2, "b", Audience::Classic),
    );
    fixture.roster.opened(&one, Position(2), Position(2));
    fixture.roster.opened(&two, Position(0), Position(2));
    let (_, found) = fixture.read(&format!("/v1/versions/1-{epoch}")).await;
    assert_eq!(found["scope"], "this adapter only");
    assert_eq!(found["everywhere"], false);
    assert_eq!(
        [
            &found["acked"],
            &found["missing"],
            &found["enforcers"][1]["standing"]
        ],
        [&json!(1), &json!(1), &json!("MISSING")]
    );
    fixture.roster.acked(&two, Position(0), Position(2));
    assert_eq!(fixture.read("/v1/versions/1").await.1["everywhere"], true);
    // The second version revokes an application, which the older one cannot enforce.
    let (_, found) = fixture.read("/v1/versions/2").await;
    assert_eq!(
        [&found["everywhere"], &found["cannot"]],
        [&json!(false), &json!(1)]
    );
    for unknown in ["3", "x", "1-00000000", "-1"] {
        let (status, _) = fixture.read(&format!("/v1/versions/{unknown}")).await;
        assert_eq!(status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn what_is_revoked_is_said_with_its_version_and_masked() {
    let fixture = fixture();
    let (status, found) = fixture
        .read("/v1/revocations?jti=4e330dbd-75c6-4ab5-a749-b9497aa3521a")
        .await;
    assert_eq!((status, &found["revoked"]), (200, &json!(true)));
    let by = &found["by"][0];
    assert_eq!(by["kind"], "token");
    assert_eq!(by["identifier"], "**********521a");
    assert_eq!(by["expires_at"], 4_000_000_000u64);
    assert_eq!(by["since"], by["version"]);
    assert_eq!(by["committed_at"], "2025-11-25T04:00:00.123Z");
    assert_eq!(by["from"], "event hub amqps://broker:5671/");
    assert!(!found.to_string().contains("75c6"));

    let (_, none) = fixture.read("/v1/revocations?jti=other").await;
    assert_eq!(
        none,
        json!({"scope": "this adapter only", "revoked": false, "by": []})
    );
    let (_, app) = fixture
        .read("/v1/revocations?consumer_key=consumer-key-0123456789")
        .await;
    assert_eq!(app["by"][0]["revoked_at_ms"], 5500);
    let (_, subject) = fixture.read("/v1/revocations?entity_id=nobody").await;
    assert_eq!(subject["revoked"], false);
    for wrong in ["", "?jti=", "?jti=a&token=b", "?other=a"] {
        let (status, _) = fixture.read(&format!("/v1/revocations{wrong}")).await;
        assert_eq!(status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_token_is_revoked_by_its_application_if_it_is_old_enough() {
    let fixture = fixture();
    for (issued_at, revoked) in [("5", true), ("6", false), ("null", true)] {
        let payload =
            format!(r#"{{"jti":"new","azp":"consumer-key-0123456789","iat":{issued_at}}}"#);
        let token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(payload));
        let (_, found) = fixture
            .read(&format!("/v1/revocations?token={token}"))
            .await;
        assert_eq!(found["revoked"], revoked, "{issued_at}");
    }
}

#[tokio::test]
async fn a_certificate_that_several_enforcers_show_is_said_to_be_shared() {
    let fixture = fixture();
    let own = Client {
        identity: "own".to_owned(),
        ..client(3, "c", Audience::Rescind)
    };
    for client in [client(1, "a", Audience::Rescind), own.clone()] {
        fixture.roster.opened(&client, Position(2), Position(2));
    }
    // Two streams of one name are one enforcer.
    let again = Client { stream: 4, ..own };
    fixture.roster.opened(&again, Position(2), Position(2));
    let shared = async || fixture.read("/v1/enforcers").await.1["shared_certificates"].clone();
    assert_eq!(shared().await, json!([]));
    let other = client(2, "b", Audience::Rescind);
    fixture.roster.opened(&other, Position(2), Position(2));
    assert_eq!(shared().await, json!(["enforcer"]));
}

#[tokio::test]
async fn enforcers_are_listed_and_forgotten() {
    let fixture = fixture();
    let a = client(1, "a", Audience::Rescind);
    fixture.roster.opened(&a, Position(1), Position(2));
    let (_, found) = fixture.read("/v1/enforcers").await;
    let enforcer = &found["enforcers"][0];
    assert_eq!(enforcer["behind"], 1);
    assert_eq!(enforcer["connected"], true);
    let forget = format!("/v1/enforcers/{}", enforcer["id"]);
    let manages = Some("Bearer manages");
    assert_eq!(fixture.call("DELETE", &forget, manages).await.0, 409);
    fixture.roster.closed(&a, Position(1));
    assert_eq!(fixture.call("DELETE", &forget, manages).await.0, 204);
    assert_eq!(fixture.call("DELETE", &forget, manages).await.0, 404);
    assert_eq!(
        fixture.read("/v1/enforcers").await.1["enforcers"],
        json!([])
    );
}
