//! Subscriptions to the hub, for as long as the process runs: one, or one for each broker.
//!
//! ```text
//!            attempt fails: wait, next endpoint
//!            +---------+
//!            v         |
//!   start -> connect, declare, bind, consume -> Subscribed -> deliveries
//!            ^                                                   |
//!            +------------------- Lost <-------------------------+
//!                     any end: close, build everything anew
//! ```
//!
//! Nothing survives an end: connection, channel, queue and bindings are made anew, under a new queue name, and what was
//! published in between is gone with the old queue. That is why the caller reads the whole list after each
//! [`HubMessage::Subscribed`]. lapin's own recovery stays off: it works, but silently, and the gap would show nowhere.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::join_all;
use thiserror::Error;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Delivery, Endpoint, Metrics, Received, backoff, failover::Failover};

mod connection;
mod queue;
mod session;

use session::{End, Session};

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Received + Send + Sync>;

/// A subscription that stood this long has proved its endpoint: after its loss the search begins anew. One that falls
/// earlier counts as a failed attempt, so that a broker that accepts and then kicks is not asked in a tight loop.
const PROVED: Duration = Duration::from_secs(10);

/// Where to subscribe, and how.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The brokers. At least one.
    pub endpoints: Vec<Endpoint>,
    /// Whether one of them is enough. Default: failover.
    pub mode: Mode,
    /// A queue that outlives its connection. Default: none.
    pub durable_queue: Option<DurableQueue>,
    /// How `amqps` endpoints are verified. Needed if there is one.
    pub tls: Option<HubTls>,
    /// The heartbeat to ask for, in whole seconds from 1 to 60. Qpid and Andes offer none, and then a frozen broker would
    /// go unnoticed for ever. Default: 5 s.
    pub heartbeat: Duration,
    /// Most deliveries that may be unsettled, from 1 to 1000, where Andes stops delivering. Default: 1000.
    pub prefetch: u16,
    /// How often to ask whether the queue still exists. Default: 15 s.
    pub queue_check: Duration,
    /// How long one step of building a subscription may take. Default: 10 s.
    pub step_timeout: Duration,
    /// What the broker shows for the connection.
    pub connection_name: String,
}

/// What several brokers are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Any of them has every event: one subscription, to the first one in order that answers.
    Failover,
    /// An event may reach only one of them: a subscription to each.
    All,
}

/// A queue that keeps what is published while nobody consumes it. Only RabbitMQ can have one that is dropped when it is
/// forgotten; on another broker the subscription is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableQueue {
    /// Its name, this adapter's alone: a second consumer is refused.
    pub name: String,
    /// How long it is kept unused, in whole milliseconds.
    pub expires: Duration,
}

/// How the brokers behind `amqps` endpoints are verified.
#[derive(Clone)]
pub struct HubTls {
    /// Trust, and the client's own certificate if it has one. Without ALPN.
    pub client: Arc<rustls::ClientConfig>,
    /// The name to ask for and to verify, where the endpoint's host is not in the broker's certificate.
    pub server_name: Option<String>,
}

