//! What is counted of the hub. Labels come from small enums: nothing that a message says becomes one.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use rescind_revocation::Kind;

use crate::{DecodeError, Event};

/// Counters of the hub. Create one, [`register`](Self::register) it, and give it to [`subscribe`](crate::subscribe()).
#[derive(Debug, Default)]
pub struct Metrics {
    events: Family<EventLabels, Counter>,
    unreadable: Family<UnreadableLabels, Counter>,
    pub(crate) connected: Gauge,
    pub(crate) reconnects: Counter,
    pub(crate) failed_attempts: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    kind: EventKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the label values")]
enum EventKind {
    jwt,
    api_key,
    other_token,
    app,
    subject,
    refetch,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnreadableLabels {
    reason: &'static str,
}

impl Metrics {
    /// Names the counters in `registry`: `hub_events_total{kind}`, `hub_events_unreadable_total{reason}`,
    /// `hub_connected`, `hub_reconnects_total` and `hub_failed_attempts_total`, under the registry's own prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "hub_events",
            "Events of the hub, by what they revoke",
            self.events.clone(),
        );
        registry.register(
            "hub_events_unreadable",
            "Events of the hub that could not be read",
            self.unreadable.clone(),
        );
        registry.register(
            "hub_connected",
            "Subscriptions to the hub that stand",
            self.connected.clone(),
        );
        registry.register(
            "hub_reconnects",
            "Subscriptions that stood again after a loss",
            self.reconnects.clone(),
        );
        registry.register(
            "hub_failed_attempts",
            "Attempts to subscribe that failed",
            self.failed_attempts.clone(),
        );
    }

    pub(crate) fn count(&self, event: &Result<Event, DecodeError>) {
        match event {
            Ok(event) => {
                let kind = EventKind::of(event);
                self.events.get_or_create(&EventLabels { kind }).inc();
            }
            Err(error) => {
                let reason = error.reason();
                self.unreadable
                    .get_or_create(&UnreadableLabels { reason })
                    .inc();
            }
        }
    }
}

impl EventKind {
    fn of(event: &Event) -> Self {
        match event {
            Event::Refetch { .. } => Self::refetch,
            Event::Revoked {
                kind_name,
                revocation,
            } => match (revocation.kind(), &**kind_name) {
                (Kind::App, _) => Self::app,
                (Kind::Subject, _) => Self::subject,
                (Kind::Token, "JWT") => Self::jwt,
                (Kind::Token, "API_KEY") => Self::api_key,
                (Kind::Token, _) => Self::other_token,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use rescind_revocation::{Expiry, Identifier, Revocation};

    use super::*;

    #[test]
    fn a_kind_that_the_hub_made_up_is_not_a_label() {
        let metrics = Metrics::default();
        let mut registry = Registry::with_prefix("rescind");
        metrics.register(&mut registry);
        for kind_name in ["JWT", "made up", "made up too"] {
            metrics.count(&Ok(Event::Revoked {
                kind_name: kind_name.into(),
                revocation: Revocation::Token {
                    identifier: Identifier::new("x").unwrap(),
                    expiry: Expiry::Never,
                },
            }));
        }
        metrics.count(&Err(DecodeError::NotUtf8));

        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "rescind_hub_events_total{kind=\"jwt\"} 1",
            "rescind_hub_events_total{kind=\"other_token\"} 2",
            "rescind_hub_events_unreadable_total{reason=\"not_utf8\"} 1",
            "rescind_hub_connected 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
