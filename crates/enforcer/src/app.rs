//! The process put together: [`App::build`] reads files and binds every listener, [`App::run`] waits for the end.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use rescind_revocation::RevokedSet;
use rescind_runtime::{
    Health, Supervisor,
    admin::{Admin, AdminServer},
    exit::UsageError,
    metrics::registry,
    tls::{
        ALPN_H2, ALPN_HTTP, ClientAuth, TlsError, TlsListener, Trust, client_config, server_config,
    },
};
use rescind_xds::client::{self, ClientConfig, Security as Link};
use rustls_pki_types::ServerName;
use tracing::info;

use crate::{
    check::Checks, config::Config, keys::KeyLoader, metrics::Metrics, readiness::Readiness,
    subscription::Subscription,
};

mod server;

use server::CheckServer;

/// An enforcer that is ready to run: its ports are bound.
#[derive(Debug)]
pub struct App {
    health: Health,
    checks: CheckServer,
    admin: Option<AdminServer>,
    keys: KeyLoader,
    link: ClientConfig,
    subscription: Subscription,
}

/// The trust and the identity that all connections share.
struct Secrets {
    trust: Trust,
    checks: Arc<rustls::ServerConfig>,
    admin: Arc<rustls::ServerConfig>,
    adapter: Arc<rustls::ClientConfig>,
}

impl App {
    /// Reads every file that the configuration names, and binds nothing.
    pub fn prepare(config: &Config) -> anyhow::Result<()> {
        let secrets = Secrets::load(config)?;
        let metrics = Metrics::register(&mut registry("enforcer", env!("CARGO_PKG_VERSION")));
        let security = &config.enforcer.security;
        let store = &config.enforcer.truststore.location;
        KeyLoader::new(security, store, &secrets.trust, &Health::new(), &metrics)?;
        Ok(())
    }

    /// Reads every file and binds every port that the configuration names.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        let secrets = Secrets::load(config)?;
        let health = Health::new();
        let mut registry = registry("enforcer", env!("CARGO_PKG_VERSION"));
        let metrics = Metrics::register(&mut registry);
        let readiness = Readiness::new(&health);
        let set = Arc::new(RevokedSet::new());
        let enforcer = &config.enforcer;
        let (keys, loader) = KeyLoader::new(
            &enforcer.security,
            &enforcer.truststore.location,
            &secrets.trust,
            &health,
            &metrics,
        )?;
        let subscription = Subscription::new(
            set.clone(),
            readiness.clone(),
            health.clone(),
            metrics.clone(),
        );
        let checks = Checks::new(enforcer.security.policy(), keys, set, readiness, metrics);
        let link = link(config, secrets.adapter)?;

        let service = &enforcer.auth_service;
        let listener = TlsListener::bind(&service.host, service.port.get(), secrets.checks);
        let checks = CheckServer::new(checks, service, listener.await?, health.watch());
        let rest = &enforcer.rest_server;
        let admin = Admin::new(health.clone(), Arc::new(registry));
        let admin = match rest.enabled {
            true => Some(
                admin
                    .bind(&rest.host, rest.port.get(), Some(secrets.admin))
                    .await?,
            ),
            false => None,
        };
        Ok(Self {
            health,
            checks,
            admin,
            keys: loader,
            link,
            subscription,
        })
    }

    /// Where checks are answered.
    pub fn check_addr(&self) -> SocketAddr {
        self.checks.local_addr()
    }

    /// Where the admin pages are, if they are served.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(AdminServer::local_addr)
    }

    /// The health of this enforcer.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Serves until a signal or a failure, then drains.
    pub async fn run(self) -> ExitCode {
        self.supervise().run().await
    }

    /// Starts everything under a supervisor, which the caller runs.
    pub fn supervise(self) -> Supervisor {
        let admin = self
            .admin_addr()
            .map_or("none".to_owned(), |addr| addr.to_string());
        info!(checks = %self.check_addr(), admin, adapters = self.link.endpoints.join(","), "Enforcer started");
        let mut supervisor = Supervisor::new(self.health);
        let token = supervisor.token();
        supervisor.spawn("checks", self.checks.serve(token.clone()));
        if let Some(admin) = self.admin {
            supervisor.spawn("admin", admin.serve(token.clone()));
        }
        let keys = self.keys.run(token.clone());
        supervisor.spawn("keys", endless(keys));
        let link = client::run(self.link, self.subscription, token);
        supervisor.spawn("subscription", endless(link));
        supervisor
    }
}

/// A task that cannot fail, as the supervisor wants it.
async fn endless(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}

impl Secrets {
    /// An unreadable file is a matter of configuration.
    fn load(config: &Config) -> Result<Self, UsageError> {
        let keystore = |error: TlsError| UsageError::of("enforcer.keystore", error);
        let identity = config.enforcer.keystore.identity();
        let trust = Trust::load(&config.enforcer.truststore.location)
            .map_err(|error| UsageError::of("enforcer.truststore.location", error))?;
        let clients = ClientAuth::Required(trust.clone());
        Ok(Self {
            checks: server_config(&identity, &clients, ALPN_H2).map_err(keystore)?,
            admin: server_config(&identity, &ClientAuth::None, ALPN_HTTP).map_err(keystore)?,
            adapter: client_config(&trust, Some(&identity), ALPN_H2).map_err(keystore)?,
            trust,
        })
    }
}

fn link(config: &Config, tls: Arc<rustls::ClientConfig>) -> anyhow::Result<ClientConfig> {
    let xds = &config.xds;
    let security = Link::Tls {
        config: tls,
        server_name: ServerName::try_from(xds.server_name.clone()).context("xds.serverName")?,
    };
    let instance = xds.instance_identifier.clone();
    let mut link = ClientConfig::new(xds.endpoints(), security, instance);
    link.max_message_bytes = xds.max_message_size;
    link.backoff_cap = Duration::from_secs(xds.retry_period);
    Ok(link)
}

#[cfg(test)]
mod tests;
