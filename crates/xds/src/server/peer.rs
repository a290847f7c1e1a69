//! The other end of a connection, as far as the transport knows it.

use std::{net::SocketAddr, sync::Arc};

use rustls_pki_types::CertificateDer;
use tonic::{
    Extensions,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

use super::{Settings, connection::StreamId};

/// The other end of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// What the settings call it; empty where they do not.
    pub(super) identity: String,
    pub(super) address: Option<SocketAddr>,
    local: Option<SocketAddr>,
    /// One allocation for each TLS connection: tells it from a later one with the same ports.
    certificates: Option<Arc<Vec<CertificateDer<'static>>>>,
}

/// What streams of one connection have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Addresses {
        remote: SocketAddr,
        local: Option<SocketAddr>,
    },
    /// Without an address nothing tells two connections apart.
    Stream(StreamId),
}

impl Peer {
    /// Reads what the transport put beside a request.
    pub(super) fn of(extensions: &Extensions, settings: &Settings) -> Self {
        let tls = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
        let tcp = tls
            .map(TlsConnectInfo::get_ref)
            .or_else(|| extensions.get::<TcpConnectInfo>());
        Self {
            identity: settings.identify.call(extensions),
            address: tcp.and_then(TcpConnectInfo::remote_addr),
            local: tcp.and_then(TcpConnectInfo::local_addr),
            certificates: tls.and_then(TlsConnectInfo::peer_certs),
        }
    }

    pub(super) fn key(&self, id: StreamId) -> Key {
        match self.address {
            Some(remote) => Key::Addresses {
                remote,
                local: self.local,
            },
            None => Key::Stream(id),
        }
    }

    /// The address, for a log line.
    pub(super) fn shown(&self) -> String {
        self.address
            .map_or_else(|| "-".to_owned(), |address| address.to_string())
    }

    /// Whether `other`, which has the same key, is the same connection.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.certificates, &other.certificates) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        }
    }

    #[cfg(test)]
    pub(super) fn at(address: &str) -> Self {
        Self {
            address: Some(address.parse().expect("an address")),
            ..Self::default()
        }
    }
}
