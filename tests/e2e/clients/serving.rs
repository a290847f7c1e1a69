//! An xDS server of a test's own, over mutual TLS.

use std::net::SocketAddr;

use rescind_proto::wso2::discovery::service::keymgt::revoked_token_discovery_service_server::{
    RevokedTokenDiscoveryService, RevokedTokenDiscoveryServiceServer,
};
use rescind_stack::Identity;
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity as TonicIdentity, Server, ServerTlsConfig};

/// Serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Serving {
    /// Serves `service` as `identity`, to clients of `ca`.
    pub(crate) async fn start(
        identity: &Identity,
        ca: &str,
        service: impl RevokedTokenDiscoveryService,
    ) -> Self {
        let read = |path| std::fs::read(path).unwrap();
        let tls = ServerTlsConfig::new()
            .identity(TonicIdentity::from_pem(
                read(&identity.cert),
                read(&identity.key),
            ))
            .client_ca_root(Certificate::from_pem(std::fs::read(ca).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(RevokedTokenDiscoveryServiceServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener));
        Self {
            address,
            task: tokio::spawn(server).abort_handle(),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
