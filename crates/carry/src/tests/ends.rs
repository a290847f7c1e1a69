//! How calls end: cancellation, resets, deadlines, and the OK that is not believed.

use std::{convert::Infallible, future::poll_fn};

use bytes::Bytes;
use futures_util::stream;
use h2::Reason;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::StreamBody;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use tower::Service as _;

use super::{
    Original, World,
    original::{Call, echo, send, trailers},
    soon,
};
use crate::{
    Busy, Caller, GrpcBody, GrpcCarry, Metrics, Settings,
    body::{GRACE, doubted},
    upload::Upload,
};

/// Says with which reason each call was reset.
fn tells_resets(
    told: mpsc::UnboundedSender<Reason>,
    reads: bool,
) -> impl Fn(Call) -> futures_util::future::BoxFuture<'static, ()> + Clone {
    move |mut call| {
        let told = told.clone();
        Box::pin(async move {
            let mut answer = call.begin();
            send(&mut answer, Bytes::from_static(b"begun")).await;
            if reads {
                while call.data().await.is_some() {}
            }
            let reset = poll_fn(|context| answer.poll_reset(context));
            told.send(reset.await.unwrap()).unwrap();
        })
    }
}

#[tokio::test]
async fn a_caller_that_cancels_cancels_the_call_at_the_original() {
    let (told, mut resets) = mpsc::unbounded_channel();
    let original = Original::start(tells_resets(told, true)).await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "begun");
    call.requests.send_reset(Reason::CANCEL);
    assert_eq!(soon(resets.recv()).await, Some(Reason::CANCEL));

    // Also after its own half has ended.
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), true).unwrap();
    let body = soon(call.response).await.unwrap().into_body();
    call.requests.send_reset(Reason::CANCEL);
    drop(body);
    assert_eq!(soon(resets.recv()).await, Some(Reason::CANCEL));
}

#[tokio::test]
async fn a_caller_can_cancel_what_the_original_does_not_read() {
    let (told, mut resets) = mpsc::unbounded_channel();
    let original = Original::start(tells_resets(told, false)).await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "begun");
    let flood = send(&mut call.requests, vec![0; 10_000_000].into());
    // More than all the windows on the way: it never gets through.
    let stuck = tokio::time::timeout(std::time::Duration::from_millis(300), flood).await;
    assert!(stuck.is_err());
    call.requests.send_reset(Reason::CANCEL);
    drop(body);
    assert_eq!(soon(resets.recv()).await, Some(Reason::CANCEL));
}

#[tokio::test]
async fn a_caller_can_cancel_before_the_answer_has_begun() {
    let (told, mut resets) = mpsc::unbounded_channel();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let original = Original::start(move |mut call| {
        let (told, arrived) = (told.clone(), arrived.clone());
        async move {
            arrived.send(()).unwrap();
            let reset = poll_fn(|context| call.respond.poll_reset(context));
            told.send(reset.await.unwrap()).unwrap();
        }
    })
    .await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), true).unwrap();
    // A call that never left the front tells nothing: then there is nothing to cancel.
    soon(arrivals.recv()).await.unwrap();
    call.requests.send_reset(Reason::CANCEL);
    drop(call.response);
    assert_eq!(soon(resets.recv()).await, Some(Reason::CANCEL));
}

#[tokio::test]
async fn a_reset_by_the_original_is_told_as_grpc_has_it() {
    for (reason, begun, status) in [
        (Reason::CANCEL, false, "1"),
        (Reason::CANCEL, true, "1"),
        (Reason::REFUSED_STREAM, false, "14"),
        (Reason::ENHANCE_YOUR_CALM, true, "8"),
        (Reason::INTERNAL_ERROR, true, "13"),
    ] {
        let original = Original::start(move |mut call| async move {
            if begun {
                let mut answer = call.begin();
                send(&mut answer, Bytes::from_static(b"begun")).await;
                assert_eq!(call.data().await.unwrap(), "x");
                answer.send_reset(reason);
            } else {
                call.respond.send_reset(reason);
            }
        })
        .await;
        let world = World::to(&original).await;
        let mut call = world.caller.call(&[]).await;
        call.requests.send_data("x".into(), false).unwrap();
        let answered = call.answered().await;
        assert_eq!(answered.status(), status, "{reason:?} {begun}");
    }
}

#[tokio::test]
async fn a_deadline_ends_the_call_also_where_the_original_forgets_it() {
    let (told, mut resets) = mpsc::unbounded_channel();
    let original = Original::start(tells_resets(told, true)).await;
    let world = World::to(&original).await;
    let call = world.caller.call(&[("grpc-timeout", "3S")]).await;
    let answered = call.answered().await;
    assert_eq!(
        (answered.data.as_slice(), answered.status()),
        (&b"begun"[..], "4")
    );
    assert_eq!(soon(resets.recv()).await, Some(Reason::CANCEL));
}

