//! What each source gave last, and the key set made of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use rescind_authz::{IssuerKeys, Jwks, KeySet, VerificationKey};
use rescind_runtime::{
    health::{Condition, Health},
    time::unix_now_seconds,
};
use tracing::{debug, info};

use super::source::{Document, LoadError, Loaded, Source};
use crate::{
    config::{Role, Security},
    metrics::Metrics,
};

/// The condition until everything was tried once, and the degraded state while something fails.
const HEALTH: &str = "keys";

/// The last good keys of every source. The sources' tasks write, one at a time; checks read what is published.
pub(super) struct Store {
    state: Mutex<State>,
    published: Arc<ArcSwap<KeySet>>,
    tried: Condition,
    health: Health,
    metrics: Metrics,
}

struct State {
    services: Vec<Service>,
    /// Sources that have not been tried.
    untried: BTreeSet<usize>,
    /// Sources whose last attempt failed, and why.
    failing: BTreeMap<usize, String>,
    /// When each source gave keys last.
    loaded_at: Vec<u64>,
    /// The content that each source gave last.
    digests: Vec<Option<[u8; 32]>>,
}

struct Service {
    role: Role,
    issuer: String,
    audience: Vec<String>,
    /// Empty until it was loaded; `None` where the service has none.
    jwks: Option<Jwks>,
    certificate: Option<VerificationKey>,
    /// By `kid`.
    certificates: BTreeMap<Box<str>, VerificationKey>,
}

impl Store {
    pub(super) fn new(
        security: &Security,
        sources: &[Source],
        published: Arc<ArcSwap<KeySet>>,
        health: &Health,
        metrics: &Metrics,
    ) -> Self {
        let services = security.token_service.iter().map(|service| Service {
            role: service.role(),
            issuer: service.issuer.clone(),
            audience: service.audience.clone(),
            jwks: (!service.jwks_url.is_empty()).then(Jwks::default),
            certificate: None,
            certificates: BTreeMap::new(),
        });
        let state = State {
            services: services.collect(),
            untried: (0..sources.len()).collect(),
            failing: BTreeMap::new(),
            loaded_at: vec![0; sources.len()],
            digests: vec![None; sources.len()],
        };
        published.store(Arc::new(state.key_set()));
        let tried = health.require(HEALTH);
        if sources.is_empty() {
            tried.done();
        }
        Self {
            state: Mutex::new(state),
            published,
            tried,
            health: health.clone(),
            metrics: metrics.clone(),
        }
    }

    /// Takes what a source gave into force.
    pub(super) fn loaded(&self, at: usize, source: &Source, document: Document) {
        self.take(at, source, document, unix_now_seconds());
    }

    /// Takes into force what a source gave at that time, before this process. It waits for no more then.
    pub(super) fn restored(&self, at: usize, source: &Source, document: Document, when: u64) {
        info!(source = %source, fetched_at = when, "Keys of before the start are in force until they are fetched");
        self.take(at, source, document, when);
    }

    fn take(&self, at: usize, source: &Source, document: Document, when: u64) {
        let Document { loaded, digest, .. } = document;
        let mut state = self.state();
        let news = state.untried.remove(&at) | state.failing.remove(&at).is_some();
        log_loaded(source, &loaded, news);
        let service = &mut state.services[source.service];
        match (loaded, source.kid()) {
            (Loaded::Jwks(jwks), _) => service.jwks = Some(jwks),
            (Loaded::Certificate(key), None) => service.certificate = Some(key),
            (Loaded::Certificate(key), Some(kid)) => {
                service.certificates.insert(kid.into(), key);
            }
        }
        state.loaded_at[at] = when;
        // The same keys published again would make every verified token unknown.
        if state.digests[at].replace(digest) != Some(digest) {
            self.published.store(Arc::new(state.key_set()));
        }
        let oldest = state.loaded_at.iter().copied().min().unwrap_or(0);
        self.metrics.keys_loaded.set(oldest);
        self.report(&state);
    }

    /// A source gave nothing: what it gave before stays in force.
    pub(super) fn failed(&self, at: usize, source: &Source, error: &LoadError) {
        self.metrics.key_failures.inc();
        let mut state = self.state();
        state.untried.remove(&at);
        let reason = format!("{source}: {:#}", Chain(error));
        state.failing.insert(at, reason);
        self.report(&state);
    }

    fn report(&self, state: &State) {
        if state.failing.is_empty() {
            self.health.recover(HEALTH);
        } else {
            let reasons: Vec<_> = state.failing.values().map(String::as_str).collect();
            self.health.degrade(HEALTH, reasons.join("; "));
        }
        if state.untried.is_empty() {
            self.tried.done();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each part of the state is complete in itself, so a panic between two of them spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn key_set(&self) -> KeySet {
        let mut set = KeySet::default();
        for service in &self.services {
            match (service.role, &service.certificate) {
                (Role::Issuer, _) => set.insert_issuer(service.issuer.as_str(), service.keys()),
                (Role::ApiKey, Some(key)) => set.set_api_key(key.clone()),
                (Role::InternalKey, Some(key)) => set.set_internal_key(key.clone()),
                (Role::ApiKey | Role::InternalKey, None) => {}
            }
        }
        set
    }
}

impl Service {
    fn keys(&self) -> IssuerKeys {
        let keys = match &self.jwks {
            Some(jwks) => IssuerKeys::from_jwks(jwks.clone()),
            None => IssuerKeys::default(),
        };
        let audience = self.audience.iter().map(|name| name.as_str().into());
        let named = self.certificates.iter();
        let keys = named.fold(keys.with_audience(audience), |keys, (kid, key)| {
            keys.with_certificate_of(kid.clone(), key.clone())
        });
        match &self.certificate {
            Some(key) => keys.with_certificate(key.clone()),
            None => keys,
        }
    }
}

fn log_loaded(source: &Source, loaded: &Loaded, news: bool) {
    let (keys, skipped) = match loaded {
        Loaded::Jwks(jwks) => (jwks.len(), jwks.skipped()),
        Loaded::Certificate(_) => (1, 0),
    };
    if news {
        info!(source = %source, keys, skipped, "Keys loaded");
    } else {
        debug!(source = %source, keys, skipped, "Keys loaded again");
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// An error with its causes, on one line.
struct Chain<'a>(&'a LoadError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
