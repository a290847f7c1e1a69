//! A port that refuses connections, for tests.

use tokio::net::TcpSocket;

/// Bound and never listened at: whoever connects is refused, and nobody else gets the port while the socket lives.
pub(crate) struct ClosedPort {
    pub(crate) port: u16,
    _socket: TcpSocket,
}

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            port: socket.local_addr().unwrap().port(),
            _socket: socket,
        }
    }
}