/// Ends each call with OK, whatever the caller does.
async fn ends_with_ok(mut call: Call) {
    if call.head.headers().contains_key("x-at-once") {
        let response = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "0");
        let response = response.body(()).unwrap();
        call.respond.send_response(response, true).unwrap();
        return;
    }
    let mut answer = call.begin();
    send(&mut answer, Bytes::from_static(b"begun")).await;
    assert_eq!(call.data().await.unwrap(), "x");
    answer.send_trailers(trailers("0")).unwrap();
}

#[tokio::test]
async fn an_ok_that_ends_an_open_stream_is_not_passed_on_where_that_is_asked_for() {
    let original = Original::start(ends_with_ok).await;
    let strict = Settings {
        open_never_ends_ok: true,
        ..Settings::default()
    };
    let strict = World::with(&original.upstream(), strict).await;
    let plain = World::to(&original).await;
    for headers in [&[] as &[_], &[("x-at-once", "1")]] {
        for (world, half_closed, status) in [
            (&strict, false, "14"),
            (&strict, true, "0"),
            (&plain, false, "0"),
        ] {
            let mut call = world.caller.call(headers).await;
            call.requests.send_data("x".into(), half_closed).unwrap();
            let answered = call.answered().await;
            assert_eq!(answered.status(), status, "{headers:?} {half_closed}");
        }
    }
}

#[tokio::test]
async fn an_end_in_a_frame_of_its_own_is_waited_for() {
    let original = Original::start(ends_with_ok).await;
    let strict = Settings {
        open_never_ends_ok: true,
        ..Settings::default()
    };
    let world = World::with(&original.upstream(), strict).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "begun");
    call.requests.send_data(Bytes::new(), true).unwrap();
    assert_eq!(
        super::caller::read(body).await.1.unwrap()["grpc-status"],
        "0"
    );
}

#[tokio::test(start_paused = true)]
async fn an_end_is_waited_for_as_long_as_the_grace_and_no_longer() {
    for (after, whole) in [(GRACE / 5, true), (2 * GRACE, false)] {
        let sending = tokio::spawn(async move {
            sleep(after).await;
            true
        });
        let mut upload = Upload::Sending(AbortOnDropHandle::new(sending));
        let mut grace = Box::pin(sleep(GRACE));
        let waited = poll_fn(|context| doubted(&mut upload, grace.as_mut(), context));
        assert_eq!(waited.await, whole, "{after:?}");
    }
}

#[tokio::test]
async fn a_drain_ends_every_call_with_unavailable() {
    let original = Original::start(echo).await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
    world.carry.drain();
    assert_eq!(
        super::caller::read(body).await.1.unwrap()["grpc-status"],
        "14"
    );
    assert_eq!(world.caller.unary(b"x").await.status(), "14");
}

#[tokio::test]
async fn beyond_the_limit_calls_are_refused_and_those_before_go_on() {
    let original = Original::start(echo).await;
    let settings = Settings {
        max_calls: 1,
        ..Settings::default()
    };
    let world = World::with(&original.upstream(), settings).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
    assert_eq!(world.caller.unary(b"y").await.status(), "8");
    call.requests.send_data(Bytes::new(), true).unwrap();
    assert_eq!(
        super::caller::read(body).await.1.unwrap()["grpc-status"],
        "0"
    );
    assert_eq!(world.caller.unary(b"y").await.status(), "0");
}

/// A call of `name` that stays open.
async fn open(carry: &GrpcCarry, name: &str) -> Response<GrpcBody> {
    let never = stream::pending::<Result<Frame<Bytes>, Infallible>>();
    let mut request = Request::post("https://adapter/test.Service/Method")
        .body(StreamBody::new(never))
        .unwrap();
    let caller = Caller::new(name, Busy::default());
    request.extensions_mut().insert(caller);
    soon(carry.clone().call(request)).await.unwrap()
}

#[tokio::test]
async fn a_caller_beyond_its_share_is_refused_and_the_others_are_not() {
    let original = Original::start(echo).await;
    let settings = Settings {
        max_calls: 4,
        max_calls_per_caller: 2,
        ..Settings::default()
    };
    let metrics = Metrics::default().into();
    let carry = GrpcCarry::new(&original.upstream(), settings, metrics).unwrap();
    let flood = [open(&carry, "one").await, open(&carry, "one").await];
    assert!(flood.iter().all(|call| !call.body().is_end_stream()));
    let refused = open(&carry, "one").await;
    assert_eq!(refused.headers()["grpc-status"], "8");
    let text = refused.headers()["grpc-message"].to_str().unwrap();
    assert!(text.contains("of this client"), "{text}");
    assert!(!carry.is_full());
    assert!(!open(&carry, "other").await.body().is_end_stream());
    drop(flood);
    assert!(!open(&carry, "one").await.body().is_end_stream());
}
