//! The adapter's configuration file.
//!
//! Where Choreo Connect has a setting, its key and nesting are the same, so that an operator's sections can be copied;
//! `deploy/adapter.toml` documents every key. Seconds are whole numbers, an empty string means unset.

use std::{fmt, ops::RangeInclusive, path::PathBuf, time::Duration};

use rescind_runtime::{
    config::{Port, Problems, Schema, Secret},
    telemetry::LogConfig,
    tls::Identity,
};
use serde::{Deserialize, Serialize};

mod control_plane;
mod passthrough;
mod peers;
mod unused;

pub use control_plane::{Broker, BrokerMode, BrokerTls, ControlPlane};
pub(crate) use control_plane::{path, set};
pub use passthrough::Passthrough;
pub use peers::PeersSection;

/// Where the file is when `--config` does not say.
pub const DEFAULT_PATH: &str = "/etc/rescind/adapter.toml";

/// The variables that lie over the file, and the keys that are not ours.
pub const SCHEMA: Schema = Schema {
    variables: &[("ADAPTER_XDS_PORT", "adapter.xds.port")],
    theirs: unused::USED,
    unused: unused::KEYS,
    ..Schema::EMPTY
};

/// A live event is believed to have expired up to five minutes before it came: what is kept shorter than that and a bucket
/// of ten minutes could be dropped before it was taken in.
const RETAIN_EXPIRED: RangeInclusive<Seconds> = Seconds(600)..=Seconds(30 * 24 * 3600);

/// What is kept shorter than a token lives would come back to life while it does; ten years are for ever.
const RETAIN_UNKNOWN: RangeInclusive<Seconds> = Seconds(24 * 3600)..=Seconds(10 * 366 * 24 * 3600);

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// `[log]`
    pub log: LogConfig,
    /// `[adapter]`
    pub adapter: Adapter,
    /// `[ledger]`
    pub ledger: LedgerSection,
    /// `[controlPlane]`
    pub control_plane: ControlPlane,
}

/// `[adapter]`: who we are, whom we trust, where we listen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Adapter {
    /// `[adapter.keystore]`
    pub keystore: Keystore,
    /// `[adapter.truststore]`
    pub truststore: Truststore,
    /// `[adapter.xds]`
    pub xds: Xds,
    /// `[adapter.admin]`
    pub admin: Admin,
    /// `[adapter.roster]`
    pub roster: RosterSection,
    /// `[adapter.peers]`
    pub peers: PeersSection,
}

/// `[adapter.keystore]`: the identity of both listeners.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Keystore {
    /// Certificate chain, PEM, leaf first.
    pub cert_path: PathBuf,
    /// Its private key, PEM.
    pub key_path: PathBuf,
}

/// `[adapter.truststore]`: who may connect on the xDS port; also the control plane and the broker, where they have no file
/// of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Truststore {
    /// A PEM file, or a folder of `*.pem` and `*.crt`.
    pub location: PathBuf,
}

/// `[adapter.xds]`: the discovery service, over mutual TLS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Xds {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on.
    pub port: Port,
    /// Who may subscribe, by the name in its certificate; `*` stands for any text. Where it is empty: whoever has the name
    /// in our own certificate, which all parts of Choreo Connect share.
    pub allowed_clients: Vec<String>,
    /// Which of these names several clients share, told apart by `instanceIdentifier` alone. Where it is empty
    /// and those are `*`: all.
    pub shared_certificates: Vec<String>,
    /// So many streams may be open at once for one such name.
    pub max_streams_per_client: u32,
    /// So many chunks of full syncs are under way at once.
    pub full_sync_places: u32,
    /// After so long, and up to a tenth more, a connection is ended so that its client finds an adapter anew; 0 is never.
    pub max_connection_age: Seconds,
    /// `[adapter.xds.passthrough]`
    pub passthrough: Passthrough,
}

/// `[adapter.admin]`: `/livez`, `/readyz`, `/metrics` and the API below `/v1`, over HTTPS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Admin {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on.
    pub port: Port,
    /// Who shows this token may read the API below `/v1`; empty: nobody may.
    #[serde(skip_serializing)]
    pub read_token: Secret,
    /// Who shows this one may also forget enforcers.
    #[serde(skip_serializing)]
    pub manage_token: Secret,
}

