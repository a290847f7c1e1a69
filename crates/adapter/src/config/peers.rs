//! `[adapter.peers]`: the other adapters, which are asked whether they hold the same set.

use rescind_runtime::config::{HostPort, Problems};
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};

/// The port of an address that has none.
const PORT: u16 = 18000;

/// `[adapter.peers]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeersSection {
    /// Their xDS ports, `host` or `host:port`.
    pub addresses: Vec<String>,
    /// The name to verify, in place of each host.
    pub server_name: String,
}

/// Where a peer is, and the name that its certificate must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerAddress {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) name: ServerName<'static>,
}

impl PeersSection {
    /// The peers. Only what [`check`](super::check) has passed is whole.
    pub(crate) fn all(&self) -> Vec<PeerAddress> {
        let texts = self.addresses.iter();
        texts.filter_map(|text| self.peer(text)).collect()
    }

    fn peer(&self, text: &str) -> Option<PeerAddress> {
        let at = HostPort::parse(text)?;
        let name = match self.server_name.as_str() {
            "" => at.host,
            name => name,
        };
        Some(PeerAddress {
            address: at.or_port(PORT),
            name: ServerName::try_from(name.to_owned()).ok()?,
        })
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if !self.server_name.is_empty() && ServerName::try_from(&*self.server_name).is_err() {
            problems.add("adapter.peers.serverName", "expected a DNS name or nothing");
        }
        for (at, text) in self.addresses.iter().enumerate() {
            if HostPort::parse(text).is_none()
                || (self.server_name.is_empty() && self.peer(text).is_none())
            {
                problems.add(
                    format!("adapter.peers.addresses[{at}]"),
                    format!("expected host or host:port, found {text:?}"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_host_with_or_without_a_port() {
        let section = |text: &str, name: &str| PeersSection {
            addresses: vec![text.to_owned()],
            server_name: name.to_owned(),
        };
        for (text, name, address, verified) in [
            ("adapter-1", "", "adapter-1:18000", "adapter-1"),
            ("adapter-1:19000", "adapter", "adapter-1:19000", "adapter"),
            ("10.0.0.1:1", "", "10.0.0.1:1", "10.0.0.1"),
            ("[::1]", "", "[::1]:18000", "::1"),
            ("[::1]:7", "adapter", "[::1]:7", "adapter"),
            ("::1", "", "[::1]:18000", "::1"),
        ] {
            let expected = PeerAddress {
                address: address.to_owned(),
                name: ServerName::try_from(verified).unwrap(),
            };
            assert_eq!(section(text, name).all(), [expected], "{text}");
        }
        for wrong in ["", ":1", "a:b", "a:0", "a:70000", "::1:18000", "a b"] {
            assert_eq!(section(wrong, "").all(), [], "{wrong}");
        }
    }
}
