//! A next enforcer behind: what reaches it, and what of its answers comes back.

use std::{
    convert::Infallible,
    sync::Mutex,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use rescind_authz::Lacking;
use rescind_carry::Upstream;
use rescind_proto::{
    envoy::{
        service::auth::v3::{DeniedHttpResponse, OkHttpResponse},
        r#type::v3::HttpStatus,
    },
    google::protobuf::{Struct, Value, value::Kind},
};
use rescind_runtime::tls::{
    ALPN_H2, ClientAuth, Identity, TlsListener, Trust, client_config, server_config,
};
use rustls_pki_types::ServerName;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status, server::NamedService, transport::Server};
use tower::Service;

use super::*;
use crate::{
    metrics::NextOutcome,
    next::{Link, Next},
    testing::{Certificates, reserved_port},
};

/// What the scripted one does with a call.
#[derive(Clone)]
enum Script {
    /// Answers with these bytes as the body and these trailers.
    Body(Bytes, &'static [(&'static str, &'static str)]),
    /// Ends the call with this status and nothing else.
    Fails(Code),
    /// Says nothing.
    Hangs,
}

/// One that was asked: headers and body of each call, oldest first.
#[derive(Clone)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl NamedService for Scripted {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl Service<http::Request<Body>> for Scripted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let scripted = self.clone();
        Box::pin(async move {
            assert_eq!(request.uri().path(), CHECK);
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            scripted.asked.lock().unwrap().push((head.headers, body));
            let script = scripted.script.lock().unwrap().clone();
            Ok(match script {
                Script::Hangs => std::future::pending().await,
                Script::Fails(code) => Status::new(code, "scripted").into_http(),
                Script::Body(body, trailers) => {
                    let mut headers = HeaderMap::new();
                    headers.insert("content-type", grpc::GRPC);
                    headers.insert("x-next", HeaderValue::from_static("header"));
                    let trailers = trailers.iter().map(|(name, value)| {
                        let value = HeaderValue::from_static(value);
                        (http::HeaderName::from_static(name), value)
                    });
                    grpc::reply_with(headers, body, trailers.collect())
                }
            })
        })
    }
}

const GOOD: &[(&str, &str)] = &[("grpc-status", "0"), ("x-next-trailer", "trailer")];

/// A check enforcer before a scripted one.
struct Pair {
    checks: Checks,
    next: Next,
    metrics: Metrics,
    health: Health,
    signer: Signer,
    scripted: Scripted,
    certificates: Certificates,
    port: u16,
    server: Option<(DropGuard, JoinHandle<()>)>,
}

impl Pair {
    /// Revocation alone is decided here.
    async fn start() -> Self {
        let names = CredentialNames::default();
        Self::with(Policy::new(names, Verification::RevocationOnly, false)).await
    }

    async fn with(policy: Policy) -> Self {
        let mut pair = Self::alone(policy).await;
        pair.serve().await;
        pair
    }

    /// The next is not there yet.
    async fn alone(policy: Policy) -> Self {
        let fixture = with_policy(policy);
        fixture.readiness.complete();
        fixture.age.current();
        let certificates = Certificates::new();
        let (cert, key) = certificates.identity("front");
        let trust = Trust::load(certificates.ca()).unwrap();
        let tls = client_config(&trust, Some(&Identity::new(cert, key)), ALPN_H2).unwrap();
        let port = reserved_port();
        let name = ServerName::try_from("enforcer").unwrap();
        let link = Link::new(Upstream::new(format!("127.0.0.1:{port}"), name, tls));
        let health = Health::new();
        let (metrics, limit) = (fixture.metrics.clone(), Duration::from_secs(15));
        let next = Next::new(link.unwrap(), limit, health.clone(), metrics);
        Self {
            checks: fixture.checks.before(Some(next.clone())),
            next,
            metrics: fixture.metrics,
            health,
            signer: fixture.signer,
            scripted: Scripted {
                script: Arc::new(Mutex::new(Script::Hangs)),
                asked: Arc::default(),
            },
            certificates,
            port,
            server: None,
        }
    }

