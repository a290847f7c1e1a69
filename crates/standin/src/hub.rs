//! The way to the hub: fire and forget, as in API Manager.
//!
//! Requests put messages into the outbox and never wait. One task owns the connection and publishes; while there is none,
//! what arrives is lost to the hub, with a warning, and found in the list alone.

mod connection;
mod endpoint;

use std::time::Duration;

use rescind_runtime::health::{Condition, Health};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::event::Message;

use connection::Connection;
pub use endpoint::{Endpoint, EndpointError};

/// How many requests may be waiting for the publisher. More than that can only be there when the broker takes nothing.
const OUTBOX: usize = 1024;

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The name of the condition in `/readyz`.
const HUB: &str = "hub";

/// Where requests leave their messages.
#[derive(Debug, Clone)]
pub struct Outbox(Option<mpsc::Sender<Vec<Message>>>);

/// The other end of the outbox. All messages of one request come together.
pub type Inbox = mpsc::Receiver<Vec<Message>>;

impl Outbox {
    /// An outbox and its other end.
    pub fn new() -> (Self, Inbox) {
        let (sender, inbox) = mpsc::channel(OUTBOX);
        (Self(Some(sender)), inbox)
    }

    /// Leads nowhere: there is no hub.
    pub fn disabled() -> Self {
        Self(None)
    }

    /// Leaves messages. Never waits.
    pub fn send(&self, messages: Vec<Message>) {
        let Some(sender) = &self.0 else {
            return;
        };
        let count = messages.len();
        if sender.try_send(messages).is_err() {
            lost(count, "the outbox is full");
        }
    }
}

/// Publishes until every outbox is gone. Not ready before the first attempt to connect is over, whatever came of it: from
/// then on `/readyz` tells whether events arrive.
pub async fn publish(endpoint: Endpoint, mut inbox: Inbox, health: Health) {
    let tried = health.require("first attempt to reach the hub");
    while let Some(connection) = connect(&endpoint, &mut inbox, &health, &tried).await {
        health.recover(HUB);
        tried.done();
        info!(%endpoint, "Successfully established the AMQP connection");
        let Some(reason) = serve(connection, &mut inbox).await else {
            return;
        };
        health.degrade(HUB, reason);
    }
}

/// A connection, or `None` when nobody can want one any more.
async fn connect(
    endpoint: &Endpoint,
    inbox: &mut Inbox,
    health: &Health,
    tried: &Condition,
) -> Option<Connection> {
    let mut delay = FIRST_DELAY;
    loop {
        let attempt = Connection::open(endpoint);
        match while_losing(inbox, attempt).await? {
            Ok(connection) => return Some(connection),
            Err(error) => health.degrade(HUB, error.to_string()),
        }
        tried.done();
        while_losing(inbox, sleep_until(Instant::now() + delay)).await?;
        // No jitter: there is one stand-in.
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

/// Waits for something that has no connection to publish with. `None` when every outbox is gone.
async fn while_losing<T>(inbox: &mut Inbox, wait: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(wait);
    loop {
        tokio::select! {
            done = &mut wait => return Some(done),
            messages = inbox.recv() => lost(messages?.len(), "the hub is not connected"),
        }
    }
}

/// Publishes until the connection is lost, and says why; `None` when every outbox is gone.
async fn serve(mut connection: Connection, inbox: &mut Inbox) -> Option<String> {
    loop {
        tokio::select! {
            reason = connection.closed() => return Some(reason),
            messages = inbox.recv() => {
                let Some(messages) = messages else {
                    connection.close().await;
                    return None;
                };
                for (at, message) in messages.iter().enumerate() {
                    if let Err(error) = connection.publish(message).await {
                        lost(messages.len() - at, "the connection failed");
                        return Some(error.to_string());
                    }
                }
            }
        }
    }
}

fn lost(count: usize, reason: &str) {
    warn!(
        count,
        reason, "Events are lost to the hub; the list holds their revocations"
    );
}

#[cfg(test)]
mod tests {
    use rescind_runtime::Secret;
    use tokio::{net::TcpSocket, time::timeout};

    use super::*;
    use crate::config::HubConfig;
    use crate::event::Event;

    /// A hub on a port where nobody listens, as long as the socket is held: it has the port.
    fn nowhere() -> (Endpoint, TcpSocket) {
        let held = TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = held.local_addr().unwrap().port();
        let config = HubConfig {
            enabled: true,
            url: Some(Secret::new(format!("amqp://user:hunter2@127.0.0.1:{port}"))),
            ca_file: String::new(),
        };
        (Endpoint::from_config(&config).unwrap().unwrap(), held)
    }

    #[tokio::test]
    async fn without_a_hub_events_are_lost_and_nothing_waits() {
        rescind_runtime::tls::install_crypto_provider();
        let (outbox, inbox) = Outbox::new();
        let health = Health::new();
        let (hub, _held) = nowhere();
        let task = tokio::spawn(publish(hub, inbox, health.clone()));

        // Ready once the first attempt has failed, and saying so.
        let mut watch = health.watch();
        let tried = async {
            watch.wait_for(|ready| !ready).await.unwrap();
            watch.wait_for(|ready| *ready).await.unwrap();
        };
        timeout(Duration::from_secs(30), tried).await.unwrap();
        let report = health.report();
        assert_eq!(report.degraded[0].0, "hub");
        assert!(!report.degraded[0].1.contains("hunter2"));

        // Many times what the outbox holds.
        let message = Event::token("some-jti", 1).message(2);
        for _ in 0..5 * OUTBOX {
            outbox
                .0
                .as_ref()
                .unwrap()
                .send(vec![message.clone()])
                .await
                .unwrap();
        }
        drop(outbox);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn an_outbox_that_is_full_delays_nobody() {
        let (outbox, mut inbox) = Outbox::new();
        let message = Event::token("some-jti", 1).message(2);
        for _ in 0..OUTBOX + 10 {
            outbox.send(vec![message.clone()]);
        }
        drop(outbox);
        let mut held = 0;
        while inbox.recv().await.is_some() {
            held += 1;
        }
        assert_eq!(held, OUTBOX);
    }

    #[test]
    fn a_hub_that_is_switched_off_takes_everything_and_keeps_nothing() {
        Outbox::disabled().send(vec![Event::token("some-jti", 1).message(2)]);
    }
}
