//! The admin server: `/livez`, `/readyz`, `/metrics`, and what a part adds.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::health::{Health, Report};
use crate::metrics;
use crate::net::{self, BindError};
use crate::tls::TlsListener;

/// The longest body that a route takes, unless it sets a limit of its own.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long requests in flight may take once the drain has begun: less than the supervisor's deadline, so that one slow
/// reader does not make a drain fail.
pub const DRAIN: Duration = Duration::from_secs(5);

/// The routes of the admin server.
#[derive(Debug)]
pub struct Admin {
    router: Router,
}

/// An admin server whose port is bound: connections queue until [`AdminServer::serve`].
#[derive(Debug)]
pub struct AdminServer {
    router: Router,
    listener: Listening,
}

#[derive(Debug)]
enum Listening {
    Plain(TcpListener, SocketAddr),
    Tls(TlsListener),
}

#[derive(Debug, Clone)]
struct Pages {
    health: Health,
    registry: Arc<Registry>,
}

impl Admin {
    /// The three pages that every part has.
    pub fn new(health: Health, registry: Arc<Registry>) -> Self {
        let router = Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics_page))
            .with_state(Pages { health, registry });
        Self { router }
    }

    /// Adds a part's own routes.
    #[must_use]
    pub fn merge(self, routes: Router) -> Self {
        Self {
            router: self.router.merge(routes),
        }
    }

    /// All routes, for tests and for a part that serves them itself.
    pub fn into_router(self) -> Router {
        self.router.layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
    }

    /// Binds `host:port`, for HTTPS where a TLS configuration is given (its ALPN should be [`ALPN_HTTP`]) and for plain HTTP
    /// else. Port 0 takes a free one.
    ///
    /// [`ALPN_HTTP`]: crate::tls::ALPN_HTTP
    pub async fn bind(
        self,
        host: &str,
        port: u16,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Result<AdminServer, BindError> {
        let listener = match tls {
            Some(config) => Listening::Tls(TlsListener::bind(host, port, config).await?),
            None => {
                let listener = net::bind(host, port).await?;
                let address = net::local_addr(&listener)?;
                Listening::Plain(listener, address)
            }
        };
        Ok(AdminServer {
            router: self.into_router(),
            listener,
        })
    }
}

impl AdminServer {
    /// The address that is bound.
    pub fn local_addr(&self) -> SocketAddr {
        match &self.listener {
            Listening::Plain(_, address) => *address,
            Listening::Tls(listener) => listener.local_addr(),
        }
    }

    /// Serves until `cancel`, then lets requests in flight finish for [`DRAIN`]. A task for the supervisor.
    pub async fn serve(self, cancel: CancellationToken) -> std::io::Result<()> {
        let asked = cancel.clone().cancelled_owned();
        let overdue = async {
            cancel.cancelled().await;
            sleep(DRAIN).await;
        };
        let Self { router, listener } = self;
        let serving = async {
            match listener {
                Listening::Plain(listener, _) => {
                    axum::serve(listener, router)
                        .with_graceful_shutdown(asked)
                        .await
                }
                Listening::Tls(listener) => {
                    axum::serve(listener, router)
                        .with_graceful_shutdown(asked)
                        .await
                }
            }
        };
        tokio::select! {
            served = serving => served,
            () = overdue => Ok(()),
        }
    }
}

/// Answers as long as the process can answer at all.
async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(pages): State<Pages>) -> Response {
    let report = pages.health.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [(header::CACHE_CONTROL, "no-store")],
        page_of(&report),
    )
        .into_response()
}

/// `ready` or `not ready`, then a line for each pending condition and for each degraded one.
fn page_of(report: &Report) -> String {
    let mut page = String::from(if report.ready {
        "ready\n"
    } else {
        "not ready\n"
    });
    for name in &report.pending {
        let _ = writeln!(page, "pending: {name}");
    }
    for (name, reason) in &report.degraded {
        let _ = writeln!(page, "degraded: {name}: {}", reason.escape_debug());
    }
    page
}

async fn metrics_page(State(pages): State<Pages>) -> Response {
    match metrics::encode(&pages.registry) {
        Ok(page) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "Cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests;
