use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::StatusCode, response::Redirect, routing::get};
use prometheus_client::registry::Registry;
use rescind_runtime::tls::{ALPN_HTTP, ClientAuth, Identity, TlsListener, server_config};
use tokio::{net::TcpListener, time::advance};

use super::*;
use crate::{
    config::TokenService,
    testing::{Certificates, ISSUER, Signer, jwks},
};

mod certificates;

struct Fixture {
    certificates: Certificates,
    health: Health,
    metrics: Metrics,
}

fn fixture() -> Fixture {
    Fixture {
        certificates: Certificates::new(),
        health: Health::new(),
        metrics: Metrics::register(&mut Registry::default()),
    }
}

impl Fixture {
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.certificates.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn load(&self, services: Vec<TokenService>) -> anyhow::Result<(Keys, KeyLoader)> {
        let security = Security {
            token_service: services,
            ..Security::default()
        };
        let trust = Trust::load(self.certificates.ca()).unwrap();
        let store = self.certificates.folder();
        let trust = vec![trust; security.token_service.len()];
        KeyLoader::new(&security, store, &trust, &self.health, &self.metrics)
    }

    /// Runs the loader of one issuer with a JWK Set until the condition `keys` is done.
    async fn start(&self, url: &str) -> (Keys, AbortOnDrop) {
        let (keys, loader) = self.load(vec![issuer(url)]).unwrap();
        assert!(!self.health.is_ready());
        let task = tokio::spawn(loader.run(CancellationToken::new()));
        let mut ready = self.health.watch();
        ready.wait_for(|ready| *ready).await.unwrap();
        (keys, AbortOnDrop(task))
    }

