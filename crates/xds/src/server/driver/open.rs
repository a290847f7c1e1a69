//! A stream that has sent a valid first request: known to its connection, counted and logged until it ends.

use std::sync::Arc;

use rescind_proto::envoy::service::discovery::v3::DiscoveryRequest;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tonic::Streaming;
use tracing::{debug, info, warn};

use super::End;
use crate::{
    Head, Source,
    server::{
        connection::{Heard, Sent, Step, StreamId},
        opening::Opening,
        outlet::Outlet,
        peer::Peer,
        refusals::Verdict,
        registry::Shared,
        service::Inner,
    },
};

/// A stream that is known to its connection; leaves it when dropped.
pub(super) struct OpenStream<S: Source> {
    inner: Arc<Inner<S>>,
    shared: Arc<Shared>,
    wake: Arc<Notify>,
    id: StreamId,
    opening: Opening,
}

impl<S: Source> OpenStream<S> {
    pub(super) fn open(inner: Arc<Inner<S>>, peer: &Peer, opening: Opening) -> Self {
        let now = Instant::now();
        let id = inner.next_stream();
        let start = inner.source.resolve(&opening.version);
        inner.metrics.streams(opening.audience).inc();
        let (shared, wake) = inner.registry.join(peer, id, now);
        {
            let mut state = shared.lock();
            state.connection.open(id, &opening, start, now);
            state.wake_others(id);
        }
        if opening.odd_instance {
            warn!(
                address = peer.shown(),
                "node.metadata.instanceIdentifier is not a string; taken as absent"
            );
        }
        info!(
            instance = opening.instance,
            audience = ?opening.audience,
            address = peer.shown(),
            identity = peer.identity,
            cursor = inner.source.version(start),
            "xDS stream opened"
        );
        Self {
            inner,
            shared,
            wake,
            id,
            opening,
        }
    }

    pub(super) async fn run(
        &self,
        mut requests: Streaming<DiscoveryRequest>,
        outlet: &Outlet,
    ) -> End {
        let mut head = self.inner.source.head();
        loop {
            let until = match self.act(*head.borrow_and_update(), outlet) {
                Ok(until) => until,
                Err(end) => return end,
            };
            tokio::select! {
                biased;
                () = self.inner.drain.cancelled() => return End::Draining,
                () = outlet.gone() => return End::ClientGone,
                request = requests.message() => match request {
                    Ok(Some(request)) => {
                        if let Some(end) = self.hear(&request, *head.borrow()) {
                            return end;
                        }
                    }
                    Ok(None) => return End::HalfClosed,
                    Err(status) => return End::Refused(status),
                },
                changed = head.changed() => if changed.is_err() {
                    return End::SourceGone;
                },
                () = self.wake.notified() => {}
                () = until_time(until) => {}
            }
        }
    }

    /// Does everything that is due; returns until when nothing else is.
    fn act(&self, head: Head, outlet: &Outlet) -> Result<Option<Instant>, End> {
        loop {
            let now = Instant::now();
            let source = &*self.inner.source;
            let step = self
                .shared
                .lock()
                .connection
                .poll(self.id, source, head, now);
            match step {
                Step::Send(sent) => self.send(*sent, outlet),
                Step::Late => warn!(
                    instance = self.opening.instance,
                    address = self.shared.peer.shown(),
                    "client is STALE: it has not ACKed for {} s",
                    self.inner.settings.ack_stale.as_secs()
                ),
                Step::TooLarge { at, bytes } => {
                    self.inner.metrics.entries_skipped.inc();
                    self.not_enforced(
                        &source.version(at),
                        &format!("its {bytes} bytes do not fit in a response"),
                    );
                }
                Step::Wait(until) => return Ok(until),
                Step::Superseded => return Err(End::Superseded),
                Step::AckTimeout => return Err(End::AckTimeout),
            }
        }
    }

