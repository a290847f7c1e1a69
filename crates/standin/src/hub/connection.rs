//! One connection to the broker, and what goes over it.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ConnectionProperties, DefaultConnectionBuilder, Event};
use thiserror::Error;
use tokio::time::timeout;

use super::Endpoint;
use crate::event::Message;

const EXCHANGE: &str = "amq.topic";
const ROUTING_KEY: &str = "tokenRevocation";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A broker that takes nothing for so long (a memory alarm) counts as gone.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Connection {
    connection: lapin::Connection,
    channel: Channel,
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
}

/// Why there is no connection, or not any more.
#[derive(Debug, Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl Connection {
    /// Neither declares the exchange, which every hub has, nor asks for confirms, which Andes knows nothing of.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, ConnectionError> {
        within(CONNECT_TIMEOUT, async {
            let connection = DefaultConnectionBuilder::new()?
                .with_uri(endpoint.uri.clone())
                .with_tls_config(endpoint.tls.clone())
                .with_properties(
                    ConnectionProperties::default().with_connection_name("rescind-standin".into()),
                )
                .connect()
                .await?;
            Ok(Self {
                events: Box::pin(connection.events_listener()),
                channel: connection.create_channel().await?,
                connection,
            })
        })
        .await
    }

    /// Hands a message to the broker. That it was taken is not known.
    pub(super) async fn publish(&mut self, message: &Message) -> Result<(), ConnectionError> {
        within(PUBLISH_TIMEOUT, async {
            self.channel
                .basic_publish(
                    EXCHANGE.into(),
                    ROUTING_KEY.into(),
                    BasicPublishOptions::default(),
                    message.body.as_bytes(),
                    properties(message),
                )
                .await?;
            Ok(())
        })
        .await
    }

    /// Waits for the end of the connection and says why it came.
    pub(super) async fn closed(&mut self) -> String {
        while let Some(event) = self.events.next().await {
            if let Event::Error(error) = event {
                return error.to_string();
            }
        }
        "the connection has ended".into()
    }

    /// Sends what is still in buffers, then says good-bye.
    pub(super) async fn close(self) {
        // Nobody is left to be told if this fails.
        let _ = timeout(CONNECT_TIMEOUT, self.connection.close(200, "OK".into())).await;
    }
}

/// What a JMS text message has around its body. Andes' client also sends `expiration` "0"; to RabbitMQ this means "drop it
/// unless a consumer is free this instant", so it is left out.
fn properties(message: &Message) -> BasicProperties {
    const TOPIC: i32 = 2;
    let mut headers = FieldTable::default();
    headers.insert("JMS_QPID_DESTTYPE".into(), AMQPValue::LongInt(TOPIC));
    BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("UTF-8".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(4)
        .with_message_id(message.message_id.as_str().into())
        .with_timestamp(message.timestamp)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ConnectionError>>,
) -> Result<T, ConnectionError> {
    match timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(ConnectionError::TimedOut(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_properties_of_a_jms_text_message() {
        let message = Message {
            body: "{}".into(),
            message_id: "ID:1".into(),
            timestamp: 1_628_175_421_481,
        };
        let properties = properties(&message);
        assert_eq!(
            properties.content_type().as_ref().unwrap().as_str(),
            "text/plain"
        );
        assert_eq!(
            properties.content_encoding().as_ref().unwrap().as_str(),
            "UTF-8"
        );
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(*properties.priority(), Some(4));
        assert_eq!(*properties.timestamp(), Some(1_628_175_421_481));
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "ID:1");
        assert_eq!(*properties.expiration(), None);
        let headers = properties.headers().as_ref().unwrap().inner();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["JMS_QPID_DESTTYPE"], AMQPValue::LongInt(2));
    }
}
