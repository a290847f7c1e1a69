//! What the xDS port serves beside the revoked tokens: every other gRPC call is carried to Choreo Connect's own adapter.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use rescind_carry::{Away, GrpcCarry, Metrics, Settings, Upstream};
use rescind_proto::wso2::discovery::service::keymgt::revoked_token_discovery_service_server::SERVICE_NAME;
use rescind_runtime::Health;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, codegen::Service, codegen::http, service::Routes};
use tracing::{info, warn};

use crate::{
    config,
    peer::{Allowed, Peer},
};

/// How often it is asked whether the original answers.
const ASK: Duration = Duration::from_secs(5);

/// The degraded state while it does not.
const ORIGINAL: &str = "original";

/// The way to the original.
#[derive(Debug, Clone)]
pub(crate) struct Passthrough {
    carry: GrpcCarry,
    address: Arc<str>,
}

impl Passthrough {
    /// A way that has not been tried yet.
    pub(crate) fn new(
        upstream: &Upstream,
        config: &config::Passthrough,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Away> {
        let settings = Settings {
            max_calls: config.max_calls,
            max_calls_per_caller: config.max_calls_per_client,
            // Its clients never come back from OK.
            open_never_ends_ok: true,
            ..Settings::default()
        };
        Ok(Self {
            carry: GrpcCarry::new(upstream, settings, metrics)?,
            address: upstream.address.as_str().into(),
        })
    }

    /// Ends every carried call with `UNAVAILABLE`.
    pub(crate) fn drain(&self) {
        self.carry.drain();
    }

    /// Keeps health in step with whether the original answers.
    pub(crate) async fn watch(
        self,
        health: Health,
        cancel: CancellationToken,
    ) -> anyhow::Result<()> {
        info!(
            original = &*self.address,
            "Calls that are not ours are carried to the original"
        );
        let ask = async {
            loop {
                match self.carry.probe().await {
                    Ok(()) if self.carry.is_full() => health.degrade(
                        ORIGINAL,
                        "as many calls as adapter.xds.passthrough.maxCalls are carried: others are refused",
                    ),
                    Ok(()) => health.recover(ORIGINAL),
                    Err(away) => health.degrade(
                        ORIGINAL,
                        format!("{}: {away}: what is not ours is refused", self.address),
                    ),
                }
                sleep(ASK).await;
            }
        };
        cancel.run_until_cancelled(ask).await;
        Ok(())
    }
}

/// Tells our own services from what is carried.
#[derive(Clone)]
pub(crate) struct Front {
    own: Routes,
    passthrough: Option<Passthrough>,
    allowed: Allowed,
}

impl Front {
    pub(crate) fn new(own: Routes, passthrough: Option<Passthrough>, allowed: Allowed) -> Self {
        Self {
            own,
            passthrough,
            allowed,
        }
    }

    /// Who has to look at this request, if it is a probe of somebody who may be carried.
    fn asked_by_a_probe(&self, request: &http::Request<Body>) -> Option<GrpcCarry> {
        let carry = &self.passthrough.as_ref()?.carry;
        let may = self.allowed.check(request.extensions()).is_ok();
        (may && GrpcCarry::is_probe(request)).then(|| carry.clone())
    }
}

/// A probe that has come back is told so; any other asks for our health.
async fn answer_probe(
    carry: GrpcCarry,
    mut own: Routes,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Infallible> {
    let marks = request.headers().clone();
    match carry.loops(&marks).await {
        Some(looped) => Ok(looped.map(Body::new)),
        None => own.call(request).await,
    }
}

impl Service<http::Request<Body>> for Front {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<http::Request<Body>>::poll_ready(&mut self.own, context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if let Some(carry) = self.asked_by_a_probe(&request) {
            return Box::pin(answer_probe(carry, self.own.clone(), request));
        }
        let path = request.uri().path();
        let Some(passthrough) = self.passthrough.as_mut().filter(|_| !is_ours(path)) else {
            return Box::pin(self.own.call(request));
        };
        if let Err(status) = self.allowed.check(request.extensions()) {
            let method: String = path.chars().take(MOST_SHOWN).collect();
            warn!(
                method,
                "Call is not carried: its certificate may not subscribe"
            );
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let peer = request.extensions().get::<Peer>();
        if let Some(caller) = peer.map(Peer::caller) {
            request.extensions_mut().insert(caller);
        }
        let carried = passthrough.carry.call(request);
        Box::pin(async { carried.await.map(|response| response.map(Body::new)) })
    }
}

/// What a log line shows of a path that somebody chose.
const MOST_SHOWN: usize = 200;

/// Whether a path is of a service that is served here, whatever the original has.
fn is_ours(path: &str) -> bool {
    let service = path.strip_prefix('/').unwrap_or(path);
    let service = service.split('/').next().unwrap_or_default();
    service == SERVICE_NAME || service == "grpc.health.v1.Health" || service.starts_with("rescind.")
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("passthrough", &self.passthrough)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_told_by_its_service() {
        for (path, ours) in [
            (
                "/wso2.discovery.service.keymgt.RevokedTokenDiscoveryService/StreamTokens",
                true,
            ),
            (
                "/wso2.discovery.service.keymgt.RevokedTokenDiscoveryService/New",
                true,
            ),
            ("/grpc.health.v1.Health/Check", true),
            ("/rescind.v1.Anything/Ask", true),
            (
                "/wso2.discovery.service.keymgt.KMDiscoveryService/StreamKeyManagers",
                false,
            ),
            (
                "/discovery.service.config.ConfigDiscoveryService/FetchConfigs",
                false,
            ),
            (
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
                false,
            ),
            ("/", false),
        ] {
            assert_eq!(is_ours(path), ours, "{path}");
        }
    }
}
