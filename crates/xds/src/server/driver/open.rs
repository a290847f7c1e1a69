//! A stream that has sent a valid first request: known to its connection, counted and logged until it ends.

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until},
};
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::End;
use crate::{
    Head, Position, Source,
    server::{
        Client,
        connection::{Heard, Sent, Step, StreamId},
        method::Streamed,
        opening::{Opening, Said, Wants},
        outlet::Outlet,
        peer::Peer,
        refusals::Verdict,
        registry::Shared,
        service::Inner,
    },
    wire::log_of,
};

/// A stream that is known to its connection; leaves it when dropped.
pub(super) struct OpenStream<S: Source> {
    inner: Arc<Inner<S>>,
    shared: Arc<Shared>,
    wake: Arc<Notify>,
    id: StreamId,
    client: Client,
}

impl<S: Source> OpenStream<S> {
    pub(super) fn open(inner: Arc<Inner<S>>, peer: &Peer, opening: Opening) -> Self {
        let now = Instant::now();
        let id = inner.next_stream();
        let start = start(&*inner.source, &opening.wants);
        let goal = inner.source.head().borrow().position;
        inner.metrics.streams(opening.audience).inc();
        let (shared, wake) = inner.registry.join(peer, id, now);
        let (subscribes_to_all, _) = {
            let mut state = shared.lock();
            let wake = Arc::clone(&wake);
            state.connection.open(id, &opening, start, goal, now, wake);
            state.wake_others(id);
            state.connection.subscription(id)
        };
        let method = opening.wants.method();
        let client = Client {
            stream: id,
            identity: peer.identity().to_owned(),
            instance: opening.instance.clone(),
            address: peer.address(),
            audience: opening.audience,
            method,
            subscribes_to_all,
            declared: opening.declared.clone(),
        };
        if let Some(watcher) = &inner.settings.watcher {
            watcher.opened(&client, start, goal);
        }
        if opening.odd_instance {
            warn!(
                address = peer.shown(),
                "node.metadata.instanceIdentifier is not a string; taken as absent"
            );
        }
        info!(
            instance = opening.instance,
            method = method.name(),
            audience = ?opening.audience,
            address = peer.shown(),
            identity = peer.identity(),
            cursor = inner.source.version(start),
            "xDS stream opened"
        );
        Self {
            inner,
            shared,
            wake,
            id,
            client,
        }
    }

