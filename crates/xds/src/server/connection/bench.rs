//! A connection on the bench: requests in, responses out, and a clock that the test moves.

use std::{sync::Arc, time::Duration};

use rescind_proto::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
    google::rpc,
};
use tokio::{sync::Notify, time::Instant};

use super::{Connection, Heard, Standing, Step, StreamId};
use crate::{
    Audience, Position, Source,
    fixtures::{FakeSource, names, wire::answer_delta},
    server::{
        Declared, Settings,
        frame::Reply,
        gate::Gate,
        nonce::Nonces,
        opening::{Opening, Said, Wants},
    },
};

#[derive(Debug)]
pub(super) struct Bench {
    pub(super) source: FakeSource,
    pub(super) connection: Connection,
    pub(super) now: Instant,
    settings: Arc<Settings>,
    nonces: Arc<Nonces>,
    pub(super) gate: Gate,
    streams: StreamId,
}

impl Bench {
    pub(super) fn new(source: FakeSource) -> Self {
        Self::with(source, Settings::default())
    }

    pub(super) fn with(source: FakeSource, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let nonces = Arc::new(Nonces::new());
        let gate = Gate::new(settings.full_sync_places);
        Self {
            source,
            connection: Connection::new(Arc::clone(&settings), Arc::clone(&nonces), gate.clone()),
            now: Instant::now(),
            settings,
            nonces,
            gate,
            streams: 0,
        }
    }

    /// Everything is lost but the source: the next stream is on a new connection.
    pub(super) fn reconnect(&mut self) {
        let (settings, nonces) = (Arc::clone(&self.settings), Arc::clone(&self.nonces));
        self.connection = Connection::new(settings, nonces, self.gate.clone());
    }

    pub(super) fn open(&mut self, audience: Audience, instance: &str, version: &str) -> StreamId {
        let version = version.to_owned();
        let start = self.source.resolve(&version);
        self.open_for(audience, instance, Wants::Tokens { version }, start)
    }

    /// A packed stream of a client that holds everything up to `version`.
    pub(super) fn range(&mut self, version: &str) -> StreamId {
        let start = self.source.resolve(version);
        let wants = Wants::Range {
            log: true,
            checkpoint: true,
            versions: Default::default(),
        };
        self.open_for(Audience::Rescind, "gw", wants, start)
    }

    /// A stream of named resources, of a client that holds `versions`.
    pub(super) fn named(
        &mut self,
        subscribe: &[&str],
        unsubscribe: &[&str],
        versions: &[(&str, &str)],
    ) -> StreamId {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let versions = versions
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()));
        let wants = Wants::Names {
            subscribe: owned(subscribe),
            unsubscribe: owned(unsubscribe),
            versions: versions.collect(),
        };
        self.open_for(Audience::Classic, "third", wants, Position(0))
    }

    fn open_for(
        &mut self,
        audience: Audience,
        instance: &str,
        wants: Wants,
        start: Position,
    ) -> StreamId {
        self.streams += 1;
        let opening = Opening {
            instance: instance.to_owned(),
            odd_instance: false,
            audience,
            declared: Declared::default(),
            wants,
        };
        let goal = self.source.head_now().position;
        let wake = Arc::new(Notify::new());
        self.connection
            .open(self.streams, &opening, start, goal, self.now, wake);
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
            Step::Send(sent) => state(sent.reply),
            other => panic!("expected a response, got {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn sent_delta(&mut self, stream: StreamId) -> DeltaDiscoveryResponse {
        match self.step(stream) {
            Step::Send(sent) => delta(sent.reply),
            other => panic!("expected a response, got {other:?}"),
        }
    }

    pub(super) fn ack_delta(&mut self, on: StreamId, response: &DeltaDiscoveryResponse) -> Heard {
        self.request_delta(on, answer_delta(response, None))
    }

    pub(super) fn nack_delta(&mut self, on: StreamId, response: &DeltaDiscoveryResponse) -> Heard {
        self.request_delta(on, answer_delta(response, Some("cannot decode")))
    }

    /// A request that changes the subscription and answers nothing.
    pub(super) fn subscribe(
        &mut self,
        on: StreamId,
        subscribe: &[&str],
        unsubscribe: &[&str],
    ) -> Heard {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let request = DeltaDiscoveryRequest {
            resource_names_subscribe: owned(subscribe),
            resource_names_unsubscribe: owned(unsubscribe),
            ..Default::default()
        };
        self.request_delta(on, request)
    }

    pub(super) fn request_delta(&mut self, on: StreamId, request: DeltaDiscoveryRequest) -> Heard {
        match Said::read_delta(request) {
            Ok(said) => self.said(on, &said),
            Err(status) => Heard::Invalid(status),
        }
    }

    fn said(&mut self, on: StreamId, said: &Said) -> Heard {
        let head = self.source.head_now();
        self.connection.request(on, said, head, self.now)
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

    pub(super) fn source_version(&self, name: &str) -> String {
        let names = Source::names(&self.source).expect("names");
        names.find(name, 0).expect("there").version
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
        match Said::read(request.clone()) {
            Ok(said) => self.said(on, &said),
            Err(status) => Heard::Invalid(status),
        }
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

#[track_caller]
pub(super) fn state(reply: Reply) -> DiscoveryResponse {
    assert!(reply.is_state(), "not state of the world");
    reply.decode()
}

#[track_caller]
pub(super) fn delta(reply: Reply) -> DeltaDiscoveryResponse {
    assert!(!reply.is_state(), "not incremental");
    reply.decode()
}
