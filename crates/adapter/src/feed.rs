//! Revocations put into a running adapter by hand: for benchmarks, which need no control plane to measure the way out.
//!
//! They take the same way as those of the control plane's list: one group, one commit, one movement of the head. What an
//! operator revokes comes from the control plane, not from here.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use prometheus_client::{encoding::text::encode, registry::Registry};
use rescind_revocation::Revocation;
use tokio::sync::{mpsc, oneshot};

use crate::{Metrics, ingest::Command, roster::Roster};

/// The way in. A clone is the same one.
#[derive(Debug, Clone)]
pub struct Feed {
    commands: mpsc::Sender<Command>,
    roster: Roster,
    metrics: Arc<Metrics>,
}

/// How often it happened that all streams had ACKed what was published, and how long that took in all, from its receipt.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LastAcks {
    /// How often.
    pub count: f64,
    /// The sum, in seconds.
    pub seconds: f64,
}

impl Feed {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        roster: Roster,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            commands,
            roster,
            metrics,
        }
    }

    /// Takes in one group, and waits until it is durable and published. How many of it were new.
    ///
    /// # Errors
    ///
    /// The adapter is ending.
    pub async fn revoke(&self, group: Vec<Revocation>) -> anyhow::Result<usize> {
        let received = Instant::now();
        let (answer, answered) = oneshot::channel();
        let merge = Command::Merge(group, "by hand".into(), answer);
        self.commands.send(merge).await.context("it is ending")?;
        let changed = answered.await.context("it is ending")?;
        self.roster.published_now(received);
        Ok(changed)
    }

    /// What the adapter's own metric says of last ACKs.
    pub fn last_acks(&self) -> LastAcks {
        let mut registry = Registry::default();
        registry.register("t", "", self.metrics.last_ack_seconds.clone());
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            return LastAcks::default();
        }
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or_default()
        };
        LastAcks {
            count: value("t_count"),
            seconds: value("t_sum"),
        }
    }
}
