//! Certificates that are read again when their files change: handshakes to come use the new ones, and no connection ends.
//!
//! | | identity | trust |
//! | --- | --- | --- |
//! | ext_authz | read again | read again |
//! | admin | read again | nobody is asked |
//! | towards adapters | read again | as it was at the start |
//!
//! Files that do not fit together, as between the writing of a certificate and that of its key, leave what is in force in
//! force, and are tried again.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rescind_runtime::{
    exit::UsageError,
    health::Health,
    time::unix_now_seconds,
    tls::{
        ALPN_H2, ALPN_HTTP, ClientAuth, Identity, TlsError, TlsListener, Trust, client_config,
        server_config,
    },
};
use rustls::{
    ClientConfig, ServerConfig, SignatureScheme,
    client::ResolvesClientCert,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config::{Keystore, Truststore},
    metrics::Metrics,
};

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(10);

/// The degraded state while files cannot be used.
const HEALTH: &str = "certificates";

/// The identity and the trust of this process, as they are in their files at one moment.
#[derive(Debug)]
pub struct Certificates {
    /// Whom this process believes.
    pub trust: Trust,
    checks: Arc<ServerConfig>,
    admin: Arc<ServerConfig>,
    adapter: Arc<ClientConfig>,
}

/// Keeps what was made of [`Certificates`] up to its files. Runs as one task of the process.
#[derive(Debug)]
pub struct Reloader {
    keystore: Keystore,
    truststore: Truststore,
    /// Of the ext_authz server, where there is one.
    checks: Option<Arc<ArcSwap<ServerConfig>>>,
    admin: Arc<ServerIdentity>,
    adapter: Arc<ClientIdentity>,
    /// The files as they were when they were read last.
    seen: Vec<Stamp>,
    health: Health,
    metrics: Metrics,
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    /// Seconds, nanoseconds, length and inode; `None` where there is no file.
    content: Option<(i64, i64, u64, u64)>,
}

/// Whichever identity is in force, towards clients.
#[derive(Debug)]
struct ServerIdentity(ArcSwap<Arc<dyn ResolvesServerCert>>);

/// Whichever identity is in force, towards servers.
#[derive(Debug)]
struct ClientIdentity(ArcSwap<Arc<dyn ResolvesClientCert>>);

impl Certificates {
    /// Reads all files.
    pub fn load(keystore: &Keystore, truststore: &Truststore) -> Result<Self, UsageError> {
        let of_keystore = |error: TlsError| UsageError::of("enforcer.keystore", error);
        let identity = keystore.identity();
        let trust = Trust::load(&truststore.location)
            .map_err(|error| UsageError::of("enforcer.truststore.location", error))?;
        let clients = ClientAuth::Required(trust.clone());
        Ok(Self {
            checks: server_config(&identity, &clients, ALPN_H2).map_err(of_keystore)?,
            admin: server_config(&identity, &ClientAuth::None, ALPN_HTTP).map_err(of_keystore)?,
            adapter: client_config(&trust, Some(&identity), ALPN_H2).map_err(of_keystore)?,
            trust,
        })
    }

    /// For the link to the adapters, with the identity of this moment.
    pub fn adapter(&self) -> Arc<ClientConfig> {
        self.adapter.clone()
    }

    /// For the ext_authz server.
    pub fn checks(&self) -> Arc<ServerConfig> {
        self.checks.clone()
    }
}

impl Reloader {
    /// Looks after the certificates of `checks`. What [`Self::admin`] and [`Self::adapter`] give follows too.
    pub fn new(
        keystore: &Keystore,
        truststore: &Truststore,
        loaded: &Certificates,
        checks: Option<&TlsListener>,
        health: &Health,
        metrics: &Metrics,
    ) -> Self {
        let reloader = Self {
            seen: stamps(keystore, truststore),
            keystore: keystore.clone(),
            truststore: truststore.clone(),
            checks: checks.map(TlsListener::config),
            admin: Arc::new(ServerIdentity(ArcSwap::from_pointee(
                loaded.admin.cert_resolver.clone(),
            ))),
            adapter: Arc::new(ClientIdentity(ArcSwap::from_pointee(
                loaded.adapter.client_auth_cert_resolver.clone(),
            ))),
            health: health.clone(),
            metrics: metrics.clone(),
        };
        reloader.show_days_left();
        reloader
    }

