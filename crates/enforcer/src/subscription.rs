//! What comes from the adapter, taken into the revoked set: decoded and validated whole, then applied in one step.

use std::sync::Arc;

use rescind_revocation::{Entry, RevokedSet};
use rescind_runtime::health::Health;
use rescind_xds::client::{LinkState, Rejection, ServerHead, Sink, Update};
use tracing::{debug, info};

use crate::{metrics::Metrics, readiness::Readiness};

mod decode;

/// The degraded state while no adapter is connected.
const LINK: &str = "adapter";

/// The degraded state while the adapter does not say whether its set is whole.
const UNPROVEN: &str = "unproven adapter";

/// The only writer of the revoked set.
#[derive(Debug)]
pub struct Subscription {
    set: Arc<RevokedSet>,
    version: String,
    readiness: Readiness,
    health: Health,
    metrics: Metrics,
}

impl Subscription {
    /// Takes updates into `set`, which is empty, and says by `readiness` when it is whole.
    pub fn new(
        set: Arc<RevokedSet>,
        readiness: Readiness,
        health: Health,
        metrics: Metrics,
    ) -> Self {
        Self {
            set,
            version: String::new(),
            readiness,
            health,
            metrics,
        }
    }

    fn publish(&mut self, entries: &[Entry], version: String) {
        let applied = self.set.apply(entries, &version);
        let sequence = sequence(&version);
        self.metrics.applied_entries.inc_by(entries.len() as u64);
        self.metrics
            .set_entries
            .set(i64::try_from(applied.total).unwrap_or(i64::MAX));
        self.metrics.set_version.set(sequence.parse().unwrap_or(0));
        let (count, total) = (entries.len(), applied.total);
        // Two blanks: Choreo Connect's line, which operators search for.
        if count > 0 || version != self.version {
            info!(
                count,
                total, "Revoked  token event received with version : {sequence}"
            );
        } else {
            debug!(
                total,
                "Revoked  token event received with version : {sequence}"
            );
        }
        self.version = version;
    }

    /// The set is whole once it holds the head of an adapter that calls its own whole.
    fn judge(&self, head: Option<&ServerHead>) {
        let Some(head) = head else {
            if !self.readiness.is_complete() {
                self.health
                    .degrade(UNPROVEN, "it does not say whether its set is complete");
            }
            return;
        };
        self.health.recover(UNPROVEN);
        if head.complete && head.version == self.version && self.readiness.complete() {
            let total = self.set.read(rescind_revocation::View::len);
            info!(
                total,
                "The revoked set is complete, checks are decided from now on"
            );
        }
    }
}

impl Sink for Subscription {
    fn version(&self) -> String {
        self.version.clone()
    }

    fn apply(&mut self, update: Update) -> Result<(), Rejection> {
        let entries = decode::entries(&update.resources).map_err(|error| {
            self.metrics.rejected_updates.inc();
            Rejection(error.to_string())
        })?;
        self.publish(&entries, update.version);
        self.judge(update.head.as_ref());
        Ok(())
    }

    fn link(&mut self, state: LinkState) {
        match state {
            LinkState::Connected { address } => {
                debug!(address, "Connected");
                self.metrics.adapter_connected.set(1);
                self.health.recover(LINK);
            }
            LinkState::Disconnected { reason } => {
                self.metrics.adapter_connected.set(0);
                debug!(reason, "Disconnected");
                // The link's own log says why, address by address.
                self.health.degrade(LINK, "no stream to an adapter is open");
            }
        }
    }
}

/// The part of a version that grows: `1042` of `1042-0a0b0c0d`.
fn sequence(version: &str) -> &str {
    version
        .split_once('-')
        .map_or(version, |(sequence, _)| sequence)
}

#[cfg(test)]
mod tests;
