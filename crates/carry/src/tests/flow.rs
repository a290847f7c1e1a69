//! Who does not read holds up nobody else.

use bytes::Bytes;
use tokio::time::{Duration, timeout};

use super::{
    Original, World,
    original::{Call, echo, send},
    soon,
};

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
