//! One attempt: a connection, a stream on it, and every response until it ends.

use std::{convert::Infallible, future::Future};

use rescind_proto::{
    envoy::config::core::v3::Node,
    google::{
        protobuf::{Struct, Value, value::Kind},
        rpc,
    },
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use tokio::{
    sync::mpsc,
    task::yield_now,
    time::{Duration, Instant, sleep, timeout},
};
use tonic::{Code, Status, Streaming, transport::Channel};

use super::{
    Answer, ClientConfig, LinkState, Outcome, Sink, Update,
    dial::dial,
    freshness::Freshness,
    heard::{Heard, Listening},
    journal::Journal,
};
use crate::{RESCIND_FEATURE, server::Declared, text::clean};

pub(super) type Discovery = RevokedTokenDiscoveryServiceClient<Listening>;

pub(super) struct Attempt<'a, S> {
    pub(super) config: &'a ClientConfig,
    pub(super) address: &'a str,
    pub(super) sink: &'a mut S,
    pub(super) journal: &'a mut Journal,
    freshness: &'a mut Freshness,
    heard: Heard,
    pub(super) responded: bool,
    /// The server is `rescind.v1`: it never is silent for long.
    pub(super) speaks: bool,
}

impl<'a, S: Sink> Attempt<'a, S> {
    pub(super) fn new(
        config: &'a ClientConfig,
        address: &'a str,
        sink: &'a mut S,
        journal: &'a mut Journal,
        freshness: &'a mut Freshness,
    ) -> Self {
        Self {
            config,
            address,
            sink,
            journal,
            freshness,
            heard: Heard::default(),
            responded: false,
            speaks: false,
        }
    }

    /// Whether the server has sent anything.
    pub(super) fn has_responded(&self) -> bool {
        self.responded
    }

    /// Goes on until there is nothing more to come; returns why, in one line.
    pub(super) async fn run(&mut self) -> String {
        let Err(reason) = self.subscribe().await;
        clean(&reason, REASON_BYTES)
    }

    async fn subscribe(&mut self) -> Result<Infallible, String> {
        let channel = dial(self.config, self.address)
            .await
            .map_err(|error| error.to_string())?;
        self.speak(channel).await
    }

    /// The same over a connection that stands.
    pub(super) async fn speak(&mut self, channel: Channel) -> Result<Infallible, String> {
        let channel = Listening::new(channel, self.heard.clone());
        let client = RevokedTokenDiscoveryServiceClient::new(channel)
            .max_decoding_message_size(self.config.max_message_bytes);
        let address = self.address.to_owned();
        self.sink.link(LinkState::Opening { address });
        match self.incremental(client.clone()).await {
            Ok(never) => match never {},
            // An old server: the same connection has the old method.
            Err(Lost::NotServed) => self.state_of_the_world(client).await,
            Err(Lost::For(reason)) => Err(reason),
        }
    }

    /// The stream stands.
    pub(super) fn connected(&mut self, version: &str) {
        self.journal.connected(self.address, version);
        let address = self.address.to_owned();
        self.sink.link(LinkState::Connected { address });
    }

