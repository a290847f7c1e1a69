//! What passes, and as what.

use bytes::Bytes;
use http::Response;
use tokio::sync::mpsc;

use super::{
    Original, World,
    caller::read,
    original::{Listening, echo, send, trailers},
    soon,
};

#[tokio::test]
async fn a_unary_call_passes_with_its_metadata_and_its_trailers() {
    let (seen_tx, mut seen) = mpsc::unbounded_channel();
    let original = Original::start(move |mut call| {
        let seen = seen_tx.clone();
        async move {
            let data = call.all().await;
            seen.send((call.head, data)).unwrap();
            let response = Response::builder()
                .header("content-type", "application/grpc+proto")
                .header("x-head-bin", "AAEC");
            let response = response.body(()).unwrap();
            let mut answer = call.respond.send_response(response, false).unwrap();
            answer
                .send_data(Bytes::from_static(b"answer"), false)
                .unwrap();
            let mut end = trailers("0");
            end.insert("x-end-bin", "/w==".parse().unwrap());
            answer.send_trailers(end).unwrap();
        }
    })
    .await;
    let world = World::to(&original).await;
    let headers = [
        ("x-text", "one"),
        ("x-text", "two"),
        ("x-key-bin", "AP8="),
        ("grpc-timeout", "60S"),
        ("grpc-encoding", "gzip"),
        ("user-agent", "grpc-java-netty/1.45.1"),
    ];
    let mut call = world.caller.call(&headers).await;
    call.requests.send_data("question".into(), true).unwrap();
    let answered = call.answered().await;

    let (head, data) = soon(seen.recv()).await.unwrap();
    assert_eq!(data, b"question");
    assert_eq!(
        head.uri().to_string(),
        "https://adapter:18000/test.Service/Method"
    );
    for (name, value) in &headers[1..] {
        let values: Vec<_> = head.headers().get_all(*name).iter().collect();
        assert!(
            values.iter().any(|found| found == value),
            "{name} {values:?}"
        );
    }
    assert_eq!(head.headers().get_all("x-text").iter().count(), 2);
    assert_eq!(head.headers()["te"], "trailers");

    assert_eq!(answered.head.headers()["x-head-bin"], "AAEC");
    assert_eq!(
        answered.head.headers()["content-type"],
        "application/grpc+proto"
    );
    assert_eq!(answered.data, b"answer");
    assert_eq!(answered.trailers.as_ref().unwrap()["x-end-bin"], "/w==");
    assert_eq!(answered.status(), "0");
}

#[tokio::test]
async fn a_thousand_messages_go_both_ways_one_after_the_other() {
    let original = Original::start(echo).await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("first".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "first");
    for number in 0..1000_u32 {
        let message = Bytes::copy_from_slice(&number.to_be_bytes());
        call.requests.send_data(message.clone(), false).unwrap();
        let data = soon(body.data()).await.unwrap().unwrap();
        assert_eq!(data, message);
        let _ = body.flow_control().release_capacity(data.len());
    }
    call.requests.send_data(Bytes::new(), true).unwrap();
    let (rest, end) = read(body).await;
    assert!(rest.is_empty());
    assert_eq!(end.unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn twenty_megabytes_go_both_ways_unchanged() {
    let original = Original::start(echo).await;
    let world = World::to(&original).await;
    let sent: Vec<u8> = (0..20_000_000_u32).map(|at| (at % 251) as u8).collect();
    let call = world.caller.call(&[]).await;
    let (mut requests, response) = (call.requests, call.response);
    let message = Bytes::from(sent.clone());
    let upload = tokio::spawn(async move {
        assert!(send(&mut requests, message).await);
        requests.send_data(Bytes::new(), true).unwrap();
    });
    let (data, end) = read(soon(response).await.unwrap().into_body()).await;
    soon(upload).await.unwrap();
    assert_eq!(end.unwrap()["grpc-status"], "0");
    assert!(data == sent);
}

#[tokio::test]
async fn an_error_without_a_message_stays_one_block_of_headers() {
    let original = Original::start(|mut call| async move {
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "7")
            .header("grpc-message", "not you")
            .header("x-why-bin", "AAEC");
        let response = response.body(()).unwrap();
        call.respond.send_response(response, true).unwrap();
    })
    .await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("question".into(), true).unwrap();
    let response = soon(call.response).await.unwrap();
    assert!(response.body().is_end_stream());
    assert_eq!(response.headers()["grpc-status"], "7");
    assert_eq!(response.headers()["grpc-message"], "not you");
    assert_eq!(response.headers()["x-why-bin"], "AAEC");
}

#[tokio::test]
async fn it_speaks_tls_1_2_and_1_3() {
    const EACH: [&[&rustls::SupportedProtocolVersion]; 2] =
        [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];
    for versions in EACH {
        let listening = Listening {
            versions,
            ..Listening::default()
        };
        let original = listening.start(echo).await;
        let world = World::to(&original).await;
        assert_eq!(world.caller.unary(b"hello").await.data, b"hello");
    }
}

#[tokio::test]
async fn where_a_connection_takes_few_calls_there_are_several() {
    let listening = Listening {
        max_streams: 10,
        ..Listening::default()
    };
    let original = listening.start(echo).await;
    let world = World::to(&original).await;
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut call = world.caller.call(&[]).await;
        call.requests.send_data("x".into(), false).unwrap();
        open.push(call);
    }
    let mut answers = Vec::new();
    for call in open {
        let mut body = soon(call.response).await.unwrap().into_body();
        assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
        answers.push((call.requests, body));
    }
    // All hundred are open at once. Their places are given back.
    for (mut requests, body) in answers {
        requests.send_data(Bytes::new(), true).unwrap();
        assert_eq!(read(body).await.1.unwrap()["grpc-status"], "0");
    }
    for _ in 0..100 {
        assert_eq!(world.caller.unary(b"y").await.status(), "0");
    }
}

#[tokio::test]
async fn a_thousand_calls_at_once() {
    let original = Original::start(echo).await;
    let world = World::to(&original).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let caller = world.caller.clone();
        calls.spawn(async move { caller.unary(b"hello").await });
    }
    let answered = soon(calls.join_all()).await;
    assert!(answered.iter().all(|answered| answered.data == b"hello"));
}
