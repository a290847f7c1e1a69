//! An adapter whose ports are bound, and whose ledger is still to be read: millions of entries take seconds.
//!
//! The admin port answers already, so that whoever watches the process sees that it lives, and is not ready, and why.

use std::sync::Arc;

use anyhow::Context as _;
use rescind_ledger::Ledger;
use rescind_revocation::UnixMillis;
use rescind_runtime::{
    Health, Supervisor, admin::Admin, health::Condition, metrics::registry, time::unix_now_millis,
    tls::TlsListener,
};
use tracing::info;

use super::{Addresses, AllMetrics, App, Kept, Tasks};
use crate::{
    api::{Access, Api},
    config::Config,
    feed::Feed,
    ingest::Writer,
    opening,
    peer::Allowed,
    peers::Pace,
    prepare::{Prepared, prepare},
    roster::Store,
    serving::{self, Discovery, open_files},
};

/// What has ports and no ledger.
pub(super) struct Bound {
    config: Config,
    prepared: Prepared,
    tasks: Tasks,
    api: Api,
    xds: TlsListener,
    pub(super) addresses: Addresses,
    loaded: Condition,
    serving: Condition,
}

impl Bound {
    /// Binds both ports and serves the admin port.
    pub(super) async fn new(config: Config) -> anyhow::Result<Self> {
        let mut prepared = prepare(&config)?;
        let health = Health::new();
        let loaded = health.require("ledger");
        let serving = health.require("xDS port");

        let mut page = registry("adapter", env!("CARGO_PKG_VERSION"));
        let certificates = std::mem::take(&mut prepared.certificates);
        let certificates = certificates.follow(&mut page, &health);
        let metrics = AllMetrics::default();
        metrics.register(&mut page);

        let xds = &config.adapter.xds;
        open_files::raise(xds.max_streams_per_client);
        let tls = Arc::clone(&prepared.xds_tls);
        let xds = TlsListener::bind(&xds.host, xds.port.get(), tls).await?;
        let api = api(&config);
        let admin = Admin::new(health.clone(), Arc::new(page)).merge(api.routes());
        let tls = Arc::clone(&prepared.admin_tls);
        let section = &config.adapter.admin;
        let admin = admin
            .bind(&section.host, section.port.get(), Some(tls))
            .await?;
        let addresses = Addresses {
            xds: xds.local_addr(),
            admin: admin.local_addr(),
        };
        let mut supervisor = Supervisor::new(health.clone());
        let following = certificates.run(supervisor.token());
        supervisor.spawn("certificates", async {
            following.await;
            Ok::<_, anyhow::Error>(())
        });
        let token = supervisor.token();
        supervisor.spawn("admin", admin.serve(token));
        Ok(Self {
            tasks: Tasks {
                supervisor,
                health,
                metrics,
            },
            config,
            prepared,
            api,
            xds,
            addresses,
            loaded,
            serving,
        })
    }

    /// Reads the ledger, while whoever calls on the xDS port is told to come again, and starts the tasks.
    pub(super) async fn open(mut self) -> anyhow::Result<App> {
        let now = UnixMillis(unix_now_millis());
        let control_plane = self.prepared.control_plane.is_some();
        let ledger = opening::open(&self.config.ledger.directory, control_plane, now);
        let ledger = serving::refuse_while(&mut self.xds, ledger).await?;
        let directory = self.config.ledger.directory.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(&directory));
        let opened = opened.await.context("opening the roster panicked")?;
        let writer = self.writer(ledger);
        let kept = Kept::new(opened, &writer, &self.tasks.metrics, &self.tasks.health);
        self.loaded.done();
        self.start(writer, kept)
    }

    fn writer(&self, ledger: Ledger) -> Writer {
        let complete_by_itself = self.prepared.control_plane.is_none();
        let health = self.tasks.health.clone();
        let metrics = Arc::clone(&self.tasks.metrics.adapter);
        Writer::new(ledger, complete_by_itself, health, metrics)
    }

    fn start(self, writer: Writer, kept: Kept) -> anyhow::Result<App> {
        let Self {
            config,
            prepared,
            mut tasks,
            api,
            xds,
            addresses,
            loaded: _,
            serving,
        } = self;
        let reader = writer.reader();
        let roster = tasks.keep(kept, &config);
        let publication = tasks.ingest(writer, prepared.control_plane, &config, &roster);
        let feed = Feed::new(
            publication.commands(),
            roster.clone(),
            Arc::clone(&tasks.metrics.adapter),
        );
        let allowed = Allowed::new(&config.adapter.xds, prepared.own);
        allowed.tell();
        let discovery = Discovery::new(
            Arc::new(publication),
            &config.adapter.xds,
            allowed.clone(),
            roster.clone(),
            Arc::clone(&tasks.metrics.xds),
        )
        .carrying(tasks.passthrough(prepared.original.as_ref(), &config)?);
        let peers = tasks.peers(prepared.peers, Pace::of(&config.ledger), &reader);
        api.serve(reader, roster, discovery.streams.clone(), peers, allowed);
        tasks.serve(xds, discovery);
        serving.done();
        info!(xds = %addresses.xds, admin = %addresses.admin, "Adapter is ready");
        Ok(App {
            addresses,
            supervisor: tasks.supervisor,
            feed,
        })
    }
}

/// Who may ask it, by the configuration.
fn api(config: &Config) -> Api {
    let admin = &config.adapter.admin;
    Api::new(Access::new(&admin.read_token, &admin.manage_token))
}
