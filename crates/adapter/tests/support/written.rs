//! A configuration for a process under test.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

/// A configuration that is good on this machine, without a control plane, on ports of its own.
pub(crate) fn written(directory: &TempDir) -> std::path::PathBuf {
    let path = |name: &str| directory.path().join(name);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key);
    fs::write(path("adapter.pem"), certificate.unwrap().pem()).unwrap();
    fs::write(path("adapter.key"), key.serialize_pem()).unwrap();
    let ports = [(); 2].map(|()| reserved_port());
    let text = format!(
        "[adapter.keystore]\ncertPath = {cert:?}\nkeyPath = {key:?}\n\
         [adapter.truststore]\nlocation = {cert:?}\n\
         [adapter.xds]\nhost = \"127.0.0.1\"\nport = {}\n\
         [adapter.admin]\nport = {}\n\
         [ledger]\ndirectory = {ledger:?}\n\
         [controlPlane]\nenabled = false\n",
        ports[0],
        ports[1],
        cert = path("adapter.pem"),
        key = path("adapter.key"),
        ledger = path("ledger"),
    );
    fs::write(path("adapter.toml"), text).unwrap();
    path("adapter.toml")
}

/// A port for a process that comes later. The socket that holds it never listens, so a server can be bound beside it; and
/// while it is open, which is until this process ends, nobody else is given it.
fn reserved_port() -> u16 {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::mem::forget(socket);
    port
}
