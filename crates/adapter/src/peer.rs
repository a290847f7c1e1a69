//! Who a client of the xDS port is: the name in its certificate. With its instance identifier it is told apart from others.

use rescind_xds::server::Identify;
use tonic::{
    Extensions,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// Names peers of the TLS listener.
pub(crate) fn identify() -> Identify {
    Identify::by(|extensions| name(extensions).unwrap_or_default())
}

fn name(extensions: &Extensions) -> Option<String> {
    let info = extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?;
    let certificates = info.peer_certs();
    let leaf = certificates.as_deref().and_then(|chain| chain.first());
    let name = leaf.and_then(|leaf| certificate_name(leaf));
    Some(name.unwrap_or_else(|| "unnamed".to_owned()))
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
