//! The gRPC server of the xDS port: discovery and health.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt as _;
use rescind_carry::MAX_METADATA;
use rescind_proto::rescind::v1::peer_service_server::PeerServiceServer;
use rescind_proto::wso2::discovery::service::keymgt::revoked_token_discovery_service_server as discovery;
use rescind_runtime::{Health, tls::TlsListener};
use rescind_xds::server::{self, Handle, Settings, TokenService};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

mod connection;
mod http2;
mod loading;
pub(crate) mod open_files;
mod unshared;

use self::connection::Connection;
pub(crate) use self::loading::refuse_while;
use crate::{
    config::Xds,
    passthrough::{Front, Passthrough},
    peer::{self, Allowed},
    peers::{self, Statements},
    publication::Publication,
    roster::Roster,
};

/// What asks for health is a name.
const HEALTH_REQUEST: usize = 4096;

/// What `grpc.health.v1` answers for: the process, its service, and the name that Choreo Connect's own probes ask for.
pub(crate) const SERVICES: [&str; 3] =
    ["", discovery::SERVICE_NAME, "adapter.internal.RestService"];

/// The discovery service, made and not yet served.
#[derive(Debug)]
pub(crate) struct Discovery {
    service: TokenService<Publication>,
    /// For the other adapters.
    peers: PeerServiceServer<Statements>,
    /// Its streams.
    pub(crate) streams: Handle,
    max_connection_age: Option<Duration>,
    allowed: Allowed,
    passthrough: Option<Passthrough>,
}

impl Discovery {
    pub(crate) fn new(
        publication: Arc<Publication>,
        xds: &Xds,
        allowed: Allowed,
        roster: Roster,
        metrics: Arc<server::Metrics>,
    ) -> Self {
        let peers = peers::service(Arc::clone(&publication), allowed.clone());
        let age = xds.max_connection_age.duration();
        let max_connection_age = (!age.is_zero()).then_some(age);
        let settings = Settings {
            admit: allowed.admit(),
            share: allowed.share(),
            max_streams: xds.max_streams_per_client as usize,
            full_sync_places: xds.full_sync_places as usize,
            max_connection_age,
            watcher: Some(Arc::new(roster)),
            ..Settings::default()
        };
        let (service, streams) = server::service(publication, peer::identify(), settings, metrics);
        Self {
            service,
            peers,
            streams,
            max_connection_age,
            allowed,
            passthrough: None,
        }
    }

    /// With what is not ours carried to the original.
    pub(crate) fn carrying(self, passthrough: Option<Passthrough>) -> Self {
        Self {
            passthrough,
            ..self
        }
    }

    /// Serves until `cancel`. Then every stream is ended with `UNAVAILABLE`: the original client never comes back after OK.
    pub(crate) async fn serve(
        self,
        listener: TlsListener,
        health: Health,
        cancel: CancellationToken,
    ) -> anyhow::Result<()> {
        let Self {
            service,
            peers,
            streams,
            max_connection_age,
            allowed,
            passthrough,
        } = self;
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let refused = streams.unshared();
        let carried = passthrough.clone();
        let drained = async {
            cancel.cancelled().await;
            if let Some(carried) = carried {
                carried.drain();
            }
            streams.drain().await;
        };
        let http2 = http2::Settings {
            header_list: passthrough.as_ref().map(|_| MAX_METADATA),
            max_age: max_connection_age,
        };
        let own = Routes::default()
            .add_service(service)
            .add_service(peers)
            .add_service(health_service.max_decoding_message_size(HEALTH_REQUEST))
            .prepare();
        let front = Front::new(own, passthrough, allowed);
        let connections = listener.map_ok(Connection::new);
        tokio::select! {
            () = http2::serve(connections, front, http2, drained) => Ok(()),
            never = report(&reporter, &health) => match never {},
            never = unshared::watch(refused, health.clone()) => match never {},
        }
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
