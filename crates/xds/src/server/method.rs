//! The two streaming methods: what they read and write; what happens on their streams is the same.

use rescind_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tonic::Status;

use super::{
    connection::Reply,
    opening::{Opening, Said},
};

/// A streaming method.
pub(super) trait Streamed: Send + 'static {
    type Request: Send;
    type Response: Send;

    /// Reads the first request.
    fn opening(request: Self::Request) -> Result<Opening, Status>;

    /// Reads a later one.
    fn said(request: Self::Request) -> Result<Said, Status>;

    /// The response of this method in `reply`, where it is of this method.
    fn response(reply: Reply) -> Option<Self::Response>;
}

/// State of the world.
#[derive(Debug)]
pub(super) struct State;

/// Incremental.
#[derive(Debug)]
pub(super) struct Delta;

impl Streamed for State {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn opening(request: DiscoveryRequest) -> Result<Opening, Status> {
        Opening::read(&request)
    }

    fn said(request: DiscoveryRequest) -> Result<Said, Status> {
        Said::read(request)
    }

    fn response(reply: Reply) -> Option<DiscoveryResponse> {
        match reply {
            Reply::State(response) => Some(response),
            Reply::Delta(_) => None,
        }
    }
}

impl Streamed for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn opening(request: DeltaDiscoveryRequest) -> Result<Opening, Status> {
        Opening::read_delta(request)
    }

    fn said(request: DeltaDiscoveryRequest) -> Result<Said, Status> {
        Said::read_delta(request)
    }

    fn response(reply: Reply) -> Option<DeltaDiscoveryResponse> {
        match reply {
            Reply::Delta(response) => Some(response),
            Reply::State(_) => None,
        }
    }
}
