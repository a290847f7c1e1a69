//! Metadata of carried calls: more than a server usually takes, too much, and what comes back.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, authorization_client::AuthorizationClient,
};
use rescind_runtime::tls::TlsStream;
use tonic::{
    body::Body,
    codegen::http::{HeaderMap, Request, Response},
};
use tower::ServiceExt as _;

use super::*;

#[tokio::test]
async fn a_call_with_much_metadata_is_carried_as_any_other() {
    tls::install_crypto_provider();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let mut config = config(&authority, &directory);
    // Nobody listens there, and who carries says so.
    let (_held, port) = reserved();
    config.adapter.xds.passthrough.address = format!("127.0.0.1:{port}");
    config.adapter.xds.passthrough.server_name = "localhost".into();
    let app = App::build(config).await.unwrap();
    let (addresses, token) = (app.addresses(), app.token());
    let running = tokio::spawn(app.run());
    let mut client = AuthorizationClient::new(channel(&authority, addresses.xds).await);
    let call = |size: usize| {
        let mut request = tonic::Request::new(CheckRequest::default());
        let value = "x".repeat(size).parse().unwrap();
        request.metadata_mut().insert("x-long", value);
        request
    };
    for size in [100, 15_000, 40_000, 60_000] {
        let refused = client.check(call(size)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{size}: {refused}");
        let carried = refused.message().contains("the original is away");
        assert!(carried, "{size}: {refused}");
    }
    // Each call on the port may bring so much, also one that is not carried.
    for size in [70_000, 500_000] {
        let refused = client.check(call(size)).await.unwrap_err();
        let carried = refused.message().contains("the original is away");
        assert!(!carried, "{size}: {refused}");
    }
    let carried = client.check(call(100)).await.unwrap_err();
    assert_eq!(carried.code(), Code::Unavailable, "{carried}");
    token.cancel();
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
}

/// An original that answers `/original.Service/Answer`, and refuses all else in one block of headers. What it says has no
/// `date`, as grpc-go's answers have none.
async fn original(authority: &Authority) -> SocketAddr {
    let (cert, key) = authority.identity("original");
    let trust = tls::Trust::load(authority.ca()).unwrap();
    let identity = tls::Identity::new(cert, key);
    let required = tls::ClientAuth::Required(trust);
    let tls = tls::server_config(&identity, &required, tls::ALPN_H2).unwrap();
    let mut listener = TlsListener::bind("127.0.0.1", 0, tls).await.unwrap();
    let address = listener.local_addr();
    tokio::spawn(async move {
        while let Some(Ok(connection)) = listener.next().await {
            tokio::spawn(answer(connection));
        }
    });
    address
}

async fn answer(connection: TlsStream) {
    let mut connection = h2::server::handshake(connection).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let head = |headers: &[_]| {
            let mut response = Response::new(());
            *response.headers_mut() = headers_of(headers);
            response
        };
        if request.uri().path() == "/original.Service/Answer" {
            let mut body = respond.send_response(head(HEADERS), false).unwrap();
            body.send_data(Bytes::from_static(b"answer"), false)
                .unwrap();
            body.send_trailers(headers_of(TRAILERS)).unwrap();
        } else {
            respond.send_response(head(REFUSAL), true).unwrap();
        }
    }
}

const HEADERS: &[(&str, &str)] = &[
    ("content-type", "application/grpc+proto"),
    ("x-of-theirs", "one"),
    ("x-of-theirs", "two"),
];
const TRAILERS: &[(&str, &str)] = &[("grpc-status", "0"), ("x-end-bin", "/w==")];
const REFUSAL: &[(&str, &str)] = &[
    ("content-type", "application/grpc"),
    ("grpc-message", "not here"),
    ("grpc-status", "12"),
];

fn headers_of(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[tokio::test]
async fn an_answer_is_carried_with_the_headers_of_the_original_and_no_other() {
    tls::install_crypto_provider();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let mut config = config(&authority, &directory);
    config.adapter.xds.passthrough.address = original(&authority).await.to_string();
    config.adapter.xds.passthrough.server_name = "localhost".into();
    let app = App::build(config).await.unwrap();
    let (addresses, token) = (app.addresses(), app.token());
    let running = tokio::spawn(app.run());
    let channel = channel(&authority, addresses.xds).await;
    for (method, headers, trailers) in [
        ("Answer", HEADERS, Some(TRAILERS)),
        ("Unknown", REFUSAL, None),
    ] {
        let request = Request::post(format!("/original.Service/{method}"));
        let request = request.body(Body::empty()).unwrap();
        let answer = soon(channel.clone().oneshot(request)).await.unwrap();
        let (head, body) = answer.into_parts();
        assert_eq!(head.headers, headers_of(headers), "{method}");
        let body = soon(body.collect()).await.unwrap();
        let trailers = trailers.map(headers_of);
        assert_eq!(body.trailers(), trailers.as_ref(), "{method}");
    }
    token.cancel();
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
}
