//! The adapter put together: `build` binds and opens, `run` serves.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use rescind_carry::Upstream;
use rescind_eventhub::{Catchup, Clock, HubConfig, subscribe};
use rescind_ledger::LedgerReader;
use rescind_runtime::{Health, Supervisor, tls::TlsListener};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

mod bound;

use bound::Bound;

use crate::{
    Metrics,
    catchup::{Asked, CatchupTask, ControlPlaneClock, Timing},
    config::Config,
    feed::Feed,
    ingest::{COMMANDS, COMPLETE, HUB, HUB_MESSAGES, Ingest, RetainUnknown, SweepClock, Writer},
    passthrough::Passthrough,
    peers::{Pace, PeerClient, PeerMetrics, PeerTask, Peers},
    prepare::Clients,
    publication::{Publication, SourceFlag},
    roster::{Roster, Row, Store, StoreError},
    serving::Discovery,
};

/// An adapter whose ports are bound and whose ledger is open; connections queue until [`App::run`].
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    supervisor: Supervisor,
    feed: Feed,
}

/// Where the adapter listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The discovery service, mutual TLS.
    pub xds: SocketAddr,
    /// Health and metrics, HTTPS.
    pub admin: SocketAddr,
}

impl App {
    /// Binds both ports, answers on the admin port, opens the ledger and starts the tasks. Needs a runtime and an installed log.
    ///
    /// # Errors
    ///
    /// A file that cannot be used, a port in use, a ledger that cannot be opened.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        Bound::new(config).await?.open().await
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Puts revocations in by hand; for benchmarks.
    #[doc(hidden)]
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Cancelling it ends [`App::run`] as a signal does.
    pub fn token(&self) -> CancellationToken {
        self.supervisor.token()
    }

    /// Serves until a signal, then drains. The process's exit code.
    pub async fn run(self) -> ExitCode {
        self.supervisor.run().await
    }
}

#[derive(Debug, Clone, Default)]
struct AllMetrics {
    adapter: Arc<Metrics>,
    hub: Arc<rescind_eventhub::Metrics>,
    xds: Arc<rescind_xds::server::Metrics>,
    peers: Arc<PeerMetrics>,
    carry: Arc<rescind_carry::Metrics>,
}

impl AllMetrics {
    fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        self.adapter.register(registry);
        self.hub.register(registry);
        self.xds.register(registry);
        self.peers.register(registry);
        self.carry.register(registry);
        self.carry.register_up(registry);
    }
}

/// Starts the tasks and wires them to each other.
struct Tasks {
    supervisor: Supervisor,
    health: Health,
    metrics: AllMetrics,
}

impl Tasks {
    /// The way in: hub and list to the ledger. Returns the way out.
    fn ingest(
        &mut self,
        writer: Writer,
        clients: Option<Clients>,
        config: &Config,
        roster: &Roster,
    ) -> Publication {
        let (commands, received) = mpsc::channel(COMMANDS);
        let source = SourceFlag::default();
        let publication = Publication::new(
            writer.reader(),
            writer.subscribe(),
            commands.clone(),
            source.clone(),
            clients.is_none(),
        );
        let asked = Asked::default();
        let clock = ControlPlaneClock::default();
        let mut hub = None;
        match clients {
            None => info!(
                "controlPlane.enabled is false: neither event hub nor list is read, the ledger counts as complete"
            ),
            Some(clients) => {
                if !writer.reader().is_complete() {
                    let reason = "the control plane's list has not been read yet";
                    self.health.degrade(COMPLETE, reason);
                }
                hub = self.hub(clients.hub, &asked, &clock);
                let section = &config.control_plane;
                let timing = Timing::new(
                    section.retry_interval().duration(),
                    section.empty_list_wait.duration(),
                );
                self.catchup(clients.catchup, timing, &writer, (&asked, &clock), commands);
            }
        }
        let retain = config.ledger.retain_expired.duration();
        let retain_unknown = config.ledger.retain_unknown.duration();
        let retain_unknown = RetainUnknown::new(retain_unknown, clock.clone());
        let clock = config.control_plane.enabled.then_some(clock);
        let ingest = Ingest::new(
            writer,
            hub,
            received,
            asked,
            SweepClock::new(clock, retain),
            self.health.clone(),
            Arc::clone(&self.metrics.adapter),
        )
        .telling(source, roster.clone())
        .retaining_unknown(retain_unknown);
        let token = self.supervisor.token();
        self.supervisor.spawn("ingest", ingest.run(token));
        publication
    }