    /// Waits for an old server's stream to stand. It may show nothing before its first response: if it does not refuse, the
    /// link counts as made.
    pub(super) async fn opened<T>(
        &mut self,
        stream: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, String> {
        tokio::pin!(stream);
        let refused_or_open = tokio::select! {
            biased;
            result = &mut stream => Some(result),
            () = sleep(self.config.settle) => None,
        };
        let since = Instant::now();
        if matches!(refused_or_open, None | Some(Ok(_))) {
            self.connected(&self.sink.version());
        }
        let result = match refused_or_open {
            Some(result) => result,
            None => loop {
                tokio::select! {
                    biased;
                    result = &mut stream => break result,
                    () = sleep(self.config.alive) => self.alive(since),
                }
            },
        };
        result.map_err(|status| reason(&status))
    }

    /// The next response. A server that is `rescind.v1` is left when not a byte comes for a while; of another one the sink hears that
    /// it is there. While something is `held`, the server owes nothing, and what comes may be that it is settled.
    pub(super) async fn receive<T>(
        &mut self,
        stream: &mut Streaming<T>,
        held: bool,
    ) -> Result<Received<T>, String> {
        let since = Instant::now();
        loop {
            let patience = match self.speaks && !held {
                true => self.config.silence.saturating_sub(self.quiet(since)),
                false => self.config.alive,
            };
            match timeout(patience, self.message(stream)).await {
                Ok(Ok(Some(response))) => {
                    self.responded = true;
                    return Ok(Received::Response(response));
                }
                Ok(Ok(None)) => return Err("the server ended the stream".to_owned()),
                Ok(Err(status)) => return Err(reason(&status)),
                Err(_) if held => {
                    if let Some(answer) = self.sink.settle() {
                        return Ok(Received::Settled(answer));
                    }
                }
                Err(_) if self.speaks => {
                    // What comes slowly comes: a large response over a narrow line takes its time.
                    if self.quiet(since) >= self.config.silence {
                        return Err(format!("silent for {:?}", self.config.silence));
                    }
                }
                Err(_) => self.alive(since),
            }
        }
    }

    /// What the stream has next. The sink does its own work while that is nothing.
    async fn message<T>(&mut self, stream: &mut Streaming<T>) -> Result<Option<T>, Status> {
        let mut more = true;
        loop {
            tokio::select! {
                biased;
                message = stream.message() => return message,
                // The socket is looked at before this comes back.
                () = yield_now(), if more => more = self.sink.work(),
            }
        }
    }

    /// For how long not a byte of a response has come, counted from `since` at most.
    fn quiet(&self, since: Instant) -> Duration {
        let last = self.heard.last().map_or(since, |last| last.max(since));
        last.elapsed()
    }

    fn alive(&mut self, since: Instant) {
        let quiet = self.quiet(since);
        self.sink.link(LinkState::Alive { quiet });
    }

    /// Applies an update; what to answer it with.
    pub(super) fn apply(&mut self, update: Update) -> Result<Outcome, String> {
        let version = update.version.clone();
        let applied = self.sink.apply(update).map_err(|rejection| {
            let text = clean(&rejection.0, REASON_BYTES);
            self.journal.rejected(self.address, &version, &text);
            text
        });
        if applied == Ok(Outcome::Held) {
            self.journal.held(self.address, &version);
        }
        applied
    }

    /// Whether the adapter is to be left: it cannot make the client complete, or its source is too old.
    pub(super) fn judge(&mut self, said: Said) -> Result<(), String> {
        if !said.complete && !self.sink.is_complete() {
            return match self.freshness.incomplete(self.address, Instant::now()) {
                false => Ok(()),
                true => Err("its set is not complete: asking another adapter".to_owned()),
            };
        }
        said.source_age_ms
            .map_or(Ok(()), |age| self.source_age(age))
    }

    fn source_age(&mut self, age_ms: u64) -> Result<(), String> {
        let age = Duration::from_millis(age_ms);
        match self.freshness.heard(self.address, age, Instant::now()) {
            false => Ok(()),
            true => Err(format!(
                "its source was last good {} s ago: asking another adapter",
                age.as_secs()
            )),
        }
    }

    /// Who this is.
    pub(super) fn node(&self) -> Node {
        let text = |text: &str| Kind::StringValue(text.to_owned());
        let number = |number: u64| Kind::NumberValue(number as f64);
        let Declared {
            adapters,
            stale_after_s,
            stale_policy,
        } = &self.config.declared;
        let fields = [
            (
                "instanceIdentifier",
                Some(text(&self.config.instance_identifier)),
            ),
            ("adapters", adapters.map(number)),
            ("stale_after_s", stale_after_s.map(number)),
            ("stale_policy", stale_policy.as_deref().map(text)),
        ];
        let fields = fields.into_iter().filter_map(|(name, kind)| {
            let kind = Some(kind?);
            Some((name.to_owned(), Value { kind }))
        });
        Node {
            id: self.config.node_id.clone(),
            metadata: Some(Struct {
                fields: fields.collect(),
            }),
            client_features: vec![RESCIND_FEATURE.to_owned()],
            ..Default::default()
        }
    }
}

/// What an adapter says of itself in a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) complete: bool,
    pub(super) source_age_ms: Option<u64>,
}

/// What comes while a stream is waited for.
pub(super) enum Received<T> {
    Response(T),
    /// What was applied and not ACKed can be ACKed now.
    Settled(Answer),
}

/// Why a stream came to its end.
pub(super) enum Lost {
    /// The server does not have this method.
    NotServed,
    For(String),
}

impl From<String> for Lost {
    fn from(reason: String) -> Self {
        Self::For(reason)
    }
}

pub(super) async fn send<T>(
    config: &ClientConfig,
    requests: &mpsc::Sender<T>,
    request: T,
) -> Result<(), String> {
    match timeout(config.silence, requests.send(request)).await {
        // Closed: the stream has ended, and reading on says why.
        Ok(Ok(()) | Err(_)) => Ok(()),
        Err(_) => Err("the server takes no requests".to_owned()),
    }
}

/// What a NACK says.
pub(super) fn error_detail(message: String) -> rpc::Status {
    rpc::Status {
        code: Code::InvalidArgument as i32,
        message,
        ..Default::default()
    }
}

pub(super) fn reason(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// What is kept of a text from the other side, or sent to it.
pub(super) const REASON_BYTES: usize = 4 * 1024;
