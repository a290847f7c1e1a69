//! From the configuration to what the tasks need: reads the certificates and keys that it names, connects to nothing.

use std::path::Path;

use rescind_carry::Upstream;
use rescind_eventhub::{Catchup, CatchupConfig, HubConfig, HubTls, Mode};
use rescind_runtime::{
    exit::UsageError,
    tls::{self, ClientAuth, Identity, TlsError, Trust},
};
use rustls::pki_types::ServerName;
use tracing::warn;

use crate::config::{BrokerMode, BrokerTls, Config, Passthrough, path, set};

const TRUST_STORE: &str = "adapter.truststore.location";

/// What [`prepare`] makes of a configuration.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// TLS of the xDS port: clients must show a certificate that the trust store accepts.
    pub(crate) xds_tls: std::sync::Arc<rustls::ServerConfig>,
    /// TLS of the admin port.
    pub(crate) admin_tls: std::sync::Arc<rustls::ServerConfig>,
    /// The original; `None` where nothing is carried.
    pub(crate) original: Option<Upstream>,
    /// `None` where the control plane is switched off.
    pub(crate) control_plane: Option<Clients>,
}

/// The clients of the control plane.
#[derive(Debug)]
pub(crate) struct Clients {
    /// The event hub; `None` where the list of brokers is empty.
    pub(crate) hub: Option<HubConfig>,
    /// The whole list.
    pub(crate) catchup: Catchup,
}

/// Reads what the configuration names. An error is the operator's to mend: the process ends with 2.
pub(crate) fn prepare(config: &Config) -> anyhow::Result<Prepared> {
    let trust = TrustStore { config };
    let identity = config.adapter.keystore.identity();
    let store = trust.of(&config.adapter.truststore.location, TRUST_STORE)?;
    let xds_tls = tls::server_config(&identity, &ClientAuth::Required(store), tls::ALPN_H2);
    let admin_tls = tls::server_config(&identity, &ClientAuth::None, tls::ALPN_HTTP);
    let control_plane = config
        .control_plane
        .enabled
        .then(|| clients(config, &trust))
        .transpose()?;
    Ok(Prepared {
        xds_tls: usage(xds_tls, "adapter.keystore")?,
        admin_tls: usage(admin_tls, "adapter.keystore")?,
        original: original(config, &trust)?,
        control_plane,
    })
}

/// Where what is not ours is carried.
fn original(config: &Config, trust: &TrustStore<'_>) -> anyhow::Result<Option<Upstream>> {
    const SECTION: &str = "adapter.xds.passthrough";
    const CA_FILE: &str = "adapter.xds.passthrough.caFile";
    let Passthrough {
        address,
        server_name,
        cert_path,
        key_path,
        ca_file,
        max_calls: _,
    } = &config.adapter.xds.passthrough;
    let Some(address) = set(address) else {
        return Ok(None);
    };
    let own = path(cert_path).zip(path(key_path));
    let identity = match own {
        Some((cert, key)) => Identity::new(cert, key),
        None => config.adapter.keystore.identity(),
    };
    let tls = tls::client_config(&trust.or_own(ca_file, CA_FILE)?, Some(&identity), &[]);
    let name = ServerName::try_from(server_name.clone())
        .map_err(|error| UsageError::of("adapter.xds.passthrough.serverName", error))?;
    Ok(Some(Upstream::new(address, name, usage(tls, SECTION)?)))
}

fn clients(config: &Config, trust: &TrustStore<'_>) -> anyhow::Result<Clients> {
    Ok(Clients {
        hub: hub(config, trust)?,
        catchup: catchup(config, trust)?,
    })
}

fn hub(config: &Config, trust: &TrustStore<'_>) -> anyhow::Result<Option<HubConfig>> {
    const SECTION: &str = "controlPlane.brokerConnectionParameters.tls";
    const CA_FILE: &str = "controlPlane.brokerConnectionParameters.tls.caFile";
    const ENDPOINTS: &str = "controlPlane.brokerConnectionParameters.eventListeningEndpoints";
    let endpoints = config.control_plane.endpoints();
    if endpoints.is_empty() {
        return Ok(None);
    }
    let BrokerTls {
        ca_file,
        cert_file,
        key_file,
        server_name,
    } = &config.control_plane.broker_connection_parameters.tls;
    let tls = if endpoints.iter().any(rescind_eventhub::Endpoint::is_tls) {
        let files = path(cert_file).zip(path(key_file));
        let identity = files.map(|(cert, key)| Identity::new(cert, key));
        let client = tls::client_config(&trust.or_own(ca_file, CA_FILE)?, identity.as_ref(), &[]);
        Some(HubTls {
            client: usage(client, SECTION)?,
            server_name: set(server_name),
        })
    } else {
        None
    };
    let broker = &config.control_plane.broker_connection_parameters;
    let hub = HubConfig {
        mode: match broker.mode {
            BrokerMode::Failover => Mode::Failover,
            BrokerMode::All => Mode::All,
        },
        durable_queue: broker.durable(),
        ..HubConfig::new(endpoints, tls)
    };
    hub.validate()
        .map_err(|error| UsageError::of(ENDPOINTS, error))?;
    Ok(Some(hub))
}

fn catchup(config: &Config, trust: &TrustStore<'_>) -> anyhow::Result<Catchup> {
    let section = &config.control_plane;
    let tls = if section.skip_ssl_verification {
        warn!(
            "controlPlane.skipSSLVerification is set: whoever answers for the control plane is believed"
        );
        tls::insecure_client_config(None, &[])
    } else {
        let trust = trust.or_own(&section.ca_file, "controlPlane.caFile")?;
        tls::client_config(&trust, None, &[])
    };
    let password = section.password.as_ref();
    let mut list = CatchupConfig::new(
        &*section.service_url,
        &*section.username,
        password.map_or("", |password| password.expose()),
        usage(tls, "controlPlane")?,
    );
    list.server_name = set(&section.server_name);
    Ok(Catchup::new(list).map_err(|error| UsageError::of("controlPlane.serviceURL", error))?)
}

/// Trust from a file of its own where one is named, else from the adapter's trust store.
struct TrustStore<'a> {
    config: &'a Config,
}

impl TrustStore<'_> {
    fn or_own(&self, own: &Path, key: &'static str) -> anyhow::Result<Trust> {
        match path(own) {
            Some(own) => self.of(own, key),
            None => self.of(&self.config.adapter.truststore.location, TRUST_STORE),
        }
    }

    fn of(&self, place: &Path, key: &'static str) -> anyhow::Result<Trust> {
        usage(Trust::load(place), key)
    }
}

/// A file that cannot be used is a wrong configuration.
fn usage<T>(result: Result<T, TlsError>, key: &'static str) -> anyhow::Result<T> {
    result.map_err(|error| UsageError::of(key, error).into())
}
