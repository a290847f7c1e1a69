//! The original away, dying, leaving, not ready.

use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpListener;

use super::{
    Certificates, Original, World,
    caller::read,
    nobody,
    original::{Listening, echo},
    soon, upstream,
};
use crate::{Settings, connection::HEALTH};

#[tokio::test]
async fn nobody_there_is_unavailable_at_once() {
    let certificates = Certificates::new();
    let (upstream, _held) = nobody(&certificates);
    let world = World::with(&upstream, Settings::default()).await;
    let answered = world.caller.unary(b"x").await;
    assert_eq!(answered.status(), "14");
    assert!(
        answered.message().contains("Connection refused"),
        "{}",
        answered.message()
    );
    assert!(world.carry.probe().await.is_err());
}

#[tokio::test]
async fn calls_end_with_unavailable_when_the_original_dies_and_work_when_it_is_back() {
    let original = Original::start(|call| async move {
        match call.head.headers().contains_key("x-silent") {
            true => std::future::pending().await,
            false => echo(call).await,
        }
    })
    .await;
    let (certificates, address) = (original.certificates.clone(), original.address);
    let world = World::to(&original).await;
    let mut begun = Vec::new();
    for _ in 0..10 {
        let mut call = world.caller.call(&[]).await;
        call.requests.send_data("x".into(), false).unwrap();
        let mut body = soon(call.response).await.unwrap().into_body();
        assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
        begun.push((call.requests, body));
    }
    let silent = world.caller.call(&[("x-silent", "1")]).await;
    // It has arrived when a later call is answered.
    assert_eq!(world.caller.unary(b"y").await.status(), "0");

    original.kill();
    for (_requests, body) in begun {
        assert_eq!(read(body).await.1.unwrap()["grpc-status"], "14");
    }
    assert_eq!(silent.answered().await.status(), "14");
    assert_eq!(world.caller.unary(b"x").await.status(), "14");

    let listening = Listening {
        certificates,
        address,
        ..Listening::default()
    };
    let _back = listening.start(echo).await;
    let works = async { while world.caller.unary(b"x").await.status() != "0" {} };
    soon(works).await;
}

#[tokio::test]
async fn an_original_that_accepts_and_hangs_is_unavailable_in_bounded_time() {
    let certificates = Certificates::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut upstream = upstream(&certificates, address);
    upstream.handshake_timeout = Duration::from_millis(100);
    let world = World::with(&upstream, Settings::default()).await;
    let answered = world.caller.unary(b"x").await;
    assert_eq!(answered.status(), "14");
    assert!(
        answered.message().contains("no answer to the handshake"),
        "{}",
        answered.message()
    );
    // Its own deadline may come first.
    upstream.handshake_timeout = Duration::from_secs(600);
    let world = World::with(&upstream, Settings::default()).await;
    let call = world.caller.call(&[("grpc-timeout", "50m")]).await;
    assert_eq!(call.answered().await.status(), "4");
}

#[tokio::test]
async fn a_certificate_of_another_name_is_unavailable() {
    let original = Original::start(echo).await;
    let mut upstream = original.upstream();
    upstream.server_name = ServerName::try_from("elsewhere").unwrap();
    let world = World::with(&upstream, Settings::default()).await;
    let answered = world.caller.unary(b"x").await;
    assert_eq!(answered.status(), "14");
    assert!(
        answered.message().contains("certificate"),
        "{}",
        answered.message()
    );
    // It was us who did not believe.
    assert!(!answered.message().contains("client certificate"));
}

