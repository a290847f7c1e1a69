//! The keys that credentials are verified with: fetched from where token services keep them, and fetched again.
//!
//! Certificates are read when the process starts, so that a wrong path is found at once; JWK Sets are fetched for ever, with
//! backoff. Each is read again every five minutes, and sooner when a token names a key that is not known. What was loaded
//! last stays in force until something better comes. One task for each source; all write through `store`.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use arc_swap::{ArcSwap, Guard};
use reqwest::Url;
use rescind_authz::KeySet;
use rescind_runtime::{exit::UsageError, health::Health, time::unix_now_seconds, tls::Trust};
use tokio::{
    sync::Notify,
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{config::Security, metrics::Metrics};

mod kept;
mod source;
mod store;

use source::Source;
use store::Store;

/// How often keys that are in force are read again.
const REFRESH: Duration = Duration::from_secs(300);

/// Tokens with unknown keys ask for a reading at most this often: anybody can send them.
const LEAST_BETWEEN: Duration = Duration::from_secs(10);

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(60);

/// The keys in force: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Keys {
    current: Arc<ArcSwap<KeySet>>,
    wanted: Arc<[Notify]>,
}

/// Keeps [`Keys`] fresh. Runs as one task of the process.
#[derive(Debug)]
pub struct KeyLoader {
    sources: Vec<Source>,
    store: Arc<Store>,
    keys: Keys,
    /// Where what was fetched is kept.
    kept: Option<Arc<Path>>,
}

impl Keys {
    /// Keys that never change.
    pub fn fixed(keys: KeySet) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(keys)),
            wanted: Arc::default(),
        }
    }

    /// Keys that never change, and what [`Keys::wanted`] wakes.
    #[cfg(test)]
    pub(crate) fn watched(keys: KeySet) -> (Self, Arc<[Notify]>) {
        let wanted: Arc<[Notify]> = Arc::new([Notify::new()]);
        let keys = Self {
            wanted: wanted.clone(),
            ..Self::fixed(keys)
        };
        (keys, wanted)
    }

    /// The keys at this moment.
    pub fn load(&self) -> Guard<Arc<KeySet>> {
        self.current.load()
    }

    /// A token named a key that is not known: it may be new. Costs nothing to call often.
    pub fn wanted(&self) {
        for source in self.wanted.iter() {
            source.notify_one();
        }
    }
}

impl KeyLoader {
    /// Reads the certificates of all token services and prepares the fetching of their JWK Sets, for which `trust` says
    /// by token service which servers are believed. A certificate without a file is looked for in `trust_store`.
    ///
    /// `health` has the condition `keys` until each source has been tried once, and is degraded while one fails.
    pub fn new(
        security: &Security,
        trust_store: &Path,
        trust: &[Trust],
        health: &Health,
        metrics: &Metrics,
    ) -> anyhow::Result<(Keys, Self)> {
        let sources = source::of(security, trust_store, trust)?;
        let keys = Keys {
            current: Arc::default(),
            wanted: sources.iter().map(|_| Notify::new()).collect(),
        };
        let store = Store::new(security, &sources, keys.current.clone(), health, metrics);
        for (at, source) in sources.iter().enumerate() {
            if let Some(read) = source.read_at_start() {
                let loaded = read
                    .with_context(|| format!("cannot load the keys of token service {source}"))
                    .map_err(|error| UsageError::of(source.key(), error))?;
                store.loaded(at, source, loaded);
            }
        }
        let loader = Self {
            sources,
            store: Arc::new(store),
            keys: keys.clone(),
            kept: None,
        };
        Ok((keys, loader))
    }

    /// Keeps what is fetched in `folder` too, which is this process's own, and begins with what an earlier process has kept
    /// there: until it is fetched again, it is what was fetched last.
    pub fn kept_in(self, folder: &Path) -> Self {
        for (at, source) in self.sources.iter().enumerate() {
            let fetched = source.url().and_then(|url| kept::read(folder, url));
            if let Some(kept::Fetched { at: when, json }) = fetched
                && let Ok(document) = source::of_jwks(json)
            {
                self.store.restored(at, source, document, when);
            }
        }
        Self {
            kept: Some(folder.into()),
            ..self
        }
    }

    /// Loads and loads again, until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (at, source) in self.sources.into_iter().enumerate() {
            let (store, wanted) = (self.store.clone(), self.keys.wanted.clone());
            let kept = self.kept.clone();
            tasks.spawn(async move { keep(at, &source, &store, kept, &wanted[at]).await });
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            // A source's task never ends; only a panic gets here, and must not go unseen.
            Some(Err(error)) = tasks.join_next() => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Keeps one source fresh, for ever.
async fn keep(at: usize, source: &Source, store: &Store, kept: Option<Arc<Path>>, wanted: &Notify) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let began = Instant::now();
        let wait = match source.load().await {
            Ok(mut loaded) => {
                let json = std::mem::take(&mut loaded.json);
                store.loaded(at, source, loaded);
                if let (Some(folder), Some(url)) = (kept.clone(), source.url().cloned()) {
                    keep_on_disk(folder, url, json).await;
                }
                backoff = FIRST_BACKOFF;
                REFRESH
            }
            Err(error) => {
                store.failed(at, source, &error);
                let wait = backoff.mul_f64(rand::random_range(0.5..=1.0));
                backoff = LAST_BACKOFF.min(backoff * 2);
                wait
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = async { wanted.notified().await; sleep_until(began + LEAST_BETWEEN).await } => {}
        }
    }
}

/// For the next start. Where it cannot be kept, that one fetches it.
async fn keep_on_disk(folder: Arc<Path>, url: Url, json: Vec<u8>) {
    let at = unix_now_seconds();
    let writing = spawn_blocking(move || {
        let written = kept::write(&folder, &url, &kept::Fetched { at, json });
        written.map_err(|error| (folder, error))
    });
    if let Ok(Err((folder, error))) = writing.await {
        warn!(folder = %folder.display(), %error, "Keys cannot be kept for the next start");
    }
}

#[cfg(test)]
mod tests;
