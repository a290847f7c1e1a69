//! The enforcer inside a Rust proxy, without ext_authz: [`subscribe`], then [`Embedded::check`] each request, or put a
//! [`Layer`] around a [`tower`] service.
//!
//! It is configured by the same file as the process, of which `enforcer.authService`, `enforcer.restServer`,
//! `adapter.soapErrorInXMLEnabled` and `log` mean nothing here. A file with a `[next]` is refused: nobody asks it here, and
//! what is left to it would pass. So is `jwtAuthn.allowMissing`: no `jwt_authn` stands before it.
//!
//! It keeps the same promises: a complete set before anything is decided, its own log before each ACK, the policy of
//! [`crate::staleness`] when no adapter confirms the set any more.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use rescind_enforcer::{Config, embed};
//! use rescind_runtime::config::ProcessEnvironment;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn proxy(routes: axum::Router) -> anyhow::Result<()> {
//! let config = Config::load(Path::new("enforcer.toml"), &ProcessEnvironment)?.config;
//! let (enforcer, background) = embed::subscribe(&config)?;
//! let cancel = CancellationToken::new();
//! let background = tokio::spawn(background.run(cancel.clone()));
//!
//! let app = routes.layer(embed::Layer::new(enforcer.clone()));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await?;
//! cancel.cancel();
//! background.await?;
//! # Ok(())
//! # }
//! ```

use std::{fmt, sync::Arc};

use anyhow::ensure;
use http::{HeaderMap, request::Parts as RequestParts};
use prometheus_client::registry::Registry;
use rescind_authz::{CredentialNames, Headers, Request};
use rescind_revocation::UnixSeconds;
use rescind_runtime::{
    health::Health,
    metrics::{encode, registry},
    time::unix_now_seconds,
    tls::Reloader,
};
use rescind_xds::client::{self, ClientConfig};
use tokio_util::sync::CancellationToken;

pub use crate::engine::{Engine, Verdict};
pub use rescind_authz::{Answer, Decision, Denial, Permit, Reason};

use crate::{
    Config,
    parts::{self, Parts},
    staleness::StalePolicy,
};

mod layer;

pub use layer::{Enforce, Layer};

/// An enforcer in this process: a handle, cheap to clone.
#[derive(Clone)]
pub struct Embedded {
    engine: Engine,
    health: Health,
    registry: Arc<Registry>,
}

/// What must run beside the proxy: the subscription, the keys, the certificates, the ages.
#[derive(Debug)]
pub struct Background {
    parts: Parts,
    link: ClientConfig,
    reloader: Reloader,
}

/// What a route says for itself. The default says nothing: what is configured holds.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Where its credentials stand.
    pub names: Option<CredentialNames>,
    /// What happens to its requests while the set is stale; no weaker than `enforcer.staleness.weakestRoute`.
    pub stale_policy: Option<StalePolicy>,
}

/// Reads certificates, keys and the own log, and prepares the subscription to the adapters of `config`. Nothing is decided
/// but by "not ready" before [`Background::run`] has brought a complete set, unless the own log holds one.
pub fn subscribe(config: &Config) -> anyhow::Result<(Embedded, Background)> {
    // In front of another enforcer credentials are not verified, and may be missing.
    ensure!(
        !config.next.is_configured(),
        "next.address: an enforcer inside a proxy asks nobody; leave [next] out"
    );
    ensure!(
        !config.enforcer.security.leaves_missing_to_gateway(),
        "enforcer.security.jwtAuthn.allowMissing: no Envoy says which requests need a token before an enforcer inside a proxy; set it to false"
    );
    let certificates = parts::certificates(config)?;
    let mut registry = registry("embedded enforcer", env!("CARGO_PKG_VERSION"));
    let parts = Parts::build(config, &certificates, &mut registry)?;
    let link = certificates.adapter.clone();
    let reloader = certificates.follow(&mut registry, &parts.health);
    let embedded = Embedded::new(parts.engine.clone(), parts.health.clone(), registry);
    let background = Background {
        link: parts::link(config, link)?,
        parts,
        reloader,
    };
    Ok((embedded, background))
}

