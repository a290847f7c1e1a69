//! The gRPC server: checks, and `grpc.health.v1` for who probes it.

use std::{net::SocketAddr, time::Duration};

use rescind_carry::{CONNECTION_WINDOW, GrpcCarry, STREAM_WINDOW};
use rescind_runtime::tls::TlsListener;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tower::Layer as _;
use tracing::debug;

use super::carried::CarryLayer;
use crate::{
    check::{Checks, SERVICE, WithChecks},
    config::AuthService,
    serve::{Limits, serve},
};

/// How long connections may take to end once the drain has begun: a check takes a millisecond, a health watch for ever.
const GRACE: Duration = Duration::from_secs(3);

/// Checks in flight on one connection. One takes some 20 microseconds, so more would only wait.
const MAX_STREAMS: u32 = 1024;

/// An ext_authz server whose port is bound.
#[derive(Debug)]
pub(super) struct CheckServer {
    checks: Checks,
    carry: Option<GrpcCarry>,
    max_message_size: usize,
    max_header_limit: u32,
    listener: TlsListener,
    ready: watch::Receiver<bool>,
}

impl CheckServer {
    pub(super) fn new(
        checks: Checks,
        config: &AuthService,
        listener: TlsListener,
        ready: watch::Receiver<bool>,
    ) -> Self {
        Self {
            checks,
            carry: None,
            max_message_size: config.max_message_size,
            max_header_limit: config.max_header_limit,
            listener,
            ready,
        }
    }

    /// With what is not ours carried by `carry`.
    pub(super) fn carrying(self, carry: Option<GrpcCarry>) -> Self {
        Self { carry, ..self }
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Serves until `cancel`; checks in flight are finished.
    pub(super) async fn serve(mut self, cancel: CancellationToken) {
        let reporter = HealthReporter::new();
        let ready = *self.ready.borrow_and_update();
        report(&reporter, ready).await;
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let _reporting = AbortOnDropHandle::new(tokio::spawn(follow(reporter, self.ready)));
        let is_carrying = self.carry.is_some();
        let limits = Limits {
            streams: MAX_STREAMS,
            header_list: self.max_header_limit,
            stream_window: is_carrying.then_some(STREAM_WINDOW),
            connection_window: is_carrying.then_some(CONNECTION_WINDOW),
        };
        let carry = self.carry.clone();
        let others = CarryLayer(self.carry).layer(Routes::new(health).prepare());
        let services = WithChecks::new(self.checks, self.max_message_size, others);
        let drain = async {
            cancel.cancelled().await;
            if let Some(carry) = carry {
                carry.drain();
            }
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = serve(self.listener, services, limits, cancel.clone()) => {}
            () = drain => debug!("Connections that did not end in time were closed"),
        }
    }
}

/// Reports readiness as it changes.
async fn follow(reporter: HealthReporter, mut ready: watch::Receiver<bool>) {
    while ready.changed().await.is_ok() {
        let serving = *ready.borrow_and_update();
        report(&reporter, serving).await;
    }
}

/// For the server as a whole and for its one service.
async fn report(reporter: &HealthReporter, ready: bool) {
    let status = match ready {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    for service in ["", SERVICE] {
        reporter.set_service_status(service, status).await;
    }
}