/// In TLS 1.3 the refusal comes after our handshake, as an alert or as a reset that has thrown it away: whichever it is,
/// the answer says what is to be mended.
#[tokio::test]
async fn an_original_that_does_not_believe_us_is_unavailable_and_said_to_ask_for_a_certificate() {
    const EACH: [&[&rustls::SupportedProtocolVersion]; 2] =
        [&[&rustls::version::TLS12], &[&rustls::version::TLS13]];
    let stranger = Certificates::new();
    for versions in EACH {
        let listening = Listening {
            versions,
            ..Listening::default()
        };
        let original = listening.start(echo).await;
        let ours = &original.certificates;
        for (tls, said) in [
            (ours.client_of(&stranger), "and may not believe ours"),
            (ours.anonymous(), "and there is none to show"),
        ] {
            let mut upstream = original.upstream();
            upstream.tls = tls;
            for _ in 0..20 {
                let world = World::with(&upstream, Settings::default()).await;
                let answered = world.caller.unary(b"x").await;
                assert_eq!(answered.status(), "14");
                let text = answered.message();
                assert!(text.contains("asks for a client certificate"), "{text}");
                assert!(text.contains(said), "{text}");
            }
        }
        assert_eq!(
            World::to(&original).await.caller.unary(b"x").await.status(),
            "0"
        );
    }
}

#[tokio::test]
async fn an_original_that_leaves_keeps_its_calls_and_gets_no_new_ones() {
    let original = Original::start(echo).await;
    let world = World::to(&original).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
    original.leave();
    assert_eq!(original.connections(), 1);
    // New calls get connections of their own, each of which is told the same; some are refused by that.
    let elsewhere = async {
        while original.connections() < 2 {
            world.caller.unary(b"y").await;
        }
    };
    soon(elsewhere).await;
    call.requests.send_data("z".into(), true).unwrap();
    let (data, end) = read(body).await;
    assert_eq!(data, b"z");
    assert_eq!(end.unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn an_original_that_answers_no_ping_is_away() {
    let original = Original::start(echo).await;
    let settings = Settings {
        ping_interval: Duration::from_millis(50),
        ping_timeout: Duration::from_secs(2),
        ..Settings::default()
    };
    let world = World::with(&original.upstream(), settings).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
    // Pings that are answered end nothing.
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.requests.send_data("y".into(), false).unwrap();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "y");
    original.freeze();
    assert_eq!(read(body).await.1.unwrap()["grpc-status"], "14");
}

#[tokio::test]
async fn an_original_that_stands_still_is_away_when_it_is_asked_and_gets_no_new_calls() {
    let original = Original::start(echo).await;
    let settings = Settings {
        probe_timeout: Duration::from_secs(2),
        ..Settings::default()
    };
    let mut upstream = original.upstream();
    upstream.handshake_timeout = Duration::from_secs(2);
    let world = World::with(&upstream, settings).await;
    assert_eq!(world.carry.probe().await, Ok(()));
    assert_eq!(world.carry.probe().await, Ok(()));
    original.freeze();
    let away = soon(world.carry.probe()).await.unwrap_err().to_string();
    assert!(away.contains("does not answer"), "{away}");
    // Its connection takes no new calls: they are told at once, and do not wait for their own time to be up.
    assert_eq!(world.caller.unary(b"x").await.status(), "14");
    assert!(soon(world.carry.probe()).await.is_err());
}

#[tokio::test]
async fn calls_under_way_outlive_a_question_that_was_not_answered() {
    let (silent, mut questions) = tokio::sync::mpsc::unbounded_channel();
    let original = Original::start(move |call| {
        let silent = silent.clone();
        async move {
            if call.head.uri().path() == HEALTH {
                silent.send(call).unwrap();
                return;
            }
            echo(call).await;
        }
    })
    .await;
    let settings = Settings {
        probe_timeout: Duration::from_millis(100),
        ..Settings::default()
    };
    let world = World::with(&original.upstream(), settings).await;
    let mut call = world.caller.call(&[]).await;
    call.requests.send_data("x".into(), false).unwrap();
    let mut body = soon(call.response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
    assert!(world.carry.probe().await.is_err());
    assert!(soon(questions.recv()).await.is_some());
    call.requests.send_data("y".into(), true).unwrap();
    let (data, end) = read(body).await;
    assert_eq!(data, b"y");
    assert_eq!(end.unwrap()["grpc-status"], "0");
    assert_eq!(world.caller.unary(b"z").await.status(), "0");
}
