//! What arrived together, and is committed together.

use std::sync::Arc;

use rescind_eventhub::{Delivery, Event};
use rescind_revocation::Revocation;

/// What the messages of one group hold.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// By the broker that they came from: one, but where several are subscribed to at once.
    pub(super) revocations: Vec<(Arc<str>, Vec<Revocation>)>,
    pub(super) deliveries: Vec<Delivery>,
}

impl Group {
    /// Takes a delivery, and what it revokes.
    pub(super) fn take(&mut self, delivery: Delivery) {
        if let Ok(Event::Revoked { revocation, .. }) = &delivery.event {
            self.of(&delivery.source).push(revocation.clone());
        }
        self.deliveries.push(delivery);
    }

    /// What came from this broker.
    fn of(&mut self, source: &Arc<str>) -> &mut Vec<Revocation> {
        let known = self
            .revocations
            .iter()
            .position(|(other, _)| other == source);
        let at = known.unwrap_or_else(|| {
            self.revocations.push((Arc::clone(source), Vec::new()));
            self.revocations.len() - 1
        });
        &mut self.revocations[at].1
    }
}
