//! The event hub from its other side: a publisher, and the barest consumer there is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::time::Instant;

const EXCHANGE: &str = "amq.topic";
const KEY: &str = "tokenRevocation";

/// Publishes events as API Manager does, each with another token.
pub(crate) struct Publisher {
    channel: Channel,
    _connection: Connection,
    next: u64,
    run: u128,
    expires: u128,
}

impl Publisher {
    pub(crate) async fn connect(url: &str) -> Self {
        let connection = connect(url).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            channel: connection.create_channel().await.unwrap(),
            _connection: connection,
            next: 0,
            run: now.as_nanos(),
            expires: (now + Duration::from_secs(86_400)).as_millis(),
        }
    }

    /// One event. Returns when it was handed to the connection.
    pub(crate) async fn publish(&mut self) {
        // Nobody asked for a confirmation.
        drop(self.send().await);
    }

    /// So many, and returns when the broker has all of them.
    pub(crate) async fn fill(&mut self, count: usize) {
        self.channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        let mut confirms = Vec::with_capacity(count);
        for _ in 0..count {
            confirms.push(self.send().await);
        }
        for confirm in confirms {
            assert!(matches!(
                confirm.await.unwrap(),
                Confirmation::Ack(None) | Confirmation::NotRequested
            ));
        }
    }

    async fn send(&mut self) -> impl Future<Output = lapin::Result<Confirmation>> + use<> {
        self.next += 1;
        let bits = (self.run + u128::from(self.next))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let hex = format!("{bits:032x}");
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
        let expires = self.expires;
        let body = format!(
            r#"{{"event":{{"payloadData":{{"eventId":"444d2f9b-57d8-4245-bef2-3f8d824741c3","revokedToken":"{a}-{b}-{c}-{d}-{e}","ttl":"86400","expiryTime":{expires},"type":"JWT","tenantId":-1234}}}}}}"#
        );
        let properties = BasicProperties::default().with_content_type("text/plain".into());
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish(
                EXCHANGE.into(),
                KEY.into(),
                options,
                body.as_bytes(),
                properties,
            )
            .await
            .unwrap()
    }
}

/// A queue like the adapter's, whose events are counted and acknowledged, many at once, and no more.
pub(crate) struct Bare {
    channel: Channel,
    _connection: Connection,
    queue: String,
}

impl Bare {
    pub(crate) async fn declare(url: &str) -> Self {
        let connection = connect(url).await;
        let channel = connection.create_channel().await.unwrap();
        let queue = format!("bare.{}", std::process::id());
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.as_str().into(), options, FieldTable::default())
            .await
            .unwrap();
        let options = QueueBindOptions::default();
        let table = FieldTable::default();
        channel
            .queue_bind(
                queue.as_str().into(),
                EXCHANGE.into(),
                KEY.into(),
                options,
                table,
            )
            .await
            .unwrap();
        // The adapter's own window.
        channel
            .basic_qos(1000, BasicQosOptions::default())
            .await
            .unwrap();
        Self {
            channel,
            _connection: connection,
            queue,
        }
    }

    /// Seconds until so many have come and are acknowledged.
    pub(crate) async fn consume(&self, count: usize) -> f64 {
        let began = Instant::now();
        let mut consumer: Consumer = self
            .channel
            .basic_consume(
                self.queue.as_str().into(),
                "bare".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        for number in 1..=count {
            let delivery = consumer.next().await.unwrap().unwrap();
            if number % 250 == 0 || number == count {
                delivery
                    .acker
                    .ack(BasicAckOptions { multiple: true })
                    .await
                    .unwrap();
            }
        }
        began.elapsed().as_secs_f64()
    }
}

async fn connect(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap()
}
