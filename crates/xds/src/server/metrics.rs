//! What the server counts.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::Audience;

/// The server's metrics. Names are given at [`Metrics::register`]; the registry's owner sets the prefix.
#[derive(Debug)]
pub struct Metrics {
    streams: Family<AudienceLabel, Gauge>,
    pub(crate) responses: Counter,
    pub(crate) resources: Counter,
    pub(crate) bytes: Counter,
    pub(crate) acks: Counter,
    pub(crate) nacks: Counter,
    pub(crate) stale_nonces: Counter,
    pub(crate) ack_seconds: Histogram,
    pub(crate) ack_timeouts: Counter,
    pub(crate) entries_skipped: Counter,
    pub(crate) superseded: Counter,
    pub(crate) refused: Counter,
    pub(crate) pages: Counter,
    pub(crate) aged: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            streams: Family::default(),
            responses: Counter::default(),
            resources: Counter::default(),
            bytes: Counter::default(),
            acks: Counter::default(),
            nacks: Counter::default(),
            stale_nonces: Counter::default(),
            // 0.5 ms to about two minutes, where a stream is closed.
            ack_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 18)),
            ack_timeouts: Counter::default(),
            entries_skipped: Counter::default(),
            superseded: Counter::default(),
            refused: Counter::default(),
            pages: Counter::default(),
            aged: Counter::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn streams(&self, audience: Audience) -> Gauge {
        self.streams.get_or_create_owned(&audience.into())
    }

    /// Registers everything as `xds_*`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("xds");
        registry.register(
            "streams",
            "Open streams by what the client can take",
            self.streams.clone(),
        );
        for (name, help, counter) in [
            ("responses", "Responses sent", &self.responses),
            ("resources", "Resources sent", &self.resources),
            ("bytes", "Bytes of responses sent, unpacked", &self.bytes),
            ("acks", "Responses that were ACKed", &self.acks),
            ("nacks", "Responses that were NACKed", &self.nacks),
            (
                "stale_nonces",
                "Requests with a nonce that is not outstanding; ignored",
                &self.stale_nonces,
            ),
            (
                "ack_timeouts",
                "Streams ended because an ACK did not come",
                &self.ack_timeouts,
            ),
            (
                "entries_skipped",
                "Entries that a client refused, or that are too large to send: not enforced there",
                &self.entries_skipped,
            ),
            (
                "streams_superseded",
                "Streams ended because the same client opened a newer one",
                &self.superseded,
            ),
            (
                "streams_refused",
                "Streams refused, or ended because of an invalid or missing request",
                &self.refused,
            ),
            (
                "streams_aged",
                "Streams ended because their connection was old enough",
                &self.aged,
            ),
            ("pages", "Pages answered to FetchTokens", &self.pages),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "ack_seconds",
            "Time from sending a response to its ACK",
            self.ack_seconds.clone(),
        );
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AudienceLabel {
    audience: AudienceValue,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelValue)]
enum AudienceValue {
    #[allow(non_camel_case_types, reason = "spelled as the label's value")]
    classic,
    #[allow(non_camel_case_types, reason = "spelled as the label's value")]
    rescind,
}

impl From<Audience> for AudienceLabel {
    fn from(audience: Audience) -> Self {
        let audience = match audience {
            Audience::Classic => AudienceValue::classic,
            Audience::Rescind => AudienceValue::rescind,
        };
        Self { audience }
    }
}
