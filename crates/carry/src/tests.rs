//! Calls through a real tonic server, carried over real TLS to scripted HTTP/2 servers.

mod caller;
mod certificates;
mod ends;
mod flow;
mod loss;
mod original;
mod passes;
mod plain;
mod probes;

use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::{
    net::{TcpListener, TcpSocket},
    time::timeout,
};
use tokio_stream::wrappers::TcpListenerStream;

use self::{caller::Caller, certificates::Certificates, original::Original};
use crate::{CONNECTION_WINDOW, GrpcCarry, Metrics, STREAM_WINDOW, Settings, Upstream};

/// Longer than anything takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("did not come")
}

/// A caller, a carrier, an original.
struct World {
    carry: GrpcCarry,
    caller: Caller,
}

impl World {
    async fn to(original: &Original) -> Self {
        Self::with(&original.upstream(), Settings::default()).await
    }

    async fn with(upstream: &Upstream, settings: Settings) -> Self {
        let carry = GrpcCarry::new(upstream, settings, Metrics::default().into()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .max_concurrent_streams(100_000)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .serve_with_incoming(carry.clone(), TcpListenerStream::new(listener));
        tokio::spawn(async move { server.await.unwrap() });
        let caller = Caller::connect(address).await;
        Self { carry, caller }
    }
}

/// An upstream where nobody listens, as long as the socket is held: it has the port.
fn nobody(certificates: &Certificates) -> (Upstream, TcpSocket) {
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap().to_string();
    (upstream(certificates, address), held)
}

fn upstream(certificates: &Certificates, address: String) -> Upstream {
    let name = ServerName::try_from("adapter").unwrap();
    Upstream::new(address, name, certificates.client())
}