    fn degraded(&self) -> Vec<String> {
        let report = self.health.report();
        report
            .degraded
            .into_iter()
            .map(|(_, reason)| reason)
            .collect()
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn issuer(url: &str) -> TokenService {
    TokenService {
        name: "Resident Key Manager".to_owned(),
        issuer: ISSUER.to_owned(),
        jwks_url: url.to_owned(),
        ..TokenService::default()
    }
}

fn knows(keys: &Keys, kid: &str) -> bool {
    let keys = keys.load();
    keys.issuer(ISSUER).unwrap().knows(Some(kid))
}

/// Lets every task run that can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn url_of(path: &Path) -> String {
    reqwest::Url::from_file_path(path).unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_at_start_and_again_after_five_minutes() {
    let fixture = fixture();
    let path = fixture.file("jwks", &jwks(&[&Signer::new("a")]));
    let (keys, _task) = fixture.start(&url_of(&path)).await;
    assert!(knows(&keys, "a") && !knows(&keys, "b"));
    assert!(fixture.metrics.keys_loaded.get() > 0);

    fixture.file("jwks", &jwks(&[&Signer::new("b")]));
    advance(REFRESH - Duration::from_secs(1)).await;
    settle().await;
    assert!(knows(&keys, "a"));
    advance(Duration::from_secs(1)).await;
    settle().await;
    assert!(knows(&keys, "b") && !knows(&keys, "a"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_has_them_read_again_at_most_every_ten_seconds() {
    let fixture = fixture();
    let path = fixture.file("jwks", &jwks(&[&Signer::new("a")]));
    let (keys, _task) = fixture.start(&url_of(&path)).await;
    fixture.file("jwks", &jwks(&[&Signer::new("b")]));
    for _ in 0..1000 {
        keys.wanted();
    }
    advance(LEAST_BETWEEN - Duration::from_secs(1)).await;
    settle().await;
    assert!(!knows(&keys, "b"));
    advance(Duration::from_secs(1)).await;
    settle().await;
    assert!(knows(&keys, "b"));

    fixture.file("jwks", &jwks(&[&Signer::new("c")]));
    keys.wanted();
    advance(Duration::from_secs(5)).await;
    settle().await;
    assert!(!knows(&keys, "c"));
    advance(Duration::from_secs(6)).await;
    settle().await;
    assert!(knows(&keys, "c"));
}

#[tokio::test(start_paused = true)]
async fn the_last_good_keys_stay_until_better_ones_come() {
    let fixture = fixture();
    let path = fixture.file("jwks", &jwks(&[&Signer::new("a")]));
    let (keys, _task) = fixture.start(&url_of(&path)).await;
    for bad in [
        "",
        "<html>",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct"}]}"#,
    ] {
        fixture.file("jwks", bad);
        advance(REFRESH).await;
        settle().await;
        assert!(knows(&keys, "a"), "{bad}");
        assert_eq!(fixture.degraded().len(), 1, "{bad}");
        assert!(fixture.health.is_ready());
    }
    assert!(fixture.metrics.key_failures.get() >= 4);
    fixture.file("jwks", &jwks(&[&Signer::new("b")]));
    advance(LAST_BACKOFF).await;
    settle().await;
    assert!(knows(&keys, "b"));
    assert_eq!(fixture.degraded(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_start_is_tried_for_ever_and_shown() {
    let fixture = fixture();
    let path = fixture.certificates.folder().join("later");
    let (keys, _task) = fixture.start(&url_of(&path)).await;
    assert!(!knows(&keys, "a"));
    let degraded = fixture.degraded();
    assert!(degraded[0].contains("Resident Key Manager"), "{degraded:?}");
    assert!(
        degraded[0].contains("cannot read the file: No such file"),
        "{degraded:?}"
    );
    for _ in 0..100 {
        advance(LAST_BACKOFF).await;
        settle().await;
    }
    fixture.file("later", &jwks(&[&Signer::new("a")]));
    advance(LAST_BACKOFF).await;
    settle().await;
    assert!(knows(&keys, "a"));
    assert_eq!(fixture.degraded(), [""; 0]);
}

#[tokio::test]
async fn certificates_are_read_when_the_process_starts() {
    let fixture = fixture();
    let path = fixture.file("signer.pem", &Signer::new("a").certificate());
    let by_path = TokenService {
        certificate_file_path: path.display().to_string(),
        jwks_url: String::new(),
        ..issuer("")
    };
    let by_alias = TokenService {
        certificate_alias: "signer".to_owned(),
        ..issuer("")
    };
    for service in [by_path, by_alias] {
        let (keys, _) = fixture.load(vec![service]).unwrap();
        assert!(knows(&keys, "anything"));
        assert!(fixture.health.is_ready());
    }
    let own = |name: &str| TokenService {
        name: name.to_owned(),
        issuer: ISSUER.to_owned(),
        certificate_file_path: path.display().to_string(),
        ..TokenService::default()
    };
    let (keys, _) = fixture
        .load(vec![own("APIM APIkey"), own("APIM Publisher")])
        .unwrap();
    assert!(
        keys.load().issuer(ISSUER).is_none(),
        "an API key's signer must not issue tokens"
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_a_wrong_configuration() {
    let fixture = fixture();
    let text = fixture.file("text.pem", "no certificate");
    let service = |path: &str, alias: &str| TokenService {
        certificate_file_path: path.to_owned(),
        certificate_alias: alias.to_owned(),
        ..issuer("")
    };
    for (service, reason) in [
        (
            service("/nowhere.pem", ""),
            "Resident Key Manager (/nowhere.pem): cannot read the file: No such file",
        ),
        (
            service(text.to_str().unwrap(), ""),
            "no PEM block `CERTIFICATE` or `PUBLIC KEY`",
        ),
        (
            service("", "gone"),
            "certificateAlias: \"gone\" names neither gone.pem nor gone.crt in",
        ),
    ] {
        let error = fixture.load(vec![service]).unwrap_err();
        assert_eq!(rescind_runtime::exit::code_for(&error), 2);
        let text = format!("{error:#}");
        assert!(text.contains(reason), "{text}");
    }
}

#[tokio::test]
async fn a_key_set_is_fetched_over_http() {
    let fixture = fixture();
    let served = jwks(&[&Signer::new("a")]);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let routes = Router::new()
        .route("/jwks", get(move || async move { served }))
        .route("/moved", get(|| async { Redirect::permanent("/jwks") }))
        .route("/gone", get(|| async { StatusCode::NOT_FOUND }))
        .route("/long", get(|| async { "x".repeat(2 * 1024 * 1024) }))
        .route(
            "/late",
            get(move || async move {
                counted.fetch_add(1, Ordering::Relaxed);
                StatusCode::SERVICE_UNAVAILABLE
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

    for path in ["jwks", "moved"] {
        let (keys, _task) = fixture.start(&format!("http://{address}/{path}")).await;
        assert!(knows(&keys, "a"), "{path}");
        assert_eq!(fixture.degraded(), [""; 0]);
    }
    for (path, reason) in [
        ("gone", "answered 404 Not Found, expected 200 OK"),
        ("long", "longer than 1048576 bytes"),
        ("late", "answered 503 Service Unavailable"),
    ] {
        let (keys, _task) = fixture.start(&format!("http://{address}/{path}")).await;
        assert!(!knows(&keys, "a"));
        assert!(
            fixture.degraded()[0].contains(reason),
            "{:?}",
            fixture.degraded()
        );
    }
    // Once, and perhaps again: it is tried again within a second.
    assert!(calls.load(Ordering::Relaxed) >= 1);
    server.abort();
    let _ = server.await;
    let (_, _task) = fixture.start(&format!("http://{address}/jwks")).await;
    assert!(
        fixture.degraded()[0].contains("Connection refused"),
        "{:?}",
        fixture.degraded()
    );
}

#[tokio::test]
async fn a_key_set_over_https_is_believed_only_from_a_trusted_server() {
    let fixture = fixture();
    let foreign = Certificates::new();
    for (certificates, believed) in [(&fixture.certificates, true), (&foreign, false)] {
        let (cert, key) = certificates.identity("standin");
        let tls = server_config(&Identity::new(cert, key), &ClientAuth::None, ALPN_HTTP).unwrap();
        let listener = TlsListener::bind("127.0.0.1", 0, tls).await.unwrap();
        let port = listener.local_addr().port();
        let served = jwks(&[&Signer::new("a")]);
        let routes = Router::new().route("/jwks", get(move || async move { served }));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let (keys, _task) = fixture
            .start(&format!("https://localhost:{port}/jwks"))
            .await;
        assert_eq!(knows(&keys, "a"), believed);
        let degraded = fixture.degraded();
        assert_eq!(degraded.is_empty(), believed, "{degraded:?}");
        if !believed {
            assert!(degraded[0].contains("certificate"), "{degraded:?}");
        }
        server.abort();
    }
}

#[tokio::test]
async fn without_token_services_there_is_nothing_to_wait_for() {
    let fixture = fixture();
    let (keys, loader) = fixture.load(Vec::new()).unwrap();
    assert!(fixture.health.is_ready());
    assert!(keys.load().issuer(ISSUER).is_none());
    let cancel = CancellationToken::new();
    let task = tokio::spawn(loader.run(cancel.clone()));
    settle().await;
    assert!(
        !task.is_finished(),
        "the loader must not end before it is told to"
    );
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_same_keys_read_again_are_the_same_key_set() {
    let fixture = fixture();
    let text = jwks(&[&Signer::new("a")]);
    let path = fixture.file("jwks", &text);
    let (keys, _task) = fixture.start(&url_of(&path)).await;
    let before = keys.load().clone();
    advance(REFRESH + Duration::from_secs(1)).await;
    settle().await;
    // What was verified with them stays known.
    assert!(Arc::ptr_eq(&before, &keys.load()));
    fixture.file("jwks", &format!("{text} "));
    advance(REFRESH + Duration::from_secs(1)).await;
    settle().await;
    assert!(!Arc::ptr_eq(&before, &keys.load()));
}

#[tokio::test]
async fn a_start_without_the_token_service_knows_the_keys_of_before() {
    let state = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let body = jwks(&[&Signer::new("a")]);
    let app = Router::new().route("/jwks", get(move || std::future::ready(body.clone())));
    let served = AbortOnDrop(tokio::spawn(async {
        axum::serve(listener, app).await.unwrap();
    }));
    let first = fixture();
    let (keys, loader) = first.load(vec![issuer(&url)]).unwrap();
    let loader = loader.kept_in(state.path());
    assert!(!first.health.is_ready() && !knows(&keys, "a"));
    let running = AbortOnDrop(tokio::spawn(loader.run(CancellationToken::new())));
    let written = async {
        while std::fs::read_dir(state.path()).unwrap().count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, written).await.unwrap();
    // The file takes its name when it is whole; ending the task does not end the writing.
    drop((running, served));
    let whole = async {
        while kept::read(state.path(), &url.parse().unwrap()).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, whole).await.unwrap();

    let second = fixture();
    let (keys, loader) = second.load(vec![issuer(&url)]).unwrap();
    assert!(!second.health.is_ready());
    let _loader = loader.kept_in(state.path());
    assert!(second.health.is_ready() && knows(&keys, "a"));
    assert!(second.metrics.keys_loaded.get() > 0);
    // Another token service's keys are not its own.
    let third = fixture();
    let (keys, loader) = third.load(vec![issuer("http://127.0.0.1:1/jwks")]).unwrap();
    let _loader = loader.kept_in(state.path());
    assert!(!third.health.is_ready() && !knows(&keys, "a"));
}
