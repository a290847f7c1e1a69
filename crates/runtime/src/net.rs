//! Binding, with an error that says who holds the port; and the connections that come to it.

mod holder;
mod serving;

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::TcpListener;

pub use serving::serve_each;

/// Why a port could not be bound.
#[derive(Debug, Error)]
pub enum BindError {
    /// The host is neither an address nor a name that resolves.
    #[error("cannot resolve the listening address {address}")]
    Resolve {
        /// `host:port` as configured.
        address: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("cannot listen on {address}: the port is in use{}", holder.as_deref().map(|holder| format!(" by {holder}")).unwrap_or_default())]
    InUse {
        /// The address asked for.
        address: SocketAddr,
        /// `name (pid 123)` where it could be found.
        holder: Option<String>,
    },
    /// Anything else, such as a port below 1024 without the right to it.
    #[error("cannot listen on {address}")]
    Io {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The address that a listener is bound to.
pub fn local_addr(listener: &TcpListener) -> Result<SocketAddr, BindError> {
    listener.local_addr().map_err(|source| BindError::Io {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        source,
    })
}

/// Listens on `host:port`, the first address of the host that can be bound. Port 0 takes a free one.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, BindError> {
    let resolve = |source| BindError::Resolve {
        address: format!("{host}:{port}"),
        source,
    };
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(resolve)?;
    let mut last = None;
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(source) => last = Some((address, source)),
        }
    }
    let (address, source) = last.ok_or_else(|| resolve(io::ErrorKind::NotFound.into()))?;
    match source.kind() {
        io::ErrorKind::AddrInUse => Err(BindError::InUse {
            address,
            holder: holder::of(address.port()),
        }),
        _ => Err(BindError::Io { address, source }),
    }
}
