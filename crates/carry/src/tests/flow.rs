//! Who does not read holds up nobody else.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::{
    net::TcpListener,
    time::{Duration, timeout},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tower::{ServiceExt as _, service_fn};

use super::{
    Original, World,
    caller::Caller,
    original::{Call, echo, send},
    soon,
};
use crate::{GrpcCarry, STREAM_WINDOW, Settings, front::room};

/// As many calls as are carried at once.
const CALLS: u32 = 8;

/// A server that carries, and answers by itself what says that it is its own.
async fn front(carry: GrpcCarry) -> Caller {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = service_fn(move |request: http::Request<Body>| {
        let carry = carry.clone();
        async move {
            if !request.headers().contains_key("x-own") {
                let carried = carry.oneshot(request).await;
                return carried.map(|answer| answer.map(Body::new));
            }
            let read = request.into_body().collect().await.unwrap().to_bytes();
            let mut answer = http::Response::new(Body::empty());
            let headers = answer.headers_mut();
            headers.insert("grpc-status", "0".parse().unwrap());
            headers.insert("x-read", read.len().into());
            Ok::<_, Infallible>(answer)
        }
    });
    let server = tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(room(CALLS))
        .serve_with_incoming(serve, TcpListenerStream::new(listener));
    tokio::spawn(async move { server.await.unwrap() });
    Caller::connect(address).await
}

#[tokio::test]
async fn as_many_stuck_calls_as_are_carried_leave_room_for_what_is_not() {
    let original = Original::start(by_header).await;
    let settings = Settings {
        max_calls: CALLS as usize,
        ..Settings::default()
    };
    let carry = GrpcCarry::new(&original.upstream(), settings, Default::default()).unwrap();
    let caller = front(carry).await;
    let mut stuck = Vec::new();
    for _ in 0..CALLS {
        let mut call = caller.call(&[("x-deaf", "1")]).await;
        let flood = send(&mut call.requests, vec![0; 1_000_000].into());
        assert!(timeout(Duration::from_millis(300), flood).await.is_err());
        stuck.push(call);
    }
    for _ in 0..100 {
        let mut own = caller.call(&[("x-own", "1")]).await;
        own.requests.send_data("an ACK".into(), true).unwrap();
        let answered = own.answered().await;
        assert_eq!(answered.head.headers()["x-read"], "6");
    }
    drop(stuck);
}

/// Never reads and never ends, or floods, or echoes.
async fn by_header(mut call: Call) {
    if call.head.headers().contains_key("x-deaf") {
        let _answer = call.begin();
        std::future::pending::<()>().await;
    } else if call.head.headers().contains_key("x-flood") {
        let mut answer = call.begin();
        while send(&mut answer, vec![0; 100_000].into()).await {}
    } else {
        echo(call).await;
    }
}

#[tokio::test]
async fn fifty_calls_that_nobody_reads_leave_the_others_on_the_same_connections_alone() {
    let original = Original::start(by_header).await;
    let world = World::to(&original).await;
    let mut stuck = Vec::new();
    for _ in 0..50 {
        let mut call = world.caller.call(&[("x-deaf", "1")]).await;
        // As much as the front takes of it, and no reading.
        let flood = send(&mut call.requests, vec![0; 1_000_000].into());
        assert!(timeout(Duration::from_millis(10), flood).await.is_err());
        stuck.push(call);
    }
    for _ in 0..5 {
        let call = world.caller.call(&[("x-flood", "1")]).await;
        stuck.push(call);
    }
    for _ in 0..100 {
        let answered = world.caller.unary(b"hello").await;
        assert_eq!((&*answered.data, answered.status()), (&b"hello"[..], "0"));
    }
    drop(stuck);
}

#[tokio::test]
async fn a_slow_reader_slows_the_original_down_and_loses_nothing() {
    let original = Original::start(|mut call| async move {
        let mut answer = call.begin();
        let sent = send(&mut answer, vec![7; 5_000_000].into()).await;
        assert!(sent);
        answer
            .send_trailers(super::original::trailers("0"))
            .unwrap();
    })
    .await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data(Bytes::new(), true).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    let mut read = 0;
    while let Some(data) = soon(body.data()).await {
        read += data.unwrap().len();
        // Rooms are given back late and all at once.
        if body.flow_control().available_capacity() < 8192 {
            tokio::task::yield_now().await;
            let held = body.flow_control().used_capacity();
            body.flow_control().release_capacity(held).unwrap();
        }
    }
    assert_eq!(read, 5_000_000);
    let end = soon(body.trailers()).await.unwrap().unwrap();
    assert_eq!(end["grpc-status"], "0");
}