    fn send(&self, sent: Sent, outlet: &Outlet) {
        let metrics = &self.inner.metrics;
        metrics.responses.inc();
        metrics
            .resources
            .inc_by(sent.response.resources.len() as u64);
        metrics.bytes.inc_by(sent.bytes as u64);
        debug!(
            instance = self.opening.instance,
            version = sent.response.version_info,
            resources = sent.response.resources.len(),
            "xDS response"
        );
        outlet.put(sent.response);
    }

    /// Takes in a request; an end if it was one this service does not serve.
    fn hear(&self, request: &DiscoveryRequest, head: Head) -> Option<End> {
        let heard = {
            let mut state = self.shared.lock();
            let now = Instant::now();
            let heard = state.connection.request(self.id, request, head, now);
            if matches!(
                heard,
                Heard::Acked { others: true, .. } | Heard::Nacked { .. }
            ) {
                state.wake_others(self.id);
            }
            heard
        };
        let metrics = &self.inner.metrics;
        match heard {
            Heard::Acked {
                to, took, whole, ..
            } => {
                metrics.acks.inc();
                metrics.ack_seconds.observe(took.as_secs_f64());
                if whole {
                    let peer = &self.shared.peer;
                    self.inner
                        .registry
                        .unmark(&peer.identity, &self.opening.instance);
                }
                debug!(
                    instance = self.opening.instance,
                    version = self.inner.source.version(to),
                    ms = took.as_millis(),
                    "xDS ACK"
                );
            }
            Heard::Nacked {
                to,
                resources,
                verdict,
                error,
            } => {
                metrics.nacks.inc();
                self.refused(&self.inner.source.version(to), resources, verdict, &error);
            }
            Heard::Stale { nack } => {
                metrics.stale_nonces.inc();
                debug!(
                    instance = self.opening.instance,
                    nack, "xDS request with a nonce that is not outstanding; ignored"
                );
            }
            Heard::Repeated => {}
            Heard::Invalid(status) => {
                metrics.refused.inc();
                return Some(End::Refused(status));
            }
        }
        None
    }

    fn refused(&self, version: &str, resources: usize, verdict: Verdict, error: &str) {
        match verdict {
            Verdict::Skipped => {
                self.inner.metrics.entries_skipped.inc();
                self.not_enforced(version, error);
            }
            Verdict::Held => warn!(
                instance = self.opening.instance,
                address = self.shared.peer.shown(),
                version,
                resources,
                error,
                "xDS NACK: tried again in parts after a pause"
            ),
            Verdict::Halved => debug!(
                instance = self.opening.instance,
                version, resources, error, "xDS NACK of a part: its halves follow"
            ),
        }
    }

    fn not_enforced(&self, version: &str, reason: &str) {
        let peer = &self.shared.peer;
        self.inner
            .registry
            .mark_not_enforced(&peer.identity, &self.opening.instance);
        warn!(
            instance = self.opening.instance,
            address = peer.shown(),
            version,
            reason,
            "entry NOT ENFORCED by this client: it does not take it"
        );
    }

    pub(super) fn log_end(&self, end: &End) {
        info!(
            instance = self.opening.instance,
            audience = ?self.opening.audience,
            address = self.shared.peer.shown(),
            cursor = self.acked(),
            reason = end.reason(),
            "xDS stream closed"
        );
        match end {
            End::Superseded => self.inner.metrics.superseded.inc(),
            End::AckTimeout => self.inner.metrics.ack_timeouts.inc(),
            _ => 0,
        };
    }

    fn acked(&self) -> String {
        let standing = self.shared.lock().connection.standing(self.id);
        standing.map_or_else(String::new, |s| self.inner.source.version(s.acked))
    }
}

impl<S: Source> Drop for OpenStream<S> {
    fn drop(&mut self) {
        self.inner
            .registry
            .leave(&self.shared, self.id, Instant::now());
        self.inner.metrics.streams(self.opening.audience).dec();
    }
}

async fn until_time(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
