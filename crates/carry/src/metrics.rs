//! What a gRPC carrier counts.

use std::sync::Arc;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::sync::OwnedSemaphorePermit;

use crate::callers::Share;

/// Calls and connections of one carrier.
#[derive(Debug, Default)]
pub struct Metrics {
    calls: Family<OutcomeLabel, Counter>,
    in_flight: Gauge,
    pub(crate) up: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) failed_connections: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the label values")]
pub(crate) enum Outcome {
    /// The upstream said OK.
    ok,
    /// The upstream said anything else.
    error,
    /// The upstream was away, or went away.
    away,
    /// Refused by us: so many were under way already.
    full,
    /// Ended by us: the deadline, the drain.
    ended,
    /// Its caller left.
    cancelled,
}

/// A call under way: counted as cancelled unless told otherwise before it is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    outcome: Outcome,
    metrics: Arc<Metrics>,
    _place: Option<Place>,
}

/// What a call takes of what there is for all calls; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) _permit: OwnedSemaphorePermit,
    pub(crate) _share: Option<Share>,
}

impl Metrics {
    /// Names everything in `registry`, under the registry's own prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "passthrough_calls",
            "Calls that were carried to the original, by how they ended",
            self.calls.clone(),
        );
        registry.register(
            "passthrough_calls_in_flight",
            "Calls that are being carried",
            self.in_flight.clone(),
        );
        registry.register(
            "passthrough_connections",
            "Connections to the original",
            self.connections.clone(),
        );
        registry.register(
            "passthrough_failed_connections",
            "Attempts to connect to the original that failed",
            self.failed_connections.clone(),
        );
    }

    /// Names beside it whether the original answers: for who [asks](crate::GrpcCarry::probe).
    pub fn register_up(&self, registry: &mut Registry) {
        registry.register(
            "passthrough_up",
            "Whether the original answered when it was last asked",
            self.up.clone(),
        );
    }

    pub(crate) fn call(self: &Arc<Self>, place: Option<Place>) -> Call {
        self.in_flight.inc();
        Call {
            outcome: Outcome::cancelled,
            metrics: Arc::clone(self),
            _place: place,
        }
    }
}

impl Call {
    pub(crate) fn ended(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let outcome = self.outcome;
        let label = OutcomeLabel { outcome };
        self.metrics.calls.get_or_create(&label).inc();
    }
}