    fn hub(
        &mut self,
        config: Option<HubConfig>,
        asked: &Asked,
        clock: &ControlPlaneClock,
    ) -> Option<mpsc::Receiver<rescind_eventhub::HubMessage>> {
        let Some(config) = config else {
            let reason = "no event hub is configured: only the list is read, every five minutes";
            self.health.degrade(HUB, reason);
            asked.ask();
            return None;
        };
        let endpoints: Vec<_> = config.endpoints.iter().map(ToString::to_string).collect();
        info!(endpoints = endpoints.join(", "), "Event hub is configured");
        let (out, messages) = mpsc::channel(HUB_MESSAGES);
        let clock = clock.clone();
        let clock: Clock = Arc::new(move || clock.received());
        let metrics = Arc::clone(&self.metrics.hub);
        let token = self.supervisor.token();
        let subscription = subscribe(config, clock, metrics, out, token);
        self.supervisor.spawn("event hub", async {
            subscription.await;
            Ok::<_, anyhow::Error>(())
        });
        Some(messages)
    }

    fn catchup(
        &mut self,
        list: Catchup,
        timing: Timing,
        writer: &Writer,
        (asked, clock): (&Asked, &ControlPlaneClock),
        commands: mpsc::Sender<crate::ingest::Command>,
    ) {
        let task = CatchupTask {
            list,
            timing,
            reader: writer.reader(),
            asked: asked.clone(),
            clock: clock.clone(),
            commands,
            health: self.health.clone(),
            metrics: Arc::clone(&self.metrics.adapter),
        };
        let token = self.supervisor.token();
        self.supervisor.spawn("catch-up", task.run(token));
    }

    /// Receipts, and what keeps them.
    fn keep(&mut self, kept: Kept, config: &Config) -> Roster {
        let Kept { roster, store } = kept;
        if let Some(store) = store {
            let away = config.adapter.roster.forget_after.duration();
            let token = self.supervisor.token();
            let keep = roster.clone().keep(store, away, token);
            self.supervisor.spawn("roster", keep);
        }
        roster
    }

    /// Asks the other adapters whether they hold the same.
    fn peers(&mut self, clients: Vec<PeerClient>, pace: Pace, reader: &LedgerReader) -> Peers {
        let addresses: Vec<_> = clients
            .iter()
            .map(|peer| peer.address().to_owned())
            .collect();
        let peers = Peers::new(&addresses, Arc::clone(&self.metrics.peers));
        for client in clients {
            let task = PeerTask {
                client,
                peers: peers.clone(),
                reader: reader.clone(),
                pace,
            };
            self.supervisor
                .spawn("peer", task.run(self.supervisor.token()));
        }
        peers
    }

    /// The way to the original, where one is configured.
    fn passthrough(
        &mut self,
        original: Option<&Upstream>,
        config: &Config,
    ) -> anyhow::Result<Option<Passthrough>> {
        let Some(original) = original else {
            return Ok(None);
        };
        let section = &config.adapter.xds.passthrough;
        let metrics = Arc::clone(&self.metrics.carry);
        let passthrough = Passthrough::new(original, section, metrics)?;
        let token = self.supervisor.token();
        let watch = passthrough.clone().watch(self.health.clone(), token);
        self.supervisor.spawn("pass-through", watch);
        Ok(Some(passthrough))
    }

    /// The way out.
    fn serve(&mut self, xds: TlsListener, discovery: Discovery) {
        let token = self.supervisor.token();
        let serving = discovery.serve(xds, self.health.clone(), token);
        self.supervisor.spawn("xDS", serving);
    }
}

/// The roster, and its file where that can be used: receipts must not keep an adapter from serving.
struct Kept {
    roster: Roster,
    store: Option<Store>,
}

impl Kept {
    fn new(
        opened: Result<(Store, Vec<Row>), StoreError>,
        writer: &Writer,
        metrics: &AllMetrics,
        health: &Health,
    ) -> Self {
        let (reader, metrics) = (writer.reader(), Arc::clone(&metrics.adapter));
        let (store, roster) = match opened {
            Ok((store, rows)) => (Some(store), Roster::new(rows, reader, metrics)),
            Err(error) => {
                let reason = format!("{error}: who is away is not known, so nothing is everywhere");
                health.degrade(ROSTER, reason);
                (None, Roster::forgetful(reader, metrics))
            }
        };
        Self { roster, store }
    }
}

/// The degraded state while the roster has no file.
const ROSTER: &str = "roster";

#[cfg(test)]
mod tests;