impl Background {
    /// Runs until `cancel`. It does not end before; a panic in a part of it is one here.
    pub async fn run(self, cancel: CancellationToken) {
        let Parts {
            engine,
            keys,
            subscription,
            health,
            metrics,
        } = self.parts;
        let ages = engine.freshness().clone();
        tokio::join!(
            client::run(self.link, subscription, cancel.clone()),
            keys.run(cancel.clone()),
            ages.watch(health, metrics, cancel.clone()),
            self.reloader.run(cancel),
        );
    }
}

impl Embedded {
    /// An enforcer that was put together by hand; `registry` holds its metrics.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use prometheus_client::registry::Registry;
    /// use rescind_authz::{CredentialNames, KeySet, Policy, Verification};
    /// use rescind_enforcer::{
    ///     age::Age,
    ///     clock::SystemClock,
    ///     embed::{Decision, Embedded, Engine, Reason, Route},
    ///     keys::Keys,
    ///     metrics::Metrics,
    ///     readiness::Readiness,
    ///     staleness::{Freshness, StaleSettings},
    /// };
    /// use rescind_revocation::{Entry, Expiry, RevokedSet, TokenId};
    /// use rescind_runtime::Health;
    ///
    /// let set = RevokedSet::new();
    /// let id = TokenId::of("e4cb79d6-c22e-386a-a1eb-0494208e9976");
    /// set.apply(&[Entry::Token { id, expiry: Expiry::Unknown }], "1");
    /// let (health, age) = (Health::new(), Age::new(Arc::new(SystemClock)));
    /// let readiness = Readiness::new(&health);
    /// readiness.complete();
    /// age.current();
    /// let mut registry = Registry::default();
    /// let engine = Engine::new(
    ///     Policy::new(CredentialNames::default(), Verification::Full, false),
    ///     Keys::fixed(KeySet::default()),
    ///     Arc::new(set),
    ///     Freshness::new(readiness, age, StaleSettings::default()),
    ///     Metrics::register(&mut registry),
    /// );
    /// let enforcer = Embedded::new(engine, health, registry);
    ///
    /// let request = http::Request::get("/pets")
    ///     .header("authorization", "Bearer e4cb79d6-c22e-386a-a1eb-0494208e9976");
    /// let (request, ()) = request.body(())?.into_parts();
    /// match enforcer.check(&request, &Route::default()).decision {
    ///     Decision::Deny(denial) => assert_eq!(denial.reason, Reason::TokenRevoked),
    ///     Decision::Allow(_) => unreachable!("it is revoked"),
    /// }
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn new(engine: Engine, health: Health, registry: Registry) -> Self {
        Self {
            engine,
            health,
            registry: Arc::new(registry),
        }
    }

    /// Decides on a request.
    ///
    /// Of a permit, take [`Permit::remove_headers`] out of the request and put [`Permit::path`] in the place of its path
    /// and query; of a denial, answer with what [`Denial::answer`] says. [`Layer`] does both.
    pub fn check(&self, request: &RequestParts, route: &Route) -> Verdict {
        let headers = HttpHeaders(&request.headers);
        let path = request.uri.path_and_query();
        let path = path.map_or("/", |path| path.as_str());
        let request = Request {
            names: route.names.as_ref(),
            ..Request::new(request.method.as_str(), path, &headers)
        };
        let now = UnixSeconds(unix_now_seconds());
        self.engine.decide(Ok(&request), route.stale_policy, now)
    }

    /// Whether requests are decided, and what is wrong although they are.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// All metrics as OpenMetrics text.
    pub fn metrics(&self) -> String {
        // Writing to a text cannot fail.
        encode(&self.registry).unwrap_or_default()
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// The headers of a request in this process.
struct HttpHeaders<'r>(&'r HeaderMap);

impl Headers for HttpHeaders<'_> {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).iter().map(|value| value.as_bytes())
    }
}

#[cfg(test)]
mod tests;
