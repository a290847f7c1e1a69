use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc::Receiver,
};

use rescind_revocation::UnixMillis;
use rustls::{ClientConfig, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    parse_endpoint,
    test_port::ClosedPort,
    test_tls::{Certified, trusting},
};

mod brokers;
mod scripted;

fn config(urls: &[&str]) -> HubConfig {
    let endpoints = urls.iter().map(|url| parse_endpoint(url).unwrap());
    HubConfig::new(endpoints.collect(), None)
}

fn start(config: HubConfig) -> (Receiver<HubMessage>, CancellationToken, Arc<Metrics>) {
    let (out, messages) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let metrics = Arc::new(Metrics::default());
    tokio::spawn(subscribe(
        config,
        Arc::new(|| UnixMillis(0).into()),
        Arc::clone(&metrics),
        out,
        cancel.clone(),
    ));
    (messages, cancel, metrics)
}

async fn lost(messages: &mut Receiver<HubMessage>) -> String {
    match messages.recv().await {
        Some(HubMessage::Lost { reason, .. }) => reason,
        other => panic!("not lost: {other:?}"),
    }
}

#[test]
fn settings_that_cannot_work_are_named() {
    assert_eq!(config(&["amqp://a"]).validate(), Ok(()));
    assert_eq!(config(&[]).validate(), Err(HubConfigError::NoEndpoint));
    assert_eq!(
        config(&["amqp://a", "amqps://u:p@b"]).validate(),
        Err(HubConfigError::NoTls("amqps://******@b:5671/".into()))
    );
    for heartbeat in [
        Duration::ZERO,
        Duration::from_millis(1500),
        Duration::from_secs(61),
    ] {
        let config = HubConfig {
            heartbeat,
            ..config(&["amqp://a"])
        };
        assert_eq!(config.validate(), Err(HubConfigError::Heartbeat));
    }
    for prefetch in [0, 1001] {
        let config = HubConfig {
            prefetch,
            ..config(&["amqp://a"])
        };
        assert_eq!(config.validate(), Err(HubConfigError::Prefetch));
    }
}

#[test]
fn a_durable_queue_has_a_name_and_an_end() {
    let durable = |name: &str, millis| HubConfig {
        durable_queue: Some(DurableQueue {
            name: name.into(),
            expires: Duration::from_millis(millis),
        }),
        ..config(&["amqp://a"])
    };
    assert_eq!(durable("rescind-1", 1).validate(), Ok(()));
    for name in ["", "amq.mine", &"x".repeat(256)] {
        let wrong = durable(name, 1).validate();
        assert_eq!(wrong, Err(HubConfigError::QueueName));
    }
    for millis in [0, 1 << 32] {
        let wrong = durable("rescind-1", millis).validate();
        assert_eq!(wrong, Err(HubConfigError::QueueExpiry));
    }
}

#[tokio::test]
async fn with_all_each_endpoint_has_a_subscription_of_its_own() {
    let closed = [ClosedPort::new(), ClosedPort::new()];
    let ports = closed.each_ref().map(|closed| closed.port);
    let urls = ports.iter().map(|port| format!("amqp://127.0.0.1:{port}"));
    let urls: Vec<_> = urls.collect();
    let (mut messages, cancel, _) = start(HubConfig {
        mode: Mode::All,
        ..config(&[&urls[0], &urls[1]])
    });
    let mut seen = [false; 2];
    while seen != [true; 2] {
        let Some(HubMessage::Lost { place, reason, .. }) = messages.recv().await else {
            panic!("not lost");
        };
        assert_eq!(place.count, 2);
        assert!(
            reason.contains(&format!(":{}/", ports[place.index])),
            "{reason}"
        );
        seen[place.index] = true;
    }
    cancel.cancel();
    while messages.recv().await.is_some() {}
}

#[tokio::test]
async fn each_failed_attempt_is_told_with_its_endpoint_and_the_next_one_follows() {
    let closed = [ClosedPort::new(), ClosedPort::new()];
    let [first, second] = closed.each_ref().map(|closed| closed.port);
    let (mut messages, _cancel, metrics) = start(config(&[
        &format!("amqp://admin:secret@127.0.0.1:{first}"),
        &format!("amqp://admin:secret@127.0.0.1:{second}"),
    ]));
    for port in [first, second, first] {
        let reason = lost(&mut messages).await;
        let place = format!("amqp://******@127.0.0.1:{port}/: ");
        assert!(
            reason.starts_with(&place) && reason.contains("refused"),
            "{reason}"
        );
    }
    assert!(metrics.failed_attempts.get() >= 3);
    assert_eq!(metrics.connected.get(), 0);
}