impl fmt::Debug for HubTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubTls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a [`HubConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HubConfigError {
    /// Nothing to connect to.
    #[error("no endpoint")]
    NoEndpoint,
    /// An `amqps` endpoint, and no TLS.
    #[error("{0} needs TLS settings")]
    NoTls(String),
    /// Not 1 to 60 whole seconds.
    #[error("heartbeat is not 1 to 60 whole seconds")]
    Heartbeat,
    /// Not 1 to 1000.
    #[error("prefetch is not 1 to 1000")]
    Prefetch,
    /// Not a name that a queue can have.
    #[error("the name of the durable queue is not 1 to 255 bytes, or begins with `amq.`")]
    QueueName,
    /// Not 1 ms to 2^32 ms.
    #[error("the durable queue expires after no time or after more than 49 days")]
    QueueExpiry,
}

impl HubConfig {
    /// Settings for `endpoints`, everything else by default.
    pub fn new(endpoints: Vec<Endpoint>, tls: Option<HubTls>) -> Self {
        Self {
            endpoints,
            mode: Mode::Failover,
            durable_queue: None,
            tls,
            heartbeat: Duration::from_secs(5),
            prefetch: 1000,
            queue_check: Duration::from_secs(15),
            step_timeout: Duration::from_secs(10),
            connection_name: "rescind-adapter".into(),
        }
    }

    /// Names the first setting that cannot work.
    pub fn validate(&self) -> Result<(), HubConfigError> {
        if self.endpoints.is_empty() {
            return Err(HubConfigError::NoEndpoint);
        }
        if let (Some(endpoint), None) = (self.endpoints.iter().find(|e| e.is_tls()), &self.tls) {
            return Err(HubConfigError::NoTls(endpoint.to_string()));
        }
        if self.heartbeat.subsec_nanos() != 0 || !(1..=60).contains(&self.heartbeat.as_secs()) {
            return Err(HubConfigError::Heartbeat);
        }
        if !(1..=1000).contains(&self.prefetch) {
            return Err(HubConfigError::Prefetch);
        }
        self.durable_queue
            .as_ref()
            .map_or(Ok(()), DurableQueue::validate)
    }

    /// The settings of each subscription.
    fn split(self) -> Vec<Self> {
        match self.mode {
            Mode::Failover => vec![self],
            Mode::All => {
                let one = |endpoint: &Endpoint| Self {
                    endpoints: vec![endpoint.clone()],
                    ..self.clone()
                };
                self.endpoints.iter().map(one).collect()
            }
        }
    }
}

impl DurableQueue {
    fn validate(&self) -> Result<(), HubConfigError> {
        if !(1..=255).contains(&self.name.len()) || self.name.starts_with("amq.") {
            return Err(HubConfigError::QueueName);
        }
        match u32::try_from(self.expires.as_millis()) {
            Ok(1..) => Ok(()),
            _ => Err(HubConfigError::QueueExpiry),
        }
    }
}

/// Which of the subscriptions it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 0, in the order of the endpoints; 0 where there is one for all of them.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

/// What the subscriptions tell their owner, each in the order in which it happens.
#[derive(Debug)]
pub enum HubMessage {
    /// A queue is bound and consumed: from here on nothing is missed until the next [`Lost`](Self::Lost). What was
    /// published before is not in it: read the list now.
    Subscribed {
        /// Which subscription stands.
        place: Place,
        /// The broker, without credentials.
        endpoint: String,
    },
    /// A subscription does not stand, and why. Comes when one ends, and again for each attempt to build it that fails.
    Lost {
        /// Which subscription does not stand.
        place: Place,
        /// One line, without credentials.
        reason: String,
        /// When that was noticed: whoever hears it may have been busy for long.
        at: Instant,
    },
    /// A message, in the order of its queue.
    Delivery(Delivery),
}

/// Keeps the subscriptions alive until `cancel` is cancelled or the receiver of `out` is gone, then closes them.
///
/// No failure ends it. `out` should be bounded: when its receiver is slow, deliveries stay unacknowledged, and at
/// `prefetch` of them the broker waits.
pub async fn subscribe(
    config: HubConfig,
    now: Clock,
    metrics: Arc<Metrics>,
    out: mpsc::Sender<HubMessage>,
    cancel: CancellationToken,
) {
    let configs = config.split();
    let count = configs.len();
    let subscribers = configs.into_iter().enumerate().map(|(index, config)| {
        let subscriber = Subscriber {
            place: Place { index, count },
            config,
            now: Arc::clone(&now),
            metrics: Arc::clone(&metrics),
            out: out.clone(),
            cancel: cancel.clone(),
        };
        subscriber.run()
    });
    join_all(subscribers).await;
}

struct Subscriber {
    place: Place,
    config: HubConfig,
    now: Clock,
    metrics: Arc<Metrics>,
    out: mpsc::Sender<HubMessage>,
    cancel: CancellationToken,
}

impl Subscriber {
    async fn run(self) {
        let mut failover = Failover::new(&self.config.endpoints);
        let mut stood_before = false;
        while let Some(attempt) = failover.next() {
            let wait = backoff::full_jitter(attempt.ceiling, rand::random());
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = sleep(wait) => {}
            }
            let Some(session) = self.attempt(attempt.endpoint).await else {
                return;
            };
            let (proved, reason, at) = match session {
                Ok(session) => {
                    if std::mem::replace(&mut stood_before, true) {
                        self.metrics.reconnects.inc();
                    }
                    let began = Instant::now();
                    match self.consume(attempt.endpoint, session).await {
                        End::Cancelled => return,
                        End::Lost(reason, at) => (began.elapsed() >= PROVED, reason, at),
                    }
                }
                Err(reason) => {
                    self.metrics.failed_attempts.inc();
                    (false, reason, Instant::now())
                }
            };
            if proved {
                failover.lost();
            } else {
                failover.failed();
            }
            let place = self.place;
            if self
                .tell(HubMessage::Lost { place, reason, at })
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Builds a subscription, or says in one line why that failed. `None` when cancelled.
    async fn attempt(&self, index: usize) -> Option<Result<Session, String>> {
        let endpoint = &self.config.endpoints[index];
        let index = self.index(index);
        info!("Dialing URI [{index}] \"{endpoint}\"");
        let built = tokio::select! {
            () = self.cancel.cancelled() => return None,
            built = Session::build(&self.config, endpoint) => built,
        };
        Some(built.map_err(|error| {
            warn!("Error while connecting to URI [{index}] \"{endpoint}\": {error}");
            format!("{endpoint}: {error}")
        }))
    }

    async fn consume(&self, index: usize, session: Session) -> End {
        let endpoint = self.config.endpoints[index].to_string();
        let index = self.index(index);
        info!("Successfully established the AMQP connection on URI [{index}], \"{endpoint}\"");
        let subscribed = HubMessage::Subscribed {
            place: self.place,
            endpoint: endpoint.clone(),
        };
        self.metrics.connected.inc();
        let end = match self.tell(subscribed).await {
            Some(()) => session.run(self).await,
            None => session.close(End::Cancelled).await,
        };
        self.metrics.connected.dec();
        match end {
            End::Cancelled => End::Cancelled,
            End::Lost(reason, at) => {
                warn!("Lost the subscription on URI [{index}] \"{endpoint}\": {reason}");
                End::Lost(format!("{endpoint}: {reason}"), at)
            }
        }
    }

    /// The endpoint's place in the configured list.
    fn index(&self, index: usize) -> usize {
        match self.config.mode {
            Mode::Failover => index,
            Mode::All => self.place.index,
        }
    }

    /// Hands a message on. `None` when cancelled, or when nobody receives any more.
    async fn tell(&self, message: HubMessage) -> Option<()> {
        tokio::select! {
            () = self.cancel.cancelled() => None,
            sent = self.out.send(message) => sent.ok(),
        }
    }
}

#[cfg(test)]
mod tests;
