//! `[next]`: the enforcer that this one stands in front of.

use std::path::PathBuf;

use rescind_runtime::config::{HostPort, Port};
use serde::{Deserialize, Serialize};

/// An ext_authz server that is asked about everything that is not refused here: Choreo Connect's own enforcer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Next {
    /// `host` or `host:port`; empty: nobody is asked.
    pub address: String,
    /// The port, where the address has none.
    pub port: Port,
    /// The name in its certificate, whatever host is dialled.
    pub server_name: String,
    /// What is shown to it; empty: `enforcer.keystore.certPath`.
    pub cert_path: PathBuf,
    /// The key of that certificate.
    pub key_path: PathBuf,
    /// Who may have signed its certificate, a file or a folder; empty: `enforcer.truststore.location`.
    pub trusted_certs: PathBuf,
    /// How long it may take for an answer, in seconds. Never longer than nine tenths of what the proxy itself waits.
    pub timeout: u64,
    /// Whether credentials are verified here too, as `enforcer.security` says. Missing ones are left to it in any case.
    pub verify: bool,
    /// So many calls of other services are carried to it at once: an open WebSocket is one.
    pub max_calls: usize,
    /// Its admin server.
    pub rest: NextRest,
}

/// The admin server of the next enforcer: what is asked of ours and is not ours goes there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NextRest {
    /// `host` or `host:port`; empty: nothing goes on.
    pub address: String,
    /// The port, where the address has none.
    pub port: Port,
}

impl Next {
    /// `host:port`, where there is a next.
    pub fn endpoint(&self) -> Option<String> {
        endpoint(&self.address, self.port)
    }

    /// Whether there is one.
    pub fn is_configured(&self) -> bool {
        !self.address.is_empty()
    }
}

impl NextRest {
    /// `host:port`, where there is one.
    pub fn endpoint(&self) -> Option<String> {
        endpoint(&self.address, self.port)
    }
}

fn endpoint(address: &str, port: Port) -> Option<String> {
    HostPort::parse(address).map(|at| at.or_port(port.get()))
}

const fn port(port: u16) -> Port {
    match Port::new(port) {
        Some(port) => port,
        None => panic!("0 is no port"),
    }
}

/// Choreo Connect's port.
impl Default for NextRest {
    fn default() -> Self {
        Self {
            address: String::new(),
            port: const { port(9001) },
        }
    }
}

/// Choreo Connect's port, and the name in its certificate.
impl Default for Next {
    fn default() -> Self {
        Self {
            address: String::new(),
            port: const { port(8081) },
            server_name: "enforcer".to_owned(),
            cert_path: PathBuf::new(),
            key_path: PathBuf::new(),
            trusted_certs: PathBuf::new(),
            timeout: 15,
            max_calls: 4096,
            verify: false,
            rest: NextRest::default(),
        }
    }
}