/// `[adapter.roster]`: who has ever subscribed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RosterSection {
    /// Who has been away for so long is forgotten.
    pub forget_after: Seconds,
}

/// `[ledger]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LedgerSection {
    /// The ledger's directory. One process may have it open.
    pub directory: PathBuf,
    /// How long a token is kept after its expiry.
    pub retain_expired: Seconds,
    /// How long a token without a known expiry is kept after it was last heard; 0 is always.
    pub retain_unknown: Seconds,
}

/// A time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Default for Keystore {
    fn default() -> Self {
        Self {
            cert_path: "/home/wso2/security/keystore/mg.pem".into(),
            key_path: "/home/wso2/security/keystore/mg.key".into(),
        }
    }
}

impl Default for Truststore {
    fn default() -> Self {
        Self {
            location: "/home/wso2/security/truststore".into(),
        }
    }
}

impl Default for Xds {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: Port::new(18000).expect("18000 is not 0"),
            allowed_clients: Vec::new(),
            shared_certificates: Vec::new(),
            max_streams_per_client: 10_000,
            full_sync_places: 16,
            max_connection_age: Seconds(3600),
            passthrough: Passthrough::default(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: Port::new(9843).expect("9843 is not 0"),
            read_token: Secret::new(""),
            manage_token: Secret::new(""),
        }
    }
}

impl Default for RosterSection {
    fn default() -> Self {
        Self {
            forget_after: Seconds(30 * 24 * 3600),
        }
    }
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self {
            directory: "/var/lib/rescind".into(),
            retain_expired: Seconds(3600),
            retain_unknown: Seconds(0),
        }
    }
}

impl Keystore {
    /// The two files as an identity.
    pub fn identity(&self) -> Identity {
        Identity::new(&self.cert_path, &self.key_path)
    }
}

impl Seconds {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

/// What no single type can rule out.
pub fn check(config: &Config, problems: &mut Problems) {
    let Config {
        log: _,
        adapter,
        ledger,
        control_plane,
    } = config;
    if adapter.xds.port == adapter.admin.port && adapter.xds.host == adapter.admin.host {
        problems.add(
            "adapter.admin.port",
            "expected another port than adapter.xds.port",
        );
    }
    for (key, host) in [
        ("adapter.xds.host", &adapter.xds.host),
        ("adapter.admin.host", &adapter.admin.host),
    ] {
        if host.is_empty() {
            problems.add(key, "expected an address to listen on, such as 0.0.0.0");
        }
    }
    for (key, number) in [
        (
            "adapter.xds.maxStreamsPerClient",
            adapter.xds.max_streams_per_client,
        ),
        ("adapter.xds.fullSyncPlaces", adapter.xds.full_sync_places),
    ] {
        if number == 0 {
            problems.add(key, "expected 1 or more");
        }
    }
    adapter.xds.passthrough.check(problems);
    if adapter.roster.forget_after < Seconds(3600) {
        problems.add("adapter.roster.forgetAfter", "expected 3600 or more");
    }
    adapter.peers.check(problems);
    if ledger.directory.as_os_str().is_empty() {
        problems.add("ledger.directory", "expected a directory");
    }
    if !RETAIN_EXPIRED.contains(&ledger.retain_expired) {
        problems.add(
            "ledger.retainExpired",
            format!(
                "expected {} (ten minutes) to {} (30 days), found {}",
                RETAIN_EXPIRED.start(),
                RETAIN_EXPIRED.end(),
                ledger.retain_expired
            ),
        );
    }
    if ledger.retain_unknown != Seconds(0) && !RETAIN_UNKNOWN.contains(&ledger.retain_unknown) {
        problems.add(
            "ledger.retainUnknown",
            format!(
                "expected 0 (always) or {} (a day) to {} (ten years), found {}",
                RETAIN_UNKNOWN.start(),
                RETAIN_UNKNOWN.end(),
                ledger.retain_unknown
            ),
        );
    }
    control_plane.check(problems);
}

#[cfg(test)]
mod tests;
