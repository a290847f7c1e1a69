//! Who a client of the xDS port is: what it is called in log and status, whether it may subscribe, and which calls are its
//! own.

use std::{net::SocketAddr, sync::Arc};

use rescind_carry::{Busy, Caller};
use rescind_runtime::tls::OwnCertificate;
use rescind_xds::server::{self, Admit, Identify};
use rustls::pki_types::CertificateDer;
use tonic::{Extensions, Status};
use tracing::{info, warn};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use crate::config::Xds;

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
        let name = name_of(leaf);
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

/// The names that may subscribe, and those that several may share.
#[derive(Debug, Clone)]
pub(crate) struct Allowed(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    clients: Vec<String>,
    shared: Vec<String>,
    /// Where no clients are named, its name is the one that may subscribe, and is shared: so it is where all parts have one
    /// certificate, as Choreo Connect is shipped.
    own: OwnCertificate,
}

/// Every name.
const ANY: &str = "*";

/// What a client that is not among them is told.
const NOT_ALLOWED: &str =
    "this certificate's name may not subscribe or ask here (adapter.xds.allowedClients)";

/// What the second client of a name that is not shared is told.
const NOT_SHARED: &str = "another instanceIdentifier is connected with a certificate of this name, and nothing says that \
    several share it (adapter.xds.sharedCertificates)";

impl Allowed {
    pub(crate) fn new(xds: &Xds, own: OwnCertificate) -> Self {
        Self(Arc::new(Rules {
            clients: xds.allowed_clients.clone(),
            shared: xds.shared_certificates.clone(),
            own,
        }))
    }

    /// Who may open streams.
    pub(crate) fn admit(&self) -> Admit {
        let allowed = self.clone();
        Admit::by(move |name| allowed.holds(name)).saying(NOT_ALLOWED)
    }

    /// Under which names several clients may.
    pub(crate) fn share(&self) -> Admit {
        let allowed = self.clone();
        Admit::by(move |name| allowed.shares(name)).saying(NOT_SHARED)
    }

    /// For a question by itself.
    pub(crate) fn check(&self, extensions: &Extensions) -> Result<(), Status> {
        let peer = extensions.get::<Peer>();
        match self.holds(peer.map_or("", |peer| peer.connection.identity())) {
            true => Ok(()),
            false => Err(Status::permission_denied(NOT_ALLOWED)),
        }
    }

    /// The names that may subscribe, and those that several may share.
    pub(crate) fn names(&self) -> (Vec<String>, Vec<String>) {
        let Rules {
            clients, shared, ..
        } = &*self.0;
        match self.0.implied() {
            Some(own) => (vec![own.clone()], [shared.clone(), vec![own]].concat()),
            None if self.0.open() => (clients.clone(), vec![ANY.to_owned()]),
            None => (clients.clone(), shared.clone()),
        }
    }

    /// What may leave a client without revocations, or credit it with another one's: for the operator to say more exactly.
    pub(crate) fn concerns(&self) -> Vec<String> {
        let Rules {
            clients,
            shared,
            own,
        } = &*self.0;
        let own = name_of(own.leaf().as_ref());
        if self.0.open() {
            let text = "adapter.xds.allowedClients is \"*\" and adapter.xds.sharedCertificates is not set: every name counts \
                as shared, and instanceIdentifier alone tells clients apart: name those that are shared";
            return vec![text.to_owned()];
        }
        // Who has said who shares may mean another adapter by our name.
        if !shared.is_empty() || !any(clients, &own) {
            return Vec::new();
        }
        vec![format!(
            "adapter.xds.allowedClients admits the name in our own certificate ({own}) and adapter.xds.sharedCertificates is \
             not set: where several enforcers show that certificate, all but the first are refused and get no revocations"
        )]
    }

    /// Says it in the log.
    pub(crate) fn tell(&self) {
        for concern in self.concerns() {
            warn!("{concern}");
        }
        let (clients, shared) = self.names();
        let (clients, shared) = (clients.join(", "), shared.join(", "));
        match self.0.clients.is_empty() {
            true => info!(
                clients,
                shared,
                "adapter.xds.allowedClients is not set: who has the name in the adapter's own certificate may subscribe, \
                 and several may share it"
            ),
            false => info!(clients, shared, "Names of certificates that may subscribe"),
        }
    }

    fn holds(&self, name: &str) -> bool {
        match self.0.implied() {
            Some(own) => own == name,
            None => any(&self.0.clients, name),
        }
    }

    fn shares(&self, name: &str) -> bool {
        let implied = || self.0.implied().is_some_and(|own| own == name);
        self.0.open() || any(&self.0.shared, name) || implied()
    }
}

impl Rules {
    /// The name of our own certificate, where that is the one that counts.
    fn implied(&self) -> Option<String> {
        let own = || name_of(self.own.leaf().as_ref());
        self.clients.is_empty().then(own)
    }

    /// Whether all may come and nothing is said of sharing. So it was in files of before sharing had to be said; to refuse
    /// the second of such a fleet would leave gateways without revocations that had them.
    fn open(&self) -> bool {
        self.shared.is_empty() && self.clients.iter().any(|pattern| pattern == ANY)
    }
}

fn any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| fits(pattern, name))
}

/// What a client is called that shows this.
fn name_of(leaf: Option<&CertificateDer<'_>>) -> String {
    let name = leaf.and_then(|leaf| certificate_name(leaf));
    name.unwrap_or_else(|| "unnamed".to_owned())
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
    use rescind_runtime::tls::{Identity, Shown as _};

    use super::*;
    use crate::testing::certificates::Authority;

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

    /// Whether `name` may subscribe, and whether several may under it, where the adapter's own certificate is called `mg`.
    fn rules(clients: &[&str], shared: &[&str], name: &str) -> (bool, bool) {
        rescind_runtime::tls::install_crypto_provider();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let xds = Xds {
            allowed_clients: owned(clients),
            shared_certificates: owned(shared),
            ..Xds::default()
        };
        let authority = Authority::new();
        let (cert, key) = authority.identity("mg");
        let own = Identity::new(cert, key).certificate().unwrap();
        let allowed = Allowed::new(&xds, own);
        (allowed.holds(name), allowed.shares(name))
    }

    #[test]
    fn where_nobody_is_named_our_own_name_is_the_one_and_shared() {
        assert_eq!(rules(&[], &[], "mg"), (true, true));
        assert_eq!(rules(&[], &[], "other"), (false, false));
        assert_eq!(rules(&[], &["other"], "other"), (false, true));
    }

    #[test]
    fn who_is_named_may_subscribe_and_is_shared_where_that_is_said() {
        assert_eq!(rules(&["gw-*"], &[], "gw-1"), (true, false));
        assert_eq!(rules(&["gw-*"], &[], "mg"), (false, false));
        assert_eq!(rules(&["gw-*"], &["gw-1"], "gw-1"), (true, true));
        assert_eq!(rules(&["*"], &["*"], "any"), (true, true));
    }

    #[test]
    fn a_star_alone_is_everybody_as_before_there_was_a_word_for_sharing() {
        assert_eq!(rules(&["*"], &[], "any"), (true, true));
        assert_eq!(rules(&["gw-1", "*"], &[], "gw-1"), (true, true));
        assert_eq!(rules(&["*"], &["other"], "any"), (true, false));
        assert_eq!(rules(&["gw*"], &[], "gw-1"), (true, false));
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