    pub(super) async fn run<M: Streamed>(
        &self,
        mut requests: Streaming<M::Request>,
        outlet: &Outlet,
    ) -> End {
        let first = self
            .shared
            .lock()
            .connection
            .change(self.id, &Said::default());
        if let Err(status) = first {
            self.inner.metrics.refused.inc();
            return End::Refused(status);
        }
        let mut head = self.inner.source.head();
        // Made once: a stream goes round here twice for each push, and each of these stands in a line that all streams share.
        let mut over = pin!(self.over(outlet));
        let mut alarm = pin!(sleep_until(Instant::now()));
        loop {
            let until = match self.act(*head.borrow_and_update(), outlet) {
                Ok(until) => until,
                Err(end) => return end,
            };
            if let Some(until) = until {
                bring_forward(alarm.as_mut(), until);
            }
            tokio::select! {
                biased;
                end = &mut over => return end,
                request = requests.message() => match request {
                    Ok(Some(request)) => {
                        let said = M::said(request);
                        if let Some(end) = self.hear(said, *head.borrow()) {
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
                () = &mut alarm, if until.is_some() => {}
            }
        }
    }

    /// What ends the stream from outside.
    async fn over(&self, outlet: &Outlet) -> End {
        tokio::select! {
            biased;
            () = self.inner.drain.cancelled() => End::Draining,
            () = outlet.gone() => End::ClientGone,
            () = self.shared.ended.cancelled() => End::Aged,
            () = until_time(self.shared.ends_at) => End::Aged,
        }
    }

    /// Does everything that is due; returns until when nothing else is.
    fn act(&self, head: Head, outlet: &Outlet) -> Result<Option<Instant>, End> {
        loop {
            let now = Instant::now();
            let source = &*self.inner.source;
            let (step, passed) = {
                let connection = &mut self.shared.lock().connection;
                let step = connection.poll(self.id, source, head, now);
                (step, connection.passed(self.id))
            };
            if let (Some(to), Some(watcher)) = (passed, &self.inner.settings.watcher) {
                watcher.passed(&self.client, to);
            }
            match step {
                Step::Send(sent) => self.send(*sent, outlet),
                Step::Late => {
                    warn!(
                        instance = self.client.instance,
                        address = self.shared.peer.shown(),
                        "client is STALE: it has not ACKed for {} s",
                        self.inner.settings.ack_stale.as_secs()
                    );
                    self.tell_change();
                }
                Step::End(status) => return Err(End::Refused(status)),
                Step::TooLarge { at, bytes } => {
                    self.inner.metrics.entries_skipped.inc();
                    self.not_enforced(
                        &source.version(at),
                        &format!("its {bytes} bytes do not fit in a response"),
                    );
                    self.tell_change();
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
        metrics.resources.inc_by(sent.entries as u64);
        metrics.bytes.inc_by(sent.bytes as u64);
        debug!(
            instance = self.client.instance,
            version = sent.reply.version(),
            entries = sent.entries,
            "xDS response"
        );
        outlet.put(sent.reply.into_frame());
    }

    /// Takes in a request; an end if it was one this service does not serve.
    fn hear(&self, said: Result<Said, Status>, head: Head) -> Option<End> {
        let said = match said {
            Ok(said) => said,
            Err(status) => {
                self.inner.metrics.refused.inc();
                return Some(End::Refused(status));
            }
        };
        let (heard, before, after) = {
            let mut state = self.shared.lock();
            let now = Instant::now();
            let before = state.connection.subscription(self.id);
            let heard = state.connection.request(self.id, &said, head, now);
            if matches!(
                heard,
                Heard::Acked { others: true, .. } | Heard::Nacked { .. }
            ) {
                state.wake_others(self.id);
            }
            (heard, before, state.connection.subscription(self.id))
        };
        if after.0 != before.0 || after.1 < before.1 {
            self.tell_subscription(after.0, after.1);
        }
        if said.proof.is_some() || matches!(heard, Heard::Nacked { .. }) {
            self.tell_change();
        }
        let metrics = &self.inner.metrics;
        match heard {
            Heard::Acked {
                from,
                to,
                stream,
                took,
                whole,
                ..
            } => {
                self.tell_ack(stream, from, to);
                metrics.acks.inc();
                metrics.ack_seconds.observe(took.as_secs_f64());
                if whole {
                    let peer = &self.shared.peer;
                    self.inner
                        .registry
                        .unmark(peer.identity(), &self.client.instance);
                }
                debug!(
                    instance = self.client.instance,
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
                    instance = self.client.instance,
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

    /// Tells the watcher, of the client whose response it was.
    fn tell_ack(&self, stream: Option<StreamId>, from: Position, to: Position) {
        let (Some(watcher), Some(stream)) = (&self.inner.settings.watcher, stream) else {
            return;
        };
        if stream == self.id {
            return watcher.acked(&self.client, from, to);
        }
        // Streams of one connection answer for each other where they are one client's.
        let client = Client {
            stream,
            ..self.client.clone()
        };
        watcher.acked(&client, from, to);
    }

    /// Tells the watcher what this stream asks for now.
    fn tell_subscription(&self, to_all: bool, acked: Position) {
        if let Some(watcher) = &self.inner.settings.watcher {
            watcher.subscribed(&self.client, to_all, acked);
        }
        info!(
            instance = self.client.instance,
            address = self.shared.peer.shown(),
            to_all,
            cursor = self.inner.source.version(acked),
            "xDS subscription changed"
        );
    }

    /// Tells the watcher that this stream stands in another way.
    fn tell_change(&self) {
        let Some(watcher) = &self.inner.settings.watcher else {
            return;
        };
        let status = {
            let state = self.shared.lock();
            self.inner.registry.status(&self.shared, &state, self.id)
        };
        if let Some(status) = status {
            watcher.changed(status);
        }
    }

    fn refused(&self, version: &str, resources: usize, verdict: Verdict, error: &str) {
        match verdict {
            Verdict::Skipped => {
                self.inner.metrics.entries_skipped.inc();
                self.not_enforced(version, error);
            }
            Verdict::Held => warn!(
                instance = self.client.instance,
                address = self.shared.peer.shown(),
                version,
                resources,
                error,
                "xDS NACK: tried again in parts after a pause"
            ),
            Verdict::Halved => debug!(
                instance = self.client.instance,
                version, resources, error, "xDS NACK of a part: its halves follow"
            ),
        }
    }

    fn not_enforced(&self, version: &str, reason: &str) {
        let peer = &self.shared.peer;
        self.inner
            .registry
            .mark_not_enforced(peer.identity(), &self.client.instance);
        warn!(
            instance = self.client.instance,
            address = peer.shown(),
            version,
            reason,
            "entry NOT ENFORCED by this client: it does not take it"
        );
    }

    pub(super) fn log_end(&self, end: &End) {
        info!(
            instance = self.client.instance,
            audience = ?self.client.audience,
            address = self.shared.peer.shown(),
            cursor = self.acked(),
            reason = end.reason(),
            "xDS stream closed"
        );
        match end {
            End::Superseded => self.inner.metrics.superseded.inc(),
            End::AckTimeout => self.inner.metrics.ack_timeouts.inc(),
            End::Aged => self.inner.metrics.aged.inc(),
            _ => 0,
        };
    }

    fn acked(&self) -> String {
        let position = self.acked_position();
        position.map_or_else(String::new, |position| self.inner.source.version(position))
    }

    fn acked_position(&self) -> Option<Position> {
        let standing = self.shared.lock().connection.standing(self.id);
        standing.map(|standing| standing.acked)
    }
}

impl<S: Source> Drop for OpenStream<S> {
    fn drop(&mut self) {
        if let Some(watcher) = &self.inner.settings.watcher {
            let acked = self.acked_position().unwrap_or_default();
            watcher.closed(&self.client, acked);
        }
        self.inner
            .registry
            .leave(&self.shared, self.id, Instant::now());
        self.inner.metrics.streams(self.client.audience).dec();
    }
}

/// Where a stream begins: the version of this source that its client names, else before everything.
fn start<S: Source>(source: &S, wants: &Wants) -> Position {
    match wants {
        Wants::Tokens { version } => source.resolve(version),
        Wants::Range { versions, .. } => {
            let id = source.ranges().map(|ranges| log_of(&ranges.id()));
            let version = id.and_then(|id| versions.get(&id));
            version.map_or(Position(0), |version| source.resolve(version))
        }
        Wants::Names { .. } => Position(0),
    }
}

/// Lets `alarm` go off at `until` at the latest. Where it goes off before, nothing is due and it is set again: that is
/// cheaper than to move it with each response.
fn bring_forward(alarm: Pin<&mut Sleep>, until: Instant) {
    if alarm.is_elapsed() || until < alarm.deadline() {
        alarm.reset(until);
    }
}

async fn until_time(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
