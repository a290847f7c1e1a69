//! What an enforcer is made of, whether it answers Envoy or a proxy in its own process.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use rescind_authz::{Policy, VerifiedTokens};
use rescind_carry::{GrpcCarry, Hops, HttpCarry, Upstream};
use rescind_revocation::RevokedSet;
use rescind_runtime::{exit::UsageError, health::Health};
use rescind_xds::{
    client::{ClientConfig, Security as Link},
    server::Declared,
};
use rustls_pki_types::ServerName;

use crate::{
    age::Age,
    certificates::Certificates,
    clock::{Clock, SystemClock},
    config::{Config, Enforcer, State},
    engine::Engine,
    journal::Durable,
    keys::{KeyLoader, Keys},
    metrics::Metrics,
    next::Link as NextLink,
    readiness::Readiness,
    staleness::Freshness,
    subscription::{Signals, Subscription},
};

/// Everything but servers and connections.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) keys: KeyLoader,
    pub(crate) subscription: Subscription,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
}

impl Parts {
    /// Reads keys and the own log.
    pub(crate) fn build(
        config: &Config,
        certificates: &Certificates,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let enforcer = &config.enforcer;
        let health = Health::new();
        let metrics = Metrics::register(registry);
        let readiness = Readiness::new(&health);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (durable, set, marks) = own_log(&enforcer.state, &clock, &health, &metrics)?;
        let set = Arc::new(set);
        let age = Age::new(clock.clone());
        let (keys, loader) = keys(config, certificates, &health, &metrics)?;
        let signals = Signals {
            age: age.clone(),
            clock,
            readiness: readiness.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
        };
        let freshness = Freshness::new(readiness, age, enforcer.staleness.settings());
        Ok(Self {
            subscription: Subscription::new(set.clone(), durable, signals)
                .with_marks(&marks)
                .allowing_unproven(config.xds.allow_unproven),
            engine: Engine::new(policy(config), keys, set, freshness, metrics.clone()),
            keys: match enforcer.state.directory.as_os_str().is_empty() {
                true => loader,
                false => loader.kept_in(&enforcer.state.directory),
            },
            health,
            metrics,
        })
    }
}

/// The keys, and what keeps them fresh.
pub(crate) fn keys(
    config: &Config,
    certificates: &Certificates,
    health: &Health,
    metrics: &Metrics,
) -> anyhow::Result<(Keys, KeyLoader)> {
    let security = &config.enforcer.security;
    let store = &config.enforcer.truststore.location;
    KeyLoader::new(security, store, &certificates.key_sets, health, metrics)
}

/// The certificates that the configuration names.
pub(crate) fn certificates(config: &Config) -> Result<Certificates, UsageError> {
    Certificates::load(&config.enforcer, &config.next)
}

/// The way to the adapters.
pub(crate) fn link(
    config: &Config,
    tls: Arc<rustls::ClientConfig>,
) -> anyhow::Result<ClientConfig> {
    let xds = &config.xds;
    let security = Link::Tls {
        config: tls,
        server_name: ServerName::try_from(xds.server_name.clone()).context("xds.serverName")?,
    };
    let instance = xds.instance_identifier.clone();
    let mut link = ClientConfig::new(xds.endpoints(), security, instance);
    link.max_message_bytes = xds.max_message_size;
    link.backoff_cap = Duration::from_secs(xds.retry_period);
    link.declared = declared(config);
    Ok(link)
}

/// What the adapters are told of this process, before any route is seen: what the configuration lets come counts.
fn declared(config: &Config) -> Declared {
    let staleness = config.enforcer.staleness.settings();
    Declared {
        adapters: Some(config.xds.adapters.len() as u64),
        stale_after_s: Some(staleness.bound.as_secs()),
        stale_policy: Some(staleness.weakest().as_str().to_owned()),
    }
}

