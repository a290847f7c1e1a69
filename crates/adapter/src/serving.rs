//! The gRPC server of the xDS port: discovery and health.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use rescind_proto::wso2::discovery::service::keymgt::revoked_token_discovery_service_server as discovery;
use rescind_runtime::{Health, tls::TlsListener};
use rescind_xds::server::{self, Settings};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{peer, publication::Publication};

/// A client on a dead path notices nothing by itself; it answers pings.
const PING: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams on one connection: the original client opens another one after each NACK, and with few allowed its ACKs queue
/// inside it for ever.
const STREAMS: u32 = 1_000_000;

/// What `grpc.health.v1` answers for: the process, its service, and the name that Choreo Connect's own probes ask for.
pub(crate) const SERVICES: [&str; 3] =
    ["", discovery::SERVICE_NAME, "adapter.internal.RestService"];

/// Serves until `cancel`. Then every stream is ended with `UNAVAILABLE`: the original client never comes back after OK.
pub(crate) async fn serve(
    listener: TlsListener,
    publication: Arc<Publication>,
    metrics: Arc<server::Metrics>,
    health: Health,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let settings = Settings {
        identify: peer::identify(),
        ..Settings::default()
    };
    let (service, streams) = server::service(publication, settings, metrics);
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let drained = async {
        cancel.cancelled().await;
        streams.drain().await;
    };
    let server = Server::builder()
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .max_concurrent_streams(STREAMS)
        .add_service(service)
        .add_service(health_service)
        .serve_with_incoming_shutdown(listener, drained);
    tokio::select! {
        served = server => served.context("the xDS server has failed"),
        never = report(&reporter, &health) => match never {},
    }
}

/// Keeps `grpc.health.v1` in step with the process's health.
async fn report(reporter: &HealthReporter, health: &Health) -> std::convert::Infallible {
    let mut ready = health.watch();
    loop {
        let status = if *ready.borrow_and_update() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in SERVICES {
            reporter.set_service_status(service, status).await;
        }
        if ready.changed().await.is_err() {
            // The health is gone with the process.
            std::future::pending::<()>().await;
        }
    }
}
