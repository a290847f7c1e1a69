//! `[adapter.xds.passthrough]`: Choreo Connect's own adapter, to which what is not ours is carried.

use std::path::PathBuf;

use rescind_carry::MOST_CALLS;
use rescind_runtime::config::{HostPort, Problems};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};

use super::path;

/// A quarter of all: more than a hundred enforcers behind one address have, and three others may do the same.
const CALLS_PER_CLIENT: usize = MOST_CALLS / 4;

/// `[adapter.xds.passthrough]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Passthrough {
    /// `host:port` of the original; empty: what is not ours is refused.
    pub address: String,
    /// The name in its certificate.
    pub server_name: String,
    /// Our certificate, in place of `adapter.keystore`.
    pub cert_path: PathBuf,
    /// Its private key.
    pub key_path: PathBuf,
    /// Trust, in place of `adapter.truststore`.
    pub ca_file: PathBuf,
    /// So many calls at once.
    pub max_calls: usize,
    /// So many of them for one client: the same name in the certificate and the same remote address.
    pub max_calls_per_client: usize,
}

impl Default for Passthrough {
    fn default() -> Self {
        Self {
            address: String::new(),
            server_name: "adapter".into(),
            cert_path: PathBuf::new(),
            key_path: PathBuf::new(),
            ca_file: PathBuf::new(),
            max_calls: MOST_CALLS,
            max_calls_per_client: CALLS_PER_CLIENT,
        }
    }
}

impl Passthrough {
    pub(super) fn check(&self, problems: &mut Problems) {
        const SECTION: &str = "adapter.xds.passthrough";
        let Self {
            address,
            server_name,
            cert_path,
            key_path,
            ca_file: _,
            max_calls,
            max_calls_per_client,
        } = self;
        if !address.is_empty()
            && HostPort::parse(address).is_none_or(|address| address.port.is_none())
        {
            problems.add(
                format!("{SECTION}.address"),
                "expected host:port, such as \"adapter:18001\"",
            );
        }
        if ServerName::try_from(server_name.as_str()).is_err() {
            problems.add(format!("{SECTION}.serverName"), "expected a DNS name");
        }
        match (path(cert_path), path(key_path)) {
            (Some(_), None) => problems.add(
                format!("{SECTION}.keyPath"),
                "expected the private key of certPath",
            ),
            (None, Some(_)) => problems.add(
                format!("{SECTION}.certPath"),
                "expected the certificate of keyPath",
            ),
            _ => {}
        }
        for (key, calls) in [
            ("maxCalls", max_calls),
            ("maxCallsPerClient", max_calls_per_client),
        ] {
            if !(1..=MOST_CALLS).contains(calls) {
                problems.add(
                    format!("{SECTION}.{key}"),
                    format!("expected 1 to {MOST_CALLS}, found {calls}"),
                );
            }
        }
    }
}