    /// For the admin server.
    pub fn admin(&self, loaded: &Certificates) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&loaded.admin);
        config.cert_resolver = self.admin.clone();
        Arc::new(config)
    }

    /// For the link to the adapters.
    pub fn adapter(&self, loaded: &Certificates) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&loaded.adapter);
        config.client_auth_cert_resolver = self.adapter.clone();
        Arc::new(config)
    }

    /// Looks at the files now and then, until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut polls = interval(POLL);
        let polling = async {
            loop {
                polls.tick().await;
                self.poll();
            }
        };
        cancel.run_until_cancelled(polling).await;
    }

    /// Takes what has changed into force.
    fn poll(&mut self) {
        self.show_days_left();
        let stamps = stamps(&self.keystore, &self.truststore);
        if stamps == self.seen {
            return;
        }
        // Read after the stamps were taken: what changes meanwhile is seen at the next look.
        match Certificates::load(&self.keystore, &self.truststore) {
            Ok(loaded) => {
                if let Some(checks) = &self.checks {
                    checks.store(loaded.checks);
                }
                let admin = loaded.admin.cert_resolver.clone();
                self.admin.0.store(Arc::new(admin));
                let adapter = loaded.adapter.client_auth_cert_resolver.clone();
                self.adapter.0.store(Arc::new(adapter));
                self.seen = stamps;
                self.health.recover(HEALTH);
                self.show_days_left();
                info!("Certificates read again");
            }
            Err(error) => self.health.degrade(
                HEALTH,
                format!("the files have changed and cannot be used, the old ones stay in force: {error:#}"),
            ),
        }
    }

    fn show_days_left(&self) {
        if let Some(days) = days_left(&self.keystore.identity()) {
            self.metrics.certificate_days_left.set(days);
        }
    }
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().resolve(hello)
    }
}

impl ResolvesClientCert for ClientIdentity {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.load().resolve(root_hint_subjects, schemes)
    }

    fn has_certs(&self) -> bool {
        self.0.load().has_certs()
    }
}

/// Of the two files of the identity, and of every file of the trust.
fn stamps(keystore: &Keystore, truststore: &Truststore) -> Vec<Stamp> {
    let mut paths = vec![keystore.cert_path.clone(), keystore.key_path.clone()];
    paths.push(truststore.location.clone());
    if let Ok(folder) = std::fs::read_dir(&truststore.location) {
        paths.extend(folder.flatten().map(|entry| entry.path()));
    }
    paths.sort();
    paths.iter().map(|path| stamp(path)).collect()
}

/// Symbolic links are followed: that is how Kubernetes changes a secret.
fn stamp(path: &Path) -> Stamp {
    let content = |data: Metadata| (data.mtime(), data.mtime_nsec(), data.len(), data.ino());
    Stamp {
        path: path.to_owned(),
        content: std::fs::metadata(path).ok().map(content),
    }
}

/// Whole days until the leaf of the identity expires; negative afterwards.
fn days_left(identity: &Identity) -> Option<i64> {
    let pem = std::fs::read(&identity.cert).ok()?;
    let (_, block) = x509_parser::pem::parse_x509_pem(&pem).ok()?;
    let expires_at = block.parse_x509().ok()?.validity().not_after.timestamp();
    let now = i64::try_from(unix_now_seconds()).ok()?;
    Some((expires_at - now).div_euclid(86_400))
}

#[cfg(test)]
mod tests;
