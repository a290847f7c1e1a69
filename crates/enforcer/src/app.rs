//! The process put together: [`App::build`] reads files and binds every listener, [`App::run`] waits for the end.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use rescind_runtime::{
    Health, Supervisor,
    admin::{Admin, AdminServer},
    metrics::registry,
    tls::{Reloader, TlsListener},
};
use rescind_xds::client::{self, ClientConfig};
use tracing::info;

use crate::{
    admin::RevokedTokens,
    check::Checks,
    config::Config,
    metrics::Metrics,
    next::Next,
    parts::{self, Parts},
};

mod carried;
mod server;

use server::CheckServer;

/// An enforcer that is ready to run: its ports are bound.
#[derive(Debug)]
pub struct App {
    parts: Parts,
    checks: CheckServer,
    admin: Option<AdminServer>,
    link: ClientConfig,
    next: Option<Next>,
    reloader: Reloader,
}

impl App {
    /// Reads every file that the configuration names, and binds nothing.
    /// Returns what is to be said of them although they can be used.
    pub fn prepare(config: &Config) -> anyhow::Result<Vec<String>> {
        let certificates = parts::certificates(config)?;
        let metrics = Metrics::register(&mut registry("enforcer", env!("CARGO_PKG_VERSION")));
        parts::keys(config, &certificates, &Health::new(), &metrics)?;
        parts::next(config, certificates.next.clone())?;
        parts::rest_carry(config, &certificates.next)?;
        Ok(certificates.concerns())
    }

    /// Reads every file and binds every port that the configuration names.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        let certificates = parts::certificates(config)?;
        let mut registry = registry("enforcer", env!("CARGO_PKG_VERSION"));
        let parts = Parts::build(config, &certificates, &mut registry)?;
        let (engine, health) = (&parts.engine, &parts.health);

        let enforcer = &config.enforcer;
        let service = &enforcer.auth_service;
        let tls = certificates.checks.clone();
        let listener = TlsListener::bind(&service.host, service.port.get(), tls).await?;
        let link = parts::next(config, certificates.next.clone())?;
        let hops = link.as_ref().map(|link| link.hops());
        let next = link.map(|link| {
            let timeout = Duration::from_secs(config.next.timeout);
            Next::new(link, timeout, health.clone(), parts.metrics.clone())
        });
        let carry = parts::carry(config, &certificates.next, hops, &mut registry)?;
        let rest_carry = parts::rest_carry(config, &certificates.next)?;
        let (admin_tls, link_tls) = (certificates.admin.clone(), certificates.adapter.clone());
        let reloader = certificates.follow(&mut registry, health);
        let checks = Checks::new(engine.clone(), enforcer.security.payload_keys());
        let checks = checks
            .with_soap_faults(config.adapter.soap_error_in_xml_enabled)
            .without_certificate_header(enforcer.security.certificate_header())
            .before(next.clone());
        let checks = CheckServer::new(checks, service, listener, health.watch()).carrying(carry);
        let tokens = RevokedTokens::new(engine.clone(), &enforcer.management);
        let admin = Admin::new(health.clone(), Arc::new(registry)).merge(tokens.router(rest_carry));
        let rest = &enforcer.rest_server;
        let admin = match rest.is_enabled() {
            true => {
                let tls = Some(admin_tls);
                Some(admin.bind(&rest.host, rest.port.get(), tls).await?)
            }
            false => None,
        };
        Ok(Self {
            link: parts::link(config, link_tls)?,
            parts,
            checks,
            admin,
            next,
            reloader,
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
        &self.parts.health
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
        let mut supervisor = Supervisor::new(self.parts.health.clone());
        let token = supervisor.token();
        supervisor.spawn("checks", endless(self.checks.serve(token.clone())));
        if let Some(admin) = self.admin {
            supervisor.spawn("admin", admin.serve(token.clone()));
        }
        if let Some(next) = self.next {
            supervisor.spawn("next", endless(next.keep(token.clone())));
        }
        let certificates = self.reloader.run(token.clone());
        supervisor.spawn("certificates", endless(certificates));
        let Parts {
            engine,
            keys,
            subscription,
            health,
            metrics,
            ..
        } = self.parts;
        supervisor.spawn("keys", endless(keys.run(token.clone())));
        let ages = engine.freshness().clone();
        supervisor.spawn("ages", endless(ages.watch(health, metrics, token.clone())));
        let link = client::run(self.link, subscription, token);
        supervisor.spawn("subscription", endless(link));
        supervisor
    }
}

/// A task that cannot fail, as the supervisor wants it.
async fn endless(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}

#[cfg(test)]
mod tests;
