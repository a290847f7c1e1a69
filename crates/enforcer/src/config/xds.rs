//! `[xds]`: the way to the adapters.

use rescind_runtime::config::Port;
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
    /// `host:port` of each adapter. An IPv6 address without a port stands in brackets, as one with a port does.
    pub fn endpoints(&self) -> Vec<String> {
        let with_port = |adapter: &String| match split(adapter) {
            Some((_, Some(_))) => adapter.clone(),
            _ => format!("{adapter}:{}", self.port),
        };
        self.adapters.iter().map(with_port).collect()
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; `None` for anything else.
pub(super) fn split(adapter: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match adapter.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest)
        }
        None => adapter.split_at(adapter.find(':').unwrap_or(adapter.len())),
    };
    let port = match port {
        "" => None,
        port => Some(
            port.strip_prefix(':')?
                .parse()
                .ok()
                .filter(|port| *port != 0)?,
        ),
    };
    let sound = !host.is_empty() && !host.contains([' ', '/', '@', '?', '#']);
    sound.then_some((host, port))
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
