//! A port that can be closed and opened again without being lost to another process meanwhile.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A bound socket that never listens holds the port: while nobody else does, who connects is refused; nobody is given it, and
/// no connection goes out from it. A server that binds it as servers do, in this process or another, stands beside it.
#[derive(Debug)]
pub(crate) struct Port {
    _held: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn free() -> Self {
        let held = bind((Ipv4Addr::LOCALHOST, 0).into());
        Self {
            address: held.local_addr().unwrap(),
            _held: held,
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.address.port()
    }

    /// Opens it; dropping the listener closes it.
    pub(crate) fn listen(&self) -> TcpListener {
        bind(self.address).listen(64).unwrap()
    }
}

fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}
