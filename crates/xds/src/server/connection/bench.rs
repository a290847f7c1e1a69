//! A connection on the bench: requests in, responses out, and a clock that the test moves.

use std::{sync::Arc, time::Duration};

use rescind_proto::{
    envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    google::rpc,
};
use tokio::time::Instant;

use super::{Connection, Heard, Standing, Step, StreamId};
use crate::{
    Audience, Source,
    fixtures::{FakeSource, names},
    server::{Settings, nonce::Nonces, opening::Opening},
};

#[derive(Debug)]
pub(super) struct Bench {
    pub(super) source: FakeSource,
    pub(super) connection: Connection,
    pub(super) now: Instant,
    settings: Arc<Settings>,
    nonces: Arc<Nonces>,
    streams: StreamId,
}

impl Bench {
    pub(super) fn new(source: FakeSource) -> Self {
        Self::with(source, Settings::default())
    }

    pub(super) fn with(source: FakeSource, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let nonces = Arc::new(Nonces::new());
        Self {
            source,
            connection: Connection::new(Arc::clone(&settings), Arc::clone(&nonces)),
            now: Instant::now(),
            settings,
            nonces,
            streams: 0,
        }
    }

    /// Everything is lost but the source: the next stream is on a new connection.
    pub(super) fn reconnect(&mut self) {
        self.connection = Connection::new(Arc::clone(&self.settings), Arc::clone(&self.nonces));
    }

    pub(super) fn open(&mut self, audience: Audience, instance: &str, version: &str) -> StreamId {
        self.streams += 1;
        let opening = Opening {
            instance: instance.to_owned(),
            odd_instance: false,
            audience,
            version: version.to_owned(),
        };
        let start = self.source.resolve(version);
        self.connection
            .open(self.streams, &opening, start, self.now);
        self.streams
    }

    pub(super) fn classic(&mut self, instance: &str, version: &str) -> StreamId {
        self.open(Audience::Classic, instance, version)
    }

    pub(super) fn rescind(&mut self, instance: &str, version: &str) -> StreamId {
        self.open(Audience::Rescind, instance, version)
    }

    pub(super) fn step(&mut self, stream: StreamId) -> Step {
        let head = self.source.head_now();
        self.connection.poll(stream, &self.source, head, self.now)
    }

    #[track_caller]
    pub(super) fn sent(&mut self, stream: StreamId) -> DiscoveryResponse {
        match self.step(stream) {
            Step::Send(sent) => sent.response,
            other => panic!("expected a response, got {other:?}"),
        }
    }

    /// The next response, checked: its version and the names in it.
    #[track_caller]
    pub(super) fn expect(
        &mut self,
        stream: StreamId,
        version: &str,
        resources: &[&str],
    ) -> DiscoveryResponse {
        let response = self.sent(stream);
        assert_eq!(
            (response.version_info.as_str(), names(&response.resources)),
            (version, resources.iter().map(|n| (*n).to_owned()).collect())
        );
        response
    }

    #[track_caller]
    pub(super) fn quiet(&mut self, stream: StreamId) {
        let step = self.step(stream);
        assert!(matches!(step, Step::Wait(_)), "expected silence: {step:?}");
    }

    pub(super) fn ack(&mut self, on: StreamId, response: &DiscoveryResponse) -> Heard {
        self.request(on, &answer(response, None))
    }

    pub(super) fn nack(&mut self, on: StreamId, response: &DiscoveryResponse) -> Heard {
        self.request(on, &answer(response, Some("cannot decode")))
    }

    pub(super) fn request(&mut self, on: StreamId, request: &DiscoveryRequest) -> Heard {
        let head = self.source.head_now();
        self.connection.request(on, request, head, self.now)
    }

    pub(super) fn close_stream(&mut self, stream: StreamId) {
        self.connection.close(stream, self.now);
    }

    pub(super) fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    #[track_caller]
    pub(super) fn standing(&self, stream: StreamId) -> Standing {
        self.connection.standing(stream).expect("an open stream")
    }
}

pub(super) fn answer(response: &DiscoveryResponse, error: Option<&str>) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info: response.version_info.clone(),
        response_nonce: response.nonce.clone(),
        error_detail: error.map(|message| rpc::Status {
            message: message.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}
