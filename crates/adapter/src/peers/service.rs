//! What this adapter says of its set to others.

use std::sync::Arc;

use rescind_proto::rescind::v1::{
    Checkpoint, CheckpointRequest, CheckpointResponse,
    peer_service_server::{PeerService, PeerServiceServer},
};
use rescind_revocation::UnixSeconds;
use rescind_xds::Source as _;
use tonic::{Request, Response, Status};

use crate::{peer::Allowed, publication::Publication};

/// A request is one number; nobody is to make us hold more.
const REQUEST: usize = 64;

/// Answers whoever may subscribe.
#[derive(Debug)]
pub(crate) struct Statements {
    publication: Arc<Publication>,
    allowed: Allowed,
}

/// The service for the xDS port.
pub(crate) fn service(
    publication: Arc<Publication>,
    allowed: Allowed,
) -> PeerServiceServer<Statements> {
    PeerServiceServer::new(Statements {
        publication,
        allowed,
    })
    .max_decoding_message_size(REQUEST)
}

#[tonic::async_trait]
impl PeerService for Statements {
    async fn get_checkpoint(
        &self,
        request: Request<CheckpointRequest>,
    ) -> Result<Response<CheckpointResponse>, Status> {
        self.allowed.check(request.extensions())?;
        let horizon = UnixSeconds(request.into_inner().horizon);
        let reader = self.publication.reader();
        let said = reader.checkpoint_from(horizon);
        Ok(Response::new(CheckpointResponse {
            ledger: reader.ledger_id().to_string(),
            checkpoint: Some(Checkpoint {
                cursor: said.head.to_string(),
                horizon: said.horizon.0,
                digest: said.digest.to_bytes().to_vec(),
                count: said.entries,
                complete: self.publication.head().borrow().complete,
                ..Checkpoint::default()
            }),
        }))
    }
}
