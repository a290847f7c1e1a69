//! The two streaming methods: what they read; what happens on their streams is the same.

use rescind_proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use tonic::Status;

use super::opening::{Opening, Said};

/// A streaming method.
pub(super) trait Streamed: Send + 'static {
    type Request: prost::Message + Default;

    /// Reads the first request.
    fn opening(request: Self::Request) -> Result<Opening, Status>;

    /// Reads a later one.
    fn said(request: Self::Request) -> Result<Said, Status>;
}

/// State of the world.
#[derive(Debug)]
pub(super) struct State;

/// Incremental.
#[derive(Debug)]
pub(super) struct Delta;

impl Streamed for State {
    type Request = DiscoveryRequest;

    fn opening(request: DiscoveryRequest) -> Result<Opening, Status> {
        Opening::read(&request)
    }

    fn said(request: DiscoveryRequest) -> Result<Said, Status> {
        Said::read(request)
    }
}

impl Streamed for Delta {
    type Request = DeltaDiscoveryRequest;

    fn opening(request: DeltaDiscoveryRequest) -> Result<Opening, Status> {
        Opening::read_delta(request)
    }

    fn said(request: DeltaDiscoveryRequest) -> Result<Said, Status> {
        Said::read_delta(request)
    }
}