#[tokio::test]
async fn a_broker_that_accepts_and_never_answers_is_hung_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut messages, _cancel, _) = start(HubConfig {
        // TCP has no more than that either, which a busy machine may need.
        step_timeout: Duration::from_secs(2),
        ..config(&[&format!("amqp://127.0.0.1:{port}")])
    });
    let (mut socket, _) = listener.accept().await.unwrap();
    let reason = lost(&mut messages).await;
    assert!(
        reason.ends_with("no answer to the AMQP handshake within 2s"),
        "{reason}"
    );
    let mut sent = Vec::new();
    socket.read_to_end(&mut sent).await.unwrap();
    assert!(sent.starts_with(b"AMQP\x00\x00\x09\x01"), "{sent:?}");
}

#[tokio::test]
async fn a_broker_that_hangs_up_is_told_as_one_line() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut messages, _cancel, _) = start(config(&[&format!("amqp://127.0.0.1:{port}")]));
    drop(listener.accept().await.unwrap());
    let reason = lost(&mut messages).await;
    assert!(reason.len() < 200 && !reason.contains('\n'), "{reason}");
}

/// Why there is no connection to a broker of these settings, which resets what it has not accepted in TLS.
async fn refusal(broker: Arc<ServerConfig>, client: Arc<ClientConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = HubTls {
        client,
        server_name: Some("broker".into()),
    };
    let (mut messages, _cancel, _) = start(HubConfig {
        tls: Some(tls),
        ..config(&[&format!("amqps://127.0.0.1:{port}")])
    });
    let (socket, _) = listener.accept().await.unwrap();
    socket.set_zero_linger().unwrap();
    drop(TlsAcceptor::from(broker).accept(socket).await);
    lost(&mut messages).await
}

#[tokio::test]
async fn a_broker_that_refuses_in_tls_is_told_whichever_way_it_breaks_off() {
    let (broker, stranger) = (Certified::new("broker"), Certified::new("stranger"));
    let asks = || broker.server_for(&broker.root);

    let reason = refusal(asks(), trusting([&broker.root])).await;
    let none = "(it asks for a client certificate, and there is none to show)";
    assert!(reason.ends_with(none), "{reason}");

    let reason = refusal(asks(), stranger.client(&broker.root)).await;
    let other = "(it asks for a client certificate, and may not believe ours)";
    assert!(reason.ends_with(other), "{reason}");

    // One that is not believed itself has refused nothing, and neither has one that does not ask.
    for broker in [asks(), stranger.server()] {
        let reason = refusal(broker, trusting([&Certified::new("broker").root])).await;
        assert!(!reason.contains("client certificate"), "{reason}");
    }
}

#[tokio::test]
async fn cancelling_ends_it_also_while_it_waits() {
    let closed = ClosedPort::new();
    let port = closed.port;
    let (mut messages, cancel, _) = start(config(&[&format!("amqp://127.0.0.1:{port}")]));
    lost(&mut messages).await;
    cancel.cancel();
    while messages.recv().await.is_some() {}
}

#[tokio::test]
async fn what_is_no_broker_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut messages, _cancel, _) = start(config(&[&format!("amqp://127.0.0.1:{port}")]));
    let (mut socket, _) = listener.accept().await.unwrap();
    socket
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    let reason = lost(&mut messages).await;
    assert!(
        reason.ends_with("what answers does not speak AMQP 0-9-1"),
        "{reason}"
    );
}

#[tokio::test]
async fn it_ends_when_nobody_receives() {
    let closed = ClosedPort::new();
    let port = closed.port;
    let (out, messages) = mpsc::channel(1);
    drop(messages);
    subscribe(
        config(&[&format!("amqp://127.0.0.1:{port}")]),
        Arc::new(|| UnixMillis(0).into()),
        Arc::default(),
        out,
        CancellationToken::new(),
    )
    .await;
}
