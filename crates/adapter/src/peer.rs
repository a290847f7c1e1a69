//! Who a client of the xDS port is: what it is called in log and status, whether it may subscribe, and which calls are its
//! own.

use std::{net::SocketAddr, sync::Arc};

use rescind_carry::{Busy, Caller};
use rescind_xds::server::{self, Admit, Identify};
use rustls::pki_types::CertificateDer;
use tonic::{Extensions, Status};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// Whose connection a request of the xDS port is on.
pub(crate) fn identify() -> Identify {
    Identify::by(|extensions| extensions.get::<Peer>().map(|peer| peer.connection.clone()))
}

/// Who is at the other end of a connection: an extension of each request on it, made once.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// To the discovery service.
    connection: server::Peer,
    caller: Caller,
}

impl Peer {
    /// Who shows `leaf` from `address`, on the connection of `busy`.
    ///
    /// Where all share a certificate, as Choreo Connect ships it, only the address tells them apart; and one that opens many
    /// connections is still one.
    pub(crate) fn new(
        leaf: Option<&CertificateDer<'_>>,
        address: Option<SocketAddr>,
        busy: Busy,
    ) -> Self {
        let name = leaf.and_then(|leaf| certificate_name(leaf));
        let name = name.unwrap_or_else(|| "unnamed".to_owned());
        let from = address.map(|address| address.ip().to_canonical());
        let caller = match from {
            Some(from) => format!("{name} at {from}"),
            None => name.clone(),
        };
        Self {
            connection: server::Peer::new(&name, address),
            caller: Caller::new(caller, busy),
        }
    }

    /// Whom its calls count for.
    pub(crate) fn caller(&self) -> Caller {
        self.caller.clone()
    }
}

/// The names that may subscribe.
#[derive(Debug, Clone)]
pub(crate) struct Allowed(Arc<[String]>);

impl Allowed {
    /// Whose name fits one of `patterns`.
    pub(crate) fn new(patterns: &[String]) -> Self {
        Self(patterns.into())
    }

    /// For streams.
    pub(crate) fn admit(&self) -> Admit {
        let allowed = self.clone();
        Admit::by(move |name| allowed.holds(name))
    }

    /// For a question by itself.
    pub(crate) fn check(&self, extensions: &Extensions) -> Result<(), Status> {
        let peer = extensions.get::<Peer>();
        match self.holds(peer.map_or("", |peer| peer.connection.identity())) {
            true => Ok(()),
            false => Err(Status::permission_denied(
                "this certificate's name may not ask here (adapter.xds.allowedClients)",
            )),
        }
    }

    fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| fits(pattern, name))
    }
}

/// Whether `name` is `pattern`, where `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The common name, else the first DNS name.
fn certificate_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(der).ok()?;
    let common = certificate.subject().iter_common_name().next();
    let common = common.and_then(|name| name.as_str().ok());
    let alternative = || {
        let names = certificate.subject_alternative_name().ok()??;
        names
            .value
            .general_names
            .iter()
            .find_map(|name| match name {
                GeneralName::DNSName(name) => Some(*name),
                _ => None,
            })
    };
    common
        .filter(|name| !name.is_empty())
        .or_else(alternative)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(common_name: Option<&str>, dns: &[&str]) -> Vec<u8> {
        let names: Vec<_> = dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_pattern_is_a_name_or_has_stars_for_any_text() {
        for (pattern, name, fit) in [
            ("enforcer", "enforcer", true),
            ("enforcer", "enforcer-2", false),
            ("*", "", true),
            ("*", "anything", true),
            ("gw-*.prod", "gw-7.prod", true),
            ("gw-*.prod", "gw-.prod", true),
            ("gw-*.prod", "gw.prod", false),
            ("gw-*.prod", "gw-7.test", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("", "enforcer", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn callers_are_told_apart_by_name_and_address_and_not_by_connection() {
        let caller = |name, address: &str| {
            let leaf = CertificateDer::from(certificate(Some(name), &[]));
            let address = address.parse().unwrap();
            let peer = Peer::new(Some(&leaf), Some(address), Busy::default());
            peer.caller().name().to_owned()
        };
        assert_eq!(caller("mg", "10.0.0.1:5000"), "mg at 10.0.0.1");
        assert_eq!(caller("mg", "[::ffff:10.0.0.1]:6000"), "mg at 10.0.0.1");
        assert_eq!(caller("mg", "10.0.0.2:5000"), "mg at 10.0.0.2");
        assert_eq!(caller("other", "10.0.0.1:5000"), "other at 10.0.0.1");
    }

    #[test]
    fn a_certificate_is_called_by_its_common_name_or_its_first_dns_name() {
        let name = |common, dns: &[&str]| certificate_name(&certificate(common, dns));
        assert_eq!(
            name(Some("enforcer"), &["localhost"]),
            Some("enforcer".into())
        );
        assert_eq!(
            name(None, &["enforcer-2", "localhost"]),
            Some("enforcer-2".into())
        );
        assert_eq!(name(None, &[]), None);
        assert_eq!(certificate_name(b"no certificate"), None);
    }
}
