//! A publisher on the event hub that sends whatever it likes.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Error,
    PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::time::{Instant, sleep, timeout};

const EXCHANGE: &str = "amq.topic";
const KEY: &str = "tokenRevocation";

/// As JMS sends by default: what a durable queue has survives its broker.
const PERSISTENT: u8 = 2;

/// A publisher to `amq.topic` with the key `tokenRevocation`.
#[derive(Debug)]
pub(crate) struct Hub {
    channel: Channel,
    connection: Connection,
}

impl Hub {
    pub(crate) async fn connect(url: &str) -> Self {
        Self::try_connect(url).await.unwrap()
    }

    async fn try_connect(url: &str) -> Result<Self, Error> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Self {
            channel,
            connection,
        })
    }

    /// Publishes a body as API Manager does its JSON and waits until the broker has it.
    pub(crate) async fn publish(&self, body: &[u8]) {
        self.publish_as("text/plain", body).await;
    }

    /// Publishes bodies as API Manager does its JSON, one behind the other, and waits until the broker has them all.
    pub(crate) async fn publish_all(&self, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let refused = self.try_publish_all(bodies).await.unwrap();
        assert!(refused.is_empty(), "{} are refused", refused.len());
    }

    /// The same on a connection that may break. Gives back what the broker has said not to have.
    async fn try_publish_all(
        &self,
        bodies: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut sent = Vec::new();
        for body in bodies {
            let confirmation = self.send("text/plain", &body).await?;
            sent.push((body, confirmation));
        }
        let mut refused = Vec::new();
        for (body, confirmation) in sent {
            if let Confirmation::Nack(_) = confirmation.await? {
                refused.push(body);
            }
        }
        Ok(refused)
    }

    async fn lost(&self) {
        while self.connection.status().connected() {
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn send(&self, content_type: &str, body: &[u8]) -> Result<PublisherConfirm, Error> {
        let properties = BasicProperties::default()
            .with_content_type(content_type.into())
            .with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish(EXCHANGE.into(), KEY.into(), options, body, properties)
            .await
    }

    /// How many messages of a queue wait for a consumer; those that one has and has not acknowledged are not among them.
    pub(crate) async fn waiting(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self
            .channel
            .queue_declare(queue.into(), options, FieldTable::default())
            .await;
        declared.unwrap().message_count()
    }

    /// Publishes a body of any content type.
    pub(crate) async fn publish_as(&self, content_type: &str, body: &[u8]) {
        self.send(content_type, body).await.unwrap().await.unwrap();
    }
}

/// A publisher that goes on until the broker has what it publishes, over any death of either. What the broker had and could not
/// say so is there twice.
#[derive(Debug)]
pub(crate) struct InsistentHub {
    url: String,
    hub: Option<Hub>,
}

impl InsistentHub {
    pub(crate) fn new(url: String) -> Self {
        Self { url, hub: None }
    }

    pub(crate) async fn publish_all(&mut self, bodies: &[Vec<u8>]) {
        let deadline = Instant::now() + Duration::from_secs(180);
        let mut rest = bodies.to_vec();
        while !rest.is_empty() {
            match self.try_publish_all(&rest).await {
                Some(refused) => rest = refused,
                None => {
                    self.hub = None;
                    assert!(Instant::now() < deadline, "no broker");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    /// `None` where the connection was lost, or there is none.
    async fn try_publish_all(&mut self, bodies: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        if self.hub.is_none() {
            let connecting = timeout(Duration::from_secs(20), Hub::try_connect(&self.url));
            self.hub = connecting.await.ok()?.ok();
        }
        let hub = self.hub.as_ref()?;
        tokio::select! {
            refused = hub.try_publish_all(bodies.iter().cloned()) => refused.ok(),
            // What was under way then may never be answered.
            () = hub.lost() => None,
        }
    }
}

/// The expiry of what never expires.
pub(crate) const NEVER: i64 = i64::MAX;

/// An event as API Manager publishes it, for what never expires.
pub(crate) fn event(kind: &str, identifier: &str) -> Vec<u8> {
    format!(
        r#"{{"event":{{"payloadData":{{"eventId":"444d2f9b-57d8-4245-bef2-3f8d824741c3","revokedToken":"{identifier}","ttl":"3600","expiryTime":{NEVER},"type":"{kind}","tenantId":-1234}}}}}}"#
    )
    .into_bytes()
}
