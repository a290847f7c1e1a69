//! One subscription on one connection, from its first frame to its end.
//!
//! API Manager's own broker is Andes, a fork of Qpid; operators also use RabbitMQ. What works on all three:
//!
//! 1. ask for a heartbeat of one's own;
//! 2. do not declare `amq.topic`;
//! 3. an exclusive, auto-delete queue without arguments, with a new lower-case name, and go on with the name in the answer
//!    (a durable one only where it is asked for, and then only on RabbitMQ: see `queue`);
//! 4. bind the key as it is and in lower case;
//! 5. prefetch at most 1000, settle everything with ack or reject, never `basic.nack`, never `confirm.select`; a multiple
//!    ack only for a tag that is outstanding (`delivery`);
//! 6. retry every failure, whatever its code, and log its text (`failover`, `connection`);
//! 7. ask from time to time whether the queue is still there;
//! 8. after any end build everything anew, and have the list read (`subscribe`).

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{Fuse, FusedFuture as _},
};
use lapin::{
    Channel, Connection, Consumer,
    options::{BasicQosOptions, QueueBindOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::{
    HubConfig, HubMessage, Subscriber,
    connection::{connect, describe},
    queue::Queue,
};
use crate::{Delivery, Endpoint, decode, delivery::Outstanding};

/// Rule 2: declared nowhere here. Every broker has it; a declaration that differs in durability or kind is 406 on
/// RabbitMQ and closes the connection on Andes.
const EXCHANGE: &str = "amq.topic";

/// Rule 4: Andes lower-cases keys when it publishes and when it binds; RabbitMQ and Qpid match case.
const ROUTING_KEYS: [&str; 2] = ["tokenRevocation", "tokenrevocation"];

/// How long a clean close may take before the connection is dropped instead.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a subscription ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was told to end, or nobody receives any more.
    Cancelled,
    /// The reason, in one line, and when that was noticed: what was received before is handed on first.
    Lost(String, Instant),
}

impl End {
    fn lost(reason: impl Into<String>) -> Self {
        Self::Lost(reason.into(), Instant::now())
    }
}

/// A queue that is bound and consumed.
pub(super) struct Session {
    connection: Connection,
    channel: Channel,
    queue: ShortString,
    consumer: Consumer,
    outstanding: Arc<Outstanding>,
    /// The broker's address.
    source: Arc<str>,
    step_timeout: Duration,
}

impl Session {
    /// Connects, and builds all that a subscription needs. The error is one line.
    pub(super) async fn build(config: &HubConfig, endpoint: &Endpoint) -> Result<Self, String> {
        let connection = connect(config, endpoint).await?;
        let limit = config.step_timeout * 2;
        let built = match timeout(limit, consume(&connection, config)).await {
            Ok(built) => built,
            Err(_) => Err("no answer while setting up the queue in time".into()),
        };
        match built {
            Ok((channel, queue, consumer)) => Ok(Self {
                connection,
                channel,
                queue,
                consumer,
                outstanding: Arc::default(),
                source: endpoint.address().into(),
                step_timeout: config.step_timeout,
            }),
            Err(error) => {
                close(&connection).await;
                Err(error)
            }
        }
    }

    /// Hands on what arrives until the subscription ends, and closes it.
    pub(super) async fn run(mut self, subscriber: &Subscriber) -> End {
        let end = self.deliver(subscriber).await;
        self.close(end).await
    }

    /// Closes the connection, so that the broker drops the queue now and not at the next missed heartbeat.
    pub(super) async fn close(self, end: End) -> End {
        close(&self.connection).await;
        end
    }

    async fn deliver(&mut self, subscriber: &Subscriber) -> End {
        // At most one delivery waits here for room in `out`; the others wait unacknowledged in lapin's buffer, which
        // the prefetch bounds.
        let mut waiting: Option<Delivery> = None;
        let end = self.deliver_until_the_end(subscriber, &mut waiting).await;
        if matches!(end, End::Lost(..)) {
            // Before anything is handed on: its receiver may wait for an acknowledgement that went down with the connection.
            self.outstanding.end();
            self.hand_on_the_rest(subscriber, waiting).await;
        }
        end
    }

    async fn deliver_until_the_end(
        &mut self,
        subscriber: &Subscriber,
        waiting: &mut Option<Delivery>,
    ) -> End {
        let period = subscriber.config.queue_check;
        let mut due = interval_at(Instant::now() + period, period);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Beside the deliveries: a broker that is slow to answer may deliver all the same, and they must not wait for it. Nor
        // does it wait for them: a slow receiver must not hide a dead connection.
        let mut check = pin!(Fuse::terminated());
        loop {
            tokio::select! {
                () = subscriber.cancel.cancelled() => return End::Cancelled,
                _ = due.tick(), if check.is_terminated() => {
                    let (channel, queue) = (self.channel.clone(), self.queue.clone());
                    check.set(check_queue(channel, queue, self.step_timeout).fuse());
                }
                checked = &mut check, if !check.is_terminated() => {
                    if let Err(reason) = checked {
                        return End::lost(reason);
                    }
                }
                permit = subscriber.out.reserve(), if waiting.is_some() => {
                    let Ok(permit) = permit else {
                        return End::Cancelled;
                    };
                    if let Some(delivery) = waiting.take() {
                        permit.send(HubMessage::Delivery(delivery));
                    }
                }
                item = self.consumer.next(), if waiting.is_none() => match item {
                    Some(Ok(message)) => *waiting = Some(self.receive(subscriber, message)),
                    Some(Err(error)) => return End::lost(describe(&error)),
                    // Rule 7: RabbitMQ says so when the queue is deleted.
                    None => return End::lost("the broker cancelled the consumer"),
                },
            }
        }
    }

    /// Hands on what had arrived before the end. The list will hold it too, but the list may be away as well: broker
    /// and list are one process in API Manager.
    async fn hand_on_the_rest(&mut self, subscriber: &Subscriber, mut waiting: Option<Delivery>) {
        loop {
            let delivery = match waiting.take() {
                Some(delivery) => delivery,
                None => match self.consumer.next().now_or_never() {
                    Some(Some(Ok(message))) => self.receive(subscriber, message),
                    _ => return,
                },
            };
            let told = subscriber.tell(HubMessage::Delivery(delivery)).await;
            if told.is_none() {
                return;
            }
        }
    }

    fn receive(&self, subscriber: &Subscriber, message: lapin::message::Delivery) -> Delivery {
        let content_type = message.properties.content_type().as_ref();
        let event = decode(
            content_type.map(ShortString::as_str),
            &message.data,
            (subscriber.now)(),
        );
        subscriber.metrics.count(&event);
        Delivery::of_broker(
            event,
            &self.source,
            message.acker,
            message.delivery_tag,
            &self.outstanding,
        )
    }
}

/// Rule 7: on Qpid, and by its source on Andes, the channel of a queue that someone deletes stays open and silent.
async fn check_queue(
    channel: Channel,
    queue: ShortString,
    step_timeout: Duration,
) -> Result<(), String> {
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asked = channel.queue_declare(queue, passive, FieldTable::default());
    match timeout(step_timeout, asked).await {
        Ok(Ok(_)) => Ok(()),
        // As the consumer says it, which may hear of it first.
        Ok(Err(error)) => Err(describe(&error)),
        Err(_) => Err("no answer to the queue check".into()),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.outstanding.end();
    }
}

async fn consume(
    connection: &Connection,
    config: &HubConfig,
) -> Result<(Channel, ShortString, Consumer), String> {
    let queue = match &config.durable_queue {
        None => Queue::own(),
        Some(durable) => Queue::durable(connection, durable).await?,
    };
    let consuming = consume_queue(connection, config.prefetch, queue);
    consuming.await.map_err(|error| describe(&error))
}

async fn consume_queue(
    connection: &Connection,
    prefetch: u16,
    queue: Queue,
) -> lapin::Result<(Channel, ShortString, Consumer)> {
    let channel = connection.create_channel().await?;
    // Rule 5: Andes stops delivering at 1000 unacknowledged. No `confirm.select`, and nowhere a `basic.nack`: Andes has
    // neither and closes the socket.
    channel
        .basic_qos(prefetch.clamp(1, 1000), BasicQosOptions::default())
        .await?;
    let Queue {
        name,
        options,
        arguments,
        consume,
    } = queue;
    // From here on the name in the answer: Andes lower-cases names.
    let queue = channel
        .queue_declare(name, options, arguments)
        .await?
        .name()
        .clone();
    for key in ROUTING_KEYS {
        channel
            .queue_bind(
                queue.clone(),
                EXCHANGE.into(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
    }
    let consumer = channel
        .basic_consume(
            queue.clone(),
            "rescind".into(),
            consume,
            FieldTable::default(),
        )
        .await?;
    Ok((channel, queue, consumer))
}

async fn close(connection: &Connection) {
    // Fails where there is nothing left to close.
    let _ = timeout(CLOSE_TIMEOUT, connection.close(200, "OK".into())).await;
}
