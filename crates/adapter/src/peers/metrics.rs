//! What is counted of the other adapters, by the address that is configured.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Peer;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    peer: String,
}

/// Of a peer that does not answer only that is shown.
#[derive(Debug, Default)]
pub(crate) struct PeerMetrics {
    reachable: Family<Label, Gauge>,
    equal: Family<Label, Gauge>,
    difference: Family<Label, Gauge>,
}

impl PeerMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "peer_reachable",
            "Whether the other adapter answered when it was asked last",
            self.reachable.clone(),
        );
        registry.register(
            "peer_sets_equal",
            "Whether the other adapter holds the same set; absent while that is not known",
            self.equal.clone(),
        );
        registry.register(
            "peer_entries_difference",
            "Entries here less entries there, from the later horizon of both on; absent while that is not known",
            self.difference.clone(),
        );
    }

    pub(super) fn show(&self, address: &str, peer: &Peer) {
        let label = Label {
            peer: address.to_owned(),
        };
        let reachable = self.reachable.get_or_create_owned(&label);
        reachable.set(peer.reachable.into());
        let Some(compared) = &peer.compared else {
            self.equal.remove(&label);
            self.difference.remove(&label);
            return;
        };
        let equal = self.equal.get_or_create_owned(&label);
        equal.set(compared.equal.into());
        let difference = self.difference.get_or_create_owned(&label);
        difference.set(count(compared.ours).saturating_sub(count(compared.theirs)));
    }
}

/// What the peer says of itself may be anything.
fn count(entries: u64) -> i64 {
    i64::try_from(entries).unwrap_or(i64::MAX)
}
