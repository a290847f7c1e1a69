//! A publisher on the event hub that sends whatever it likes.

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};

/// A publisher to `amq.topic` with the key `tokenRevocation`.
#[derive(Debug)]
pub(crate) struct Hub {
    channel: Channel,
    _connection: Connection,
}

impl Hub {
    pub(crate) async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        Self {
            channel,
            _connection: connection,
        }
    }

    /// Publishes a body as API Manager does its JSON and waits until the broker has it.
    pub(crate) async fn publish(&self, body: &[u8]) {
        self.publish_as("text/plain", body).await;
    }

    /// Publishes bodies as API Manager does its JSON, one behind the other, and waits until the broker has them all.
    pub(crate) async fn publish_all(&self, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let mut confirmations = Vec::new();
        for body in bodies {
            let properties = BasicProperties::default().with_content_type("text/plain".into());
            let options = BasicPublishOptions::default();
            let sent = self.channel.basic_publish(
                "amq.topic".into(),
                "tokenRevocation".into(),
                options,
                &body,
                properties,
            );
            confirmations.push(sent.await.unwrap());
        }
        for confirmation in confirmations {
            confirmation.await.unwrap();
        }
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
        let properties = BasicProperties::default().with_content_type(content_type.into());
        let options = BasicPublishOptions::default();
        let sent = self.channel.basic_publish(
            "amq.topic".into(),
            "tokenRevocation".into(),
            options,
            body,
            properties,
        );
        sent.await.unwrap().await.unwrap();
    }
}

/// An event as API Manager publishes it.
pub(crate) fn event(kind: &str, identifier: &str) -> Vec<u8> {
    format!(
        r#"{{"event":{{"payloadData":{{"eventId":"444d2f9b-57d8-4245-bef2-3f8d824741c3","revokedToken":"{identifier}","ttl":"3600","expiryTime":9223372036854775807,"type":"{kind}","tenantId":-1234}}}}}}"#
    )
    .into_bytes()
}