/// The own log, the set that it has restored, and the marks beside it.
fn own_log(
    state: &State,
    clock: &Arc<dyn Clock>,
    health: &Health,
    metrics: &Metrics,
) -> anyhow::Result<(Durable, RevokedSet, Vec<u8>)> {
    if state.directory.as_os_str().is_empty() {
        let durable = Durable::in_memory(clock.clone(), health, metrics);
        return Ok((durable, RevokedSet::new(), Vec::new()));
    }
    let (durable, restored) = Durable::open(&state.directory, clock.clone(), health, metrics)
        .context("enforcer.state.directory")?;
    Ok(match restored {
        Some(restored) => (durable, restored.set, restored.marks),
        None => (durable, RevokedSet::new(), Vec::new()),
    })
}

fn policy(config: &Config) -> Policy {
    let Enforcer {
        security, cache, ..
    } = &config.enforcer;
    let policy = security.policy(&config.next);
    match cache.enabled {
        true => policy.with_known(Arc::new(VerifiedTokens::new(cache.maximum_size))),
        false => policy,
    }
}

/// The way to the next enforcer, if there is one.
pub(crate) fn next(
    config: &Config,
    tls: Arc<rustls::ClientConfig>,
) -> anyhow::Result<Option<NextLink>> {
    let Some(address) = config.next.endpoint() else {
        return Ok(None);
    };
    let upstream = Upstream::new(address, next_name(config)?, tls);
    Ok(Some(NextLink::new(upstream).context("next.address")?))
}

/// What carries the gRPC calls that are not ours, if there is a next enforcer.
pub(crate) fn carry(
    config: &Config,
    tls: &Arc<rustls::ClientConfig>,
    hops: Option<Hops>,
    registry: &mut Registry,
) -> anyhow::Result<Option<GrpcCarry>> {
    let Some(address) = config.next.endpoint() else {
        return Ok(None);
    };
    let metrics = Arc::new(rescind_carry::Metrics::default());
    metrics.register(registry.sub_registry_with_prefix("enforcer"));
    let upstream = Upstream::new(address, next_name(config)?, tls.clone());
    let settings = rescind_carry::Settings {
        max_calls: config.next.max_calls,
        open_never_ends_ok: true,
        ..rescind_carry::Settings::default()
    };
    let carry = GrpcCarry::new(&upstream, settings, metrics).context("next.address")?;
    Ok(Some(carry.with_hops(hops.unwrap_or_default())))
}

/// What carries the admin requests that are not ours, if they go anywhere.
pub(crate) fn rest_carry(
    config: &Config,
    tls: &Arc<rustls::ClientConfig>,
) -> anyhow::Result<Option<HttpCarry>> {
    let Some(address) = config.next.rest.endpoint() else {
        return Ok(None);
    };
    let upstream = Upstream::new(address, next_name(config)?, tls.clone());
    Ok(Some(
        HttpCarry::new(&upstream).context("next.rest.address")?,
    ))
}

fn next_name(config: &Config) -> anyhow::Result<ServerName<'static>> {
    ServerName::try_from(config.next.server_name.clone()).context("next.serverName")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is declared by `[enforcer.staleness]` with these lines.
    fn stale_policy(lines: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("enforcer.toml");
        std::fs::write(&path, format!("[enforcer.staleness]\n{lines}")).unwrap();
        let variables = std::collections::HashMap::<&str, &str>::new();
        let config = Config::load(&path, &variables).unwrap().config;
        declared(&config).stale_policy.unwrap()
    }

    #[test]
    fn what_is_declared_is_the_weakest_that_any_route_may_come_to() {
        for (lines, weakest) in [
            // A route may say "allow" at any time.
            ("", "allow"),
            ("weakestRoute = 'deny'", "deny"),
            ("weakestRoute = 'deny-writes'", "deny-writes"),
            ("policy = 'allow'\nweakestRoute = 'deny'", "allow"),
            (
                "policy = 'deny-writes'\nweakestRoute = 'deny'",
                "deny-writes",
            ),
        ] {
            assert_eq!(stale_policy(lines), weakest, "{lines}");
        }
    }
}
