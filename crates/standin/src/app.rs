//! Wires it together: configuration in, a bound port and a running process out.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use rescind_runtime::admin::{Admin, AdminServer};
use rescind_runtime::exit::UsageError;
use rescind_runtime::health::Condition;
use rescind_runtime::tls::{ALPN_HTTP, ClientAuth, Identity, server_config};
use rescind_runtime::{Health, Supervisor, metrics};
use tokio_rustls::rustls::ServerConfig;
use tracing::info;

use crate::config::Config;
use crate::http;
use crate::hub::{self, Endpoint, Inbox, Outbox};
use crate::keys::Keys;
use crate::plane::{Clock, ControlPlane};

/// What the files that the configuration names hold.
#[derive(Debug)]
pub struct Material {
    tls: Arc<ServerConfig>,
    keys: Keys,
    hub: Option<Endpoint>,
}

/// A stand-in whose port is bound and whose list is read.
#[derive(Debug)]
pub struct App {
    server: AdminServer,
    serving: Condition,
    health: Health,
    hub: Option<(Endpoint, Inbox)>,
}

impl Material {
    /// Reads certificates and keys: all that `--check` looks at beside the configuration itself.
    pub fn load(config: &Config) -> anyhow::Result<Self> {
        let standin = &config.standin;
        let identity = Identity::new(&standin.cert_path, &standin.key_path);
        Ok(Self {
            tls: server_config(&identity, &ClientAuth::None, ALPN_HTTP)
                .map_err(|error| UsageError::of("standin.certPath", error))?,
            keys: Keys::load(standin).map_err(|error| UsageError::of("standin", error))?,
            hub: Endpoint::from_config(&config.hub)
                .map_err(|error| UsageError::of("hub", error))?,
        })
    }
}

impl App {
    /// Reads keys and list, and binds the port.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let Material { tls, keys, hub } = Material::load(&config)?;
        let (outbox, hub) = match hub {
            Some(endpoint) => {
                let (outbox, inbox) = Outbox::new();
                (outbox, Some((endpoint, inbox)))
            }
            None => (Outbox::disabled(), None),
        };
        let (host, port) = (config.standin.host.clone(), config.standin.port);
        let plane = ControlPlane::open(config.standin, keys, Clock::system(), outbox)?;
        info!(
            revocations = plane.list_len(),
            "List of revocations is read"
        );
        let health = Health::new();
        let serving = health.require("https");
        let registry = Arc::new(metrics::registry("standin", env!("CARGO_PKG_VERSION")));
        let server = Admin::new(health.clone(), registry)
            .merge(http::router(Arc::new(plane)))
            .bind(&host, port, Some(tls))
            .await?;
        Ok(Self {
            server,
            serving,
            health,
            hub,
        })
    }

    /// The address that is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Serves until a signal comes, then publishes what is left. Gives the process's exit code.
    pub async fn run(self) -> ExitCode {
        let address = self.local_addr();
        let mut supervisor = Supervisor::new(self.health.clone());
        match self.hub {
            Some((endpoint, inbox)) => {
                // Ends by itself when the server is gone, and with it the last request that could publish.
                let publish = hub::publish(endpoint, inbox, self.health.clone());
                supervisor.spawn("hub", async move {
                    publish.await;
                    anyhow::Ok(())
                });
            }
            None => info!("No hub is configured: events are not published"),
        }
        let drain = supervisor.token();
        supervisor.spawn("https", self.server.serve(drain));
        self.serving.done();
        info!(%address, "Listening for HTTPS");
        supervisor.run().await
    }
}
