//! From the configuration to what the tasks need: reads the certificates and keys that it names, connects to nothing.

use std::path::Path;

use rescind_carry::Upstream;
use rescind_eventhub::{Catchup, CatchupConfig, HubConfig, HubTls, Mode};
use rescind_runtime::{
    exit::UsageError,
    tls::{self, Certificates, ClientAuth, Identity, OwnCertificate, Shown, TlsError, Trust},
};
use rustls::pki_types::ServerName;
use tracing::warn;

use crate::{
    config::{BrokerMode, BrokerTls, Config, Passthrough, path, set},
    peers::PeerClient,
};

const KEY_STORE: &str = "adapter.keystore";
const TRUST_STORE: &str = "adapter.truststore.location";

/// What [`prepare`] makes of a configuration.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What both ports show.
    pub(crate) own: OwnCertificate,
    /// TLS of the xDS port: clients must show a certificate that the trust store accepts.
    pub(crate) xds_tls: std::sync::Arc<rustls::ServerConfig>,
    /// TLS of the admin port.
    pub(crate) admin_tls: std::sync::Arc<rustls::ServerConfig>,
    /// The other adapters.
    pub(crate) peers: Vec<PeerClient>,
    /// The original; `None` where nothing is carried.
    pub(crate) original: Option<Upstream>,
    /// `None` where the control plane is switched off.
    pub(crate) control_plane: Option<Clients>,
    /// All certificates that these are made of, to be followed.
    pub(crate) certificates: Certificates,
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
    let mut files = Files {
        config,
        certificates: Certificates::default(),
    };
    let identity = files.identity(&config.adapter.keystore.identity(), KEY_STORE)?;
    let trust = files.trust(Path::new(""), TRUST_STORE)?;
    let peer_tls = tls::client_config(&trust, Some(&identity), tls::ALPN_H2);
    let peer_tls = usage(peer_tls, KEY_STORE)?;
    let peers = config.adapter.peers.all().into_iter();
    let peers = peers.map(|peer| PeerClient::new(&peer.address, peer_tls.clone(), peer.name));
    let clients = ClientAuth::Required(trust);
    let xds_tls = tls::server_config(&identity, &clients, tls::ALPN_H2);
    let admin_tls = tls::server_config(&identity, &ClientAuth::None, tls::ALPN_HTTP);
    let control_plane = match config.control_plane.enabled {
        true => Some(Clients {
            hub: hub(config, &mut files)?,
            catchup: catchup(config, &mut files)?,
        }),
        false => None,
    };
    Ok(Prepared {
        xds_tls: usage(xds_tls, KEY_STORE)?,
        admin_tls: usage(admin_tls, KEY_STORE)?,
        peers: peers.collect(),
        original: original(config, &mut files)?,
        control_plane,
        certificates: files.certificates,
        own: identity,
    })
}

/// Where what is not ours is carried.
fn original(config: &Config, files: &mut Files<'_>) -> anyhow::Result<Option<Upstream>> {
    const SECTION: &str = "adapter.xds.passthrough";
    const CA_FILE: &str = "adapter.xds.passthrough.caFile";
    let Passthrough {
        address,
        server_name,
        cert_path,
        key_path,
        ca_file,
        max_calls: _,
        max_calls_per_client: _,
    } = &config.adapter.xds.passthrough;
    let Some(address) = set(address) else {
        return Ok(None);
    };
    let identity = match path(cert_path).zip(path(key_path)) {
        Some((cert, key)) => files.identity(&Identity::new(cert, key), SECTION)?,
        None => files.identity(&config.adapter.keystore.identity(), KEY_STORE)?,
    };
    let tls = tls::client_config(&files.trust(ca_file, CA_FILE)?, Some(&identity), &[]);
    let name = ServerName::try_from(server_name.clone())
        .map_err(|error| UsageError::of("adapter.xds.passthrough.serverName", error))?;
    Ok(Some(Upstream::new(address, name, usage(tls, SECTION)?)))
}

fn hub(config: &Config, files: &mut Files<'_>) -> anyhow::Result<Option<HubConfig>> {
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
        let named = path(cert_file).zip(path(key_file));
        let identity = named.map(|(cert, key)| Identity::new(cert, key));
        let identity = identity.map(|identity| files.identity(&identity, SECTION));
        let identity = identity.transpose()?;
        let shown = identity.as_ref().map(|identity| identity as &dyn Shown);
        let client = tls::client_config(&files.trust(ca_file, CA_FILE)?, shown, &[]);
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

fn catchup(config: &Config, files: &mut Files<'_>) -> anyhow::Result<Catchup> {
    let section = &config.control_plane;
    let tls = if section.skip_ssl_verification {
        warn!(
            "controlPlane.skipSSLVerification is set: whoever answers for the control plane is believed"
        );
        tls::insecure_client_config(None, &[])
    } else {
        let trust = files.trust(&section.ca_file, "controlPlane.caFile")?;
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

/// The files that are read, each once.
struct Files<'a> {
    config: &'a Config,
    certificates: Certificates,
}

impl Files<'_> {
    fn identity(&mut self, files: &Identity, key: &'static str) -> anyhow::Result<OwnCertificate> {
        usage(self.certificates.identity(key, files), key)
    }

    /// Trust from a file of its own where one is named, else from the adapter's trust store.
    fn trust(&mut self, own: &Path, key: &'static str) -> anyhow::Result<Trust> {
        let (place, key) = match path(own) {
            Some(own) => (own, key),
            None => (&*self.config.adapter.truststore.location, TRUST_STORE),
        };
        usage(self.certificates.trust(key, place), key)
    }
}

/// A file that cannot be used is a wrong configuration.
fn usage<T>(result: Result<T, TlsError>, key: &'static str) -> anyhow::Result<T> {
    result.map_err(|error| UsageError::of(key, error).into())
}
