//! The queue of a subscription: one of its own that goes with it, or a durable one.

use lapin::{
    Connection, ErrorKind, ExchangeKind,
    options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use super::{DurableQueue, connection::describe};

/// RabbitMQ has this exchange in every virtual host, and no other broker has it. lapin does not show what a broker says
/// of itself.
const RABBITMQS_OWN: &str = "amq.rabbitmq.trace";

/// What to declare and how to consume it.
pub(super) struct Queue {
    pub(super) name: ShortString,
    pub(super) options: QueueDeclareOptions,
    pub(super) arguments: FieldTable,
    pub(super) consume: BasicConsumeOptions,
}

impl Queue {
    /// Rule 3: exclusive and auto-delete, so that nothing is left behind; no arguments (on Qpid any of them closes the
    /// connection), and a lower-case name that no other connection has: a name used again is refused (405) until the
    /// broker has noticed that its former owner is dead.
    pub(super) fn own() -> Self {
        Self {
            name: format!("rescind.{}", Uuid::new_v4()).into(),
            options: QueueDeclareOptions {
                exclusive: true,
                auto_delete: true,
                ..QueueDeclareOptions::default()
            },
            arguments: FieldTable::default(),
            consume: BasicConsumeOptions::default(),
        }
    }

    /// A queue that is dropped only when nobody consumed it for a while. Elsewhere than on RabbitMQ it would be kept for
    /// ever (Andes ignores arguments) or cost the connection (Qpid), so it is not tried there.
    pub(super) async fn durable(
        connection: &Connection,
        durable: &DurableQueue,
    ) -> Result<Self, String> {
        if !is_rabbitmq(connection)
            .await
            .map_err(|error| describe(&error))?
        {
            return Err("a durable queue needs RabbitMQ, and this broker is another one".into());
        }
        let mut arguments = FieldTable::default();
        let expires = i64::try_from(durable.expires.as_millis()).unwrap_or(i64::MAX);
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(expires));
        Ok(Self {
            name: durable.name.as_str().into(),
            options: QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            },
            arguments,
            // Two who consume it would each get half of the events.
            consume: BasicConsumeOptions {
                exclusive: true,
                ..BasicConsumeOptions::default()
            },
        })
    }
}

/// Asks on a channel of its own, since the broker closes it where the answer is no.
async fn is_rabbitmq(connection: &Connection) -> lapin::Result<bool> {
    let channel = connection.create_channel().await?;
    let asked = channel
        .exchange_declare(
            RABBITMQS_OWN.into(),
            ExchangeKind::Topic,
            ExchangeDeclareOptions {
                passive: true,
                ..ExchangeDeclareOptions::default()
            },
            FieldTable::default(),
        )
        .await;
    match asked {
        Ok(()) => {
            channel.close(200, "OK".into()).await?;
            Ok(true)
        }
        Err(error) if matches!(error.kind(), ErrorKind::ProtocolError(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
