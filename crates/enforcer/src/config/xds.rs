//! `[xds]`: the way to the adapters.

use rescind_runtime::config::{HostPort, Port};
use serde::{Deserialize, Serialize};

/// The adapters, and how they are reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Xds {
    /// `host` or `host:port` of each adapter; one is enough.
    pub adapters: Vec<String>,
    /// The port of those without one.
    pub port: Port,
    /// The name in the adapters' certificates, whatever host is dialled.
    pub server_name: String,
    /// The largest response that is taken, in bytes.
    pub max_message_size: usize,
    /// The longest wait between two attempts to connect, in seconds.
    pub retry_period: u64,
    /// What tells this enforcer from the others; empty: the variable `HOSTNAME`.
    pub instance_identifier: String,
    /// Whether an adapter that cannot say whether its set is whole is believed: Choreo Connect's own.
    pub allow_unproven: bool,
}

impl Xds {
    /// `host:port` of each adapter.
    pub fn endpoints(&self) -> Vec<String> {
        let endpoint = |adapter: &String| match HostPort::parse(adapter) {
            Some(at) => at.or_port(self.port.get()),
            // Whoever has not checked the configuration hears of it when it is dialled.
            None => adapter.clone(),
        };
        self.adapters.iter().map(endpoint).collect()
    }
}

impl Default for Xds {
    fn default() -> Self {
        Self {
            adapters: vec!["adapter".to_owned()],
            port: const {
                match Port::new(18_000) {
                    Some(port) => port,
                    None => panic!("0 is no port"),
                }
            },
            server_name: "adapter".to_owned(),
            max_message_size: 4 * 1024 * 1024,
            retry_period: 15,
            instance_identifier: String::new(),
            allow_unproven: false,
        }
    }
}
