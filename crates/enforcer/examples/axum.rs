//! A service of one route behind an embedded enforcer:
//!
//! ```text
//! cargo run -p rescind-enforcer --example axum -- enforcer.toml 127.0.0.1:8080
//! ```

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use axum::{Extension, Router, routing::get};
use rescind_enforcer::{
    Config,
    embed::{self, Permit},
};
use rescind_runtime::{config::ProcessEnvironment, tls};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().context("expected a configuration file")?);
    let address = arguments
        .next()
        .context("expected an address to listen on")?;
    let address: SocketAddr = address.parse().context("expected ip:port")?;

    tls::install_crypto_provider();
    let config = Config::load(&path, &ProcessEnvironment)?.config;
    let (enforcer, background) = embed::subscribe(&config)?;
    let cancel = CancellationToken::new();
    let background = tokio::spawn(background.run(cancel.clone()));

    let health = enforcer.clone();
    let metrics = enforcer.clone();
    let open = Router::new()
        .route(
            "/readyz",
            get(async move || format!("ready: {}\n", health.health().is_ready())),
        )
        .route("/metrics", get(async move || metrics.metrics()));
    let app = Router::new()
        .route("/pets", get(pets))
        .layer(embed::Layer::new(enforcer))
        .merge(open);
    let listener = tokio::net::TcpListener::bind(address).await?;
    let ended = async {
        // An error says that the signal cannot be waited for: then the process is ended by others.
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(ended)
        .await?;
    cancel.cancel();
    background.await.context("the enforcer has failed")
}

/// Who comes here has shown a credential that is good and not revoked.
async fn pets(Extension(permit): Extension<Permit>) -> String {
    match permit.identifier {
        // It prints masked.
        Some(identifier) => format!("pets for {identifier}\n"),
        None => "pets\n".to_owned(),
    }
}