    async fn serve(&mut self) {
        let (cert, key) = self.certificates.identity("enforcer");
        let trust = ClientAuth::Required(Trust::load(self.certificates.ca()).unwrap());
        let config = server_config(&Identity::new(cert, key), &trust, ALPN_H2).unwrap();
        let bind = || TlsListener::bind("127.0.0.1", self.port, config.clone());
        // One that was there before needs a moment to be gone.
        let bound = async {
            loop {
                match bind().await {
                    Ok(listener) => break listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        let patience = Duration::from_secs(60);
        let listener = tokio::time::timeout(patience, bound).await.unwrap();
        let scripted = self.scripted.clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            let serving = Server::builder()
                .add_service(scripted)
                .serve_with_incoming_shutdown(listener, stopped);
            serving.await.unwrap();
        });
        self.server = Some((stop.drop_guard(), server));
    }

    /// Its connections end too.
    async fn stop(&mut self) {
        let (stop, server) = self.server.take().unwrap();
        drop(stop);
        server.await.unwrap();
    }

    fn script(&self, script: Script) {
        *self.scripted.script.lock().unwrap() = script;
    }

    /// The next answers with this message.
    fn answers(&self, response: &[u8]) {
        let body = grpc::body(0, |out| out.extend_from_slice(response));
        self.script(Script::Body(body, GOOD));
    }

    fn asked(&self) -> Vec<(HeaderMap, Bytes)> {
        std::mem::take(&mut self.scripted.asked.lock().unwrap())
    }

    async fn call(&self, headers: &HeaderMap, check: &CheckRequest) -> Called {
        let body = grpc::body(0, |out| check.encode(out).unwrap());
        let (head, body) = self.checks.serve(headers, body, NOW).await.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap();
        let message = grpc::message(&body.to_bytes()).unwrap().to_vec();
        Called {
            headers: head.headers,
            response: CheckResponse::decode(&*message).unwrap(),
            message,
            trailers,
        }
    }

    async fn check(&self, check: &CheckRequest) -> CheckResponse {
        self.call(&HeaderMap::new(), check).await.response
    }

    fn token(&self, jti: &str) -> CheckRequest {
        bearer(&self.signer.token(&format!(r#""jti":"{jti}","iat":1"#)))
    }
}

struct Called {
    headers: HeaderMap,
    message: Vec<u8>,
    response: CheckResponse,
    trailers: HeaderMap,
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

fn fields(entries: &[(&str, &str)]) -> Struct {
    let entries = entries.iter();
    Struct {
        fields: entries
            .map(|(key, value)| ((*key).to_owned(), text(value)))
            .collect(),
    }
}

fn allowed(metadata: Option<Struct>) -> CheckResponse {
    CheckResponse {
        status: Some(Default::default()),
        http_response: Some(HttpResponse::OkResponse(OkHttpResponse {
            headers_to_remove: vec!["authorization".to_owned()],
            ..OkHttpResponse::default()
        })),
        dynamic_metadata: metadata,
    }
}

const MOMENT: Duration = Duration::from_millis(1);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, future)
        .await
        .expect("did not come")
}

/// Behind Choreo Connect's router the original picks the cluster, and answers `OPTIONS`.
#[tokio::test]
async fn what_the_router_wants_is_left_to_the_next() {
    let pair = Pair::start().await;
    let response = allowed(None);
    pair.answers(&response.encode_to_vec());
    let route = &[("prodClusterName", "p"), ("method", "GET")];
    for method in ["GET", "OPTIONS"] {
        let check = with(pair.token("good"), method, route);
        let answer = pair.check(&check).await;
        assert_eq!(answer.http_response, response.http_response, "{method}");
        let [(_, body)] = &pair.asked()[..] else {
            panic!("asked once");
        };
        assert_eq!(grpc::message(body), Some(&*check.encode_to_vec()));
    }
}

/// A connection that is told to go away while a check waits on it takes no other, and gives back what it has not sent.
#[tokio::test]
async fn a_check_that_meets_a_leaving_connection_goes_over_another_one() {
    let mut pair = Pair::start().await;
    let waiting = {
        let (next, check) = (pair.next.clone(), pair.token("waiting"));
        let body = grpc::body(0, |out| check.encode(out).unwrap());
        tokio::spawn(async move { next.ask(&HeaderMap::new(), body).await })
    };
    soon(async {
        while pair.asked().is_empty() {
            tokio::time::sleep(MOMENT).await
        }
    })
    .await;
    pair.answers(&allowed(None).encode_to_vec());

    // The old server takes no connections, and the port is free for the new one.
    let (stop, old) = pair.server.take().unwrap();
    drop(stop);
    let script = pair.scripted.script.lock().unwrap().clone();
    pair.scripted = Scripted {
        script: Arc::new(Mutex::new(script)),
        asked: Arc::default(),
    };
    pair.serve().await;
    // Until the leave has arrived the old one answers.
    soon(async {
        while pair.asked().is_empty() {
            let response = pair.check(&pair.token("good")).await;
            let allowed = matches!(response.http_response, Some(HttpResponse::OkResponse(_)));
            assert!(allowed, "{response:?}");
        }
    })
    .await;
    assert!(!old.is_finished() && !waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn what_is_not_refused_goes_on_as_it_came() {
    let pair = Pair::start().await;
    pair.answers(&allowed(None).encode_to_vec());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "2000m"),
        ("grpc-accept-encoding", "gzip"),
        ("user-agent", "envoy"),
        ("x-request-id", "7"),
        ("x-envoy-internal", "true"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.append("x-twice", HeaderValue::from_static("a"));
    headers.append("x-twice", HeaderValue::from_static("b"));
    let mut check = pair.token("good");
    let attributes = check.attributes.as_mut().unwrap();
    attributes.context_extensions = [("prodClusterName".to_owned(), "a".to_owned())].into();
    // A field that nobody here knows.
    let mut unknown = check.encode_to_vec();
    unknown.extend_from_slice(&[0xa2, 0x06, 3, b'n', b'e', b'w']);
    let body = grpc::body(0, |out| out.extend_from_slice(&unknown));
    pair.checks.serve(&headers, body.clone(), NOW).await;

    let [(seen, sent)] = &pair.asked()[..] else {
        panic!("asked once");
    };
    assert_eq!(*sent, body);
    for (name, value) in [
        ("content-type", Some("application/grpc")),
        ("te", Some("trailers")),
        ("grpc-timeout", Some("1800m")),
        ("grpc-accept-encoding", None),
        ("content-length", None),
        ("user-agent", Some("envoy")),
        ("x-request-id", Some("7")),
        ("x-envoy-internal", Some("true")),
    ] {
        let seen = seen.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(seen, value, "{name}");
    }
    assert_eq!(seen.get_all("x-twice").iter().count(), 2);
}

#[tokio::test]
async fn an_answer_goes_back_as_it_came_with_our_metadata_behind() {
    let pair = Pair::start().await;
    let theirs = fields(&[("originalPath", "/pets"), ("rescind_version", "spoofed")]);
    let denied = CheckResponse {
        status: Some(rescind_proto::google::rpc::Status {
            code: 13,
            ..Default::default()
        }),
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus { code: 204 }),
            body: "mocked".to_owned(),
            ..DeniedHttpResponse::default()
        })),
        dynamic_metadata: None,
    };
    let unknown = [0xa2, 0x06, 3, b'n', b'e', b'w'];
    for response in [
        allowed(Some(theirs.clone())).encode_to_vec(),
        allowed(None).encode_to_vec(),
        denied.encode_to_vec(),
        [&unknown[..], &allowed(Some(theirs)).encode_to_vec()].concat(),
        Vec::new(),
    ] {
        pair.answers(&response);
        let called = pair.call(&HeaderMap::new(), &pair.token("good")).await;
        assert!(called.message.starts_with(&response));
        assert_eq!(called.headers["x-next"], "header");
        assert_eq!(called.trailers["grpc-status"], "0");
        assert_eq!(called.trailers["x-next-trailer"], "trailer");
        let before = CheckResponse::decode(&*response).unwrap();
        assert_eq!(called.response.http_response, before.http_response);
        assert_eq!(called.response.status, before.status);
        let mut expected = before.dynamic_metadata.unwrap_or_default().fields;
        expected.extend(
            fields(&[
                ("rescind_version", "7-0a0b0c0d"),
                ("rescind_reason", "ok"),
                ("rescind_credential", "jwt"),
                ("rescind_age", "0"),
            ])
            .fields,
        );
        let found = called.response.dynamic_metadata.unwrap().fields;
        assert_eq!(found, expected);
    }
    assert_eq!(pair.metrics.next_calls(NextOutcome::Answered), 5);
}

#[tokio::test]
async fn what_is_refused_never_reaches_it() {
    let pair = Pair::start().await;
    pair.answers(&allowed(None).encode_to_vec());
    let response = pair.check(&pair.token("revoked")).await;
    assert_eq!(seen(&response), (401, Answer::InvalidJwt.body()));
    let response = pair.check(&CheckRequest::default()).await;
    assert_eq!(metadata(&response, "rescind_reason"), Some("bad_check"));
    // A revoked key beside a good token, an opaque revoked one.
    let token = format!("Bearer {}", pair.signer.token(r#""jti":"good""#));
    let request = check("/?apikey=revoked", &[("authorization", &token)]);
    assert_eq!(seen(&pair.check(&request).await).0, 401);
    let many = ["Bearer a.b.c"; 17].join(",");
    let request = check("/", &[("authorization", &many)]);
    let response = pair.check(&request).await;
    let reason = metadata(&response, "rescind_reason");
    assert_eq!(reason, Some("too_many_credentials"));
    assert!(pair.asked().is_empty());
    // Nothing that is no check, however it comes.
    for body in [&b""[..], b"\x01\0\0\0\0", b"\0\0\0\0\x02\x0a\xff"] {
        let body = Bytes::from_static(body);
        let reply = pair.checks.serve(&HeaderMap::new(), body, NOW).await;
        let reply = reply.into_body().collect().await.unwrap().to_bytes();
        let response = CheckResponse::decode(grpc::message(&reply).unwrap()).unwrap();
        assert_eq!(metadata(&response, "rescind_reason"), Some("bad_check"));
    }
    assert!(pair.asked().is_empty());
}

#[tokio::test]
async fn everything_but_revocation_is_left_to_it() {
    let pair = Pair::start().await;
    pair.answers(&allowed(None).encode_to_vec());
    let forged = Signer::new("a").token(r#""jti":"good""#);
    let foreign = Signer::new("b").token(r#""jti":"good""#);
    let early = pair.signer.token(r#""jti":"good","nbf":9999999999"#);
    let requests = [
        bearer(&forged),
        bearer(&foreign),
        bearer(&early),
        bearer("not.a.jwt"),
        bearer("opaque"),
        check("/", &[]),
        check("/?apikey=x.y.z", &[]),
        check("/", &[("authorization", "Basic YTpi")]),
        check("/", &[("internal-key", "a.b.c")]),
    ];
    for request in &requests {
        assert_eq!(seen(&pair.check(request).await), (200, ""));
    }
    assert_eq!(pair.asked().len(), requests.len());
}

#[tokio::test]
async fn claims_that_revocation_needs_are_demanded_all_the_same() {
    let policy = Policy::new(
        CredentialNames::default(),
        Verification::RevocationOnly,
        false,
    );
    let pair = Pair::with(policy.with_required(Lacking::AZP)).await;
    pair.answers(&allowed(None).encode_to_vec());
    let response = pair.check(&pair.token("good")).await;
    let reason = metadata(&response, "rescind_reason");
    assert_eq!(reason, Some("missing_claim"));
    assert!(pair.asked().is_empty());
    let with = bearer(&pair.signer.token(r#""jti":"good","azp":"app""#));
    for request in [with, check("/", &[]), check("/?apikey=x.y.z", &[])] {
        assert_eq!(seen(&pair.check(&request).await), (200, ""));
    }
}

#[tokio::test]
async fn where_it_is_told_to_it_verifies_what_is_there() {
    let policy = Policy::new(CredentialNames::default(), Verification::Full, false);
    let pair = Pair::with(policy.with_missing_allowed(true)).await;
    pair.answers(&allowed(None).encode_to_vec());
    let forged = Signer::new("a").token(r#""jti":"good""#);
    assert_eq!(seen(&pair.check(&bearer(&forged)).await).0, 401);
    assert!(pair.asked().is_empty());
    for request in [pair.token("good"), check("/", &[])] {
        assert_eq!(seen(&pair.check(&request).await), (200, ""));
    }
    assert_eq!(pair.asked().len(), 2);
}

/// What the router needs is in it, and nothing of what it would have been.
fn assert_silent(response: &CheckResponse, reason: &str) {
    assert_eq!(seen(response), (503, Answer::NextSilent.body()));
    for (key, value) in [
        ("choreo-connect-enforcer-reply", Some("Ok")),
        ("correlationID", Some("request-7")),
        ("rescind_reason", Some(reason)),
        ("rescind_version", Some("7-0a0b0c0d")),
        ("rescind_credential", Some("jwt")),
        ("originalPath", None),
    ] {
        assert_eq!(metadata(response, key), value, "{key}");
    }
}

#[tokio::test]
async fn an_error_or_no_answer_at_all_refuses() {
    let pair = Pair::start().await;
    let good = allowed(None).encode_to_vec();
    let framed = |message: &[u8]| grpc::body(0, |out| out.extend_from_slice(message));
    let mut compressed = framed(&good).to_vec();
    compressed[0] = 1;
    let twice = [framed(&good), framed(&good)].concat();
    let cut = &good[..good.len() - 1];
    for script in [
        Script::Fails(Code::Unavailable),
        Script::Fails(Code::Unknown),
        Script::Body(framed(&good), &[("grpc-status", "13")]),
        Script::Body(framed(&good), &[]),
        Script::Body(compressed.into(), GOOD),
        Script::Body(twice.into(), GOOD),
        Script::Body(framed(cut), GOOD),
        Script::Body(Bytes::new(), GOOD),
        Script::Body(framed(&vec![0; 5 * 1024 * 1024]), GOOD),
    ] {
        pair.script(script);
        assert_silent(&pair.check(&pair.token("good")).await, "next_failed");
    }
    assert_eq!(pair.metrics.next_calls(NextOutcome::Failed), 9);
    assert_eq!(pair.health.report().degraded.len(), 1);
    assert!(pair.health.is_ready());
    // What is revoked is told so all the same.
    let response = pair.check(&pair.token("revoked")).await;
    assert_eq!(seen(&response), (401, Answer::InvalidJwt.body()));
}

#[tokio::test]
async fn a_late_answer_refuses_before_the_caller_has_lost_patience() {
    let pair = Pair::start().await;
    let mut headers = HeaderMap::new();
    headers.insert("grpc-timeout", HeaderValue::from_static("200m"));
    let began = std::time::Instant::now();
    let called = pair.call(&headers, &pair.token("good")).await;
    assert!(began.elapsed() >= Duration::from_millis(180));
    assert_silent(&called.response, "next_late");
    assert_eq!(pair.metrics.next_calls(NextOutcome::Late), 1);
}

#[tokio::test]
async fn one_that_is_not_there_refuses_and_is_used_when_it_comes() {
    let policy = Policy::new(
        CredentialNames::default(),
        Verification::RevocationOnly,
        false,
    );
    let mut pair = Pair::alone(policy).await;
    pair.answers(&allowed(None).encode_to_vec());
    assert_silent(&pair.check(&pair.token("good")).await, "next_unavailable");
    assert_eq!(pair.metrics.next_answers.get(), 0);
    let until = async |pair: &Pair, status: i32| {
        let asking = async {
            while seen(&pair.check(&pair.token("good")).await).0 != status {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, asking).await.unwrap();
    };
    pair.serve().await;
    until(&pair, 200).await;
    pair.stop().await;
    until(&pair, 503).await;
    pair.serve().await;
    until(&pair, 200).await;
}

#[tokio::test]
async fn one_of_another_ca_is_not_asked() {
    let names = CredentialNames::default();
    let mut pair = Pair::alone(Policy::new(names, Verification::RevocationOnly, false)).await;
    // Another CA.
    pair.certificates = Certificates::new();
    pair.serve().await;
    pair.answers(&allowed(None).encode_to_vec());
    assert_silent(&pair.check(&pair.token("good")).await, "next_unavailable");
    assert!(pair.asked().is_empty());
}

#[tokio::test]
async fn more_calls_than_it_can_take_are_refused() {
    let pair = Pair::start().await;
    pair.answers(&allowed(None).encode_to_vec());
    let places = pair.next.take_all_places();
    assert_silent(&pair.check(&pair.token("good")).await, "next_unavailable");
    assert_eq!(pair.metrics.next_calls(NextOutcome::Busy), 1);
    drop(places);
    assert_eq!(seen(&pair.check(&pair.token("good")).await), (200, ""));
}
