//! Asking another adapter on its xDS port. Each question is a connection of its own: they are far apart, and each shows the
//! certificates of that moment.

use std::{sync::Arc, time::Duration};

use rescind_proto::rescind::v1::{
    CheckpointRequest, CheckpointResponse, peer_service_client::PeerServiceClient,
};
use rescind_revocation::{Digest, Digests, UnixSeconds};
use rescind_xds::client::{ClientConfig, DialError, Security, dial};
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::time::timeout;

/// The longest that an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is looked at, in bytes: an honest one has some 150.
const ANSWER: usize = 4096;

/// One peer, and how it is reached.
#[derive(Debug)]
pub(crate) struct PeerClient {
    address: String,
    config: ClientConfig,
}

/// What a peer says of its set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) ledger: String,
    pub(super) cursor: String,
    pub(super) complete: bool,
    pub(super) horizon: UnixSeconds,
    pub(super) digest: Digest,
    pub(super) entries: u64,
}

/// Why it says nothing.
#[derive(Debug, Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("answers {:?}: {}", .0.code(), .0.message())]
    Status(#[from] tonic::Status),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    #[error("its answer holds no digest")]
    NoDigest,
    #[error("it answers from second {answered} on, and was asked from {asked} on")]
    Horizon { asked: u64, answered: u64 },
}

impl PeerClient {
    /// `address` is `host:port`.
    pub(crate) fn new(
        address: &str,
        config: Arc<rustls::ClientConfig>,
        server_name: ServerName<'static>,
    ) -> Self {
        let security = Security::Tls {
            config,
            server_name,
        };
        Self {
            address: address.to_owned(),
            config: ClientConfig::new(vec![address.to_owned()], security, String::new()),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it says of its set from `horizon` on, or from its own.
    pub(super) async fn ask(&self, horizon: UnixSeconds) -> Result<Statement, AskError> {
        let channel = dial(&self.config, &self.address).await?;
        let mut client = PeerServiceClient::new(channel).max_decoding_message_size(ANSWER);
        let request = CheckpointRequest { horizon: horizon.0 };
        let answered = timeout(PATIENCE, client.get_checkpoint(request)).await;
        let answer = answered.map_err(|_| AskError::TimedOut)??.into_inner();
        Statement::of(answer, horizon)
    }
}

impl Statement {
    /// What the answer to a question from `asked` on says, where it can be compared with ours.
    fn of(answer: CheckpointResponse, asked: UnixSeconds) -> Result<Self, AskError> {
        let checkpoint = answer.checkpoint.ok_or(AskError::NoDigest)?;
        let digest = <[u8; 16]>::try_from(&*checkpoint.digest).map_err(|_| AskError::NoDigest)?;
        let horizon = UnixSeconds(checkpoint.horizon);
        if horizon < asked || Digests::boundary(horizon) != horizon {
            return Err(AskError::Horizon {
                asked: asked.0,
                answered: horizon.0,
            });
        }
        Ok(Self {
            ledger: answer.ledger,
            cursor: checkpoint.cursor,
            complete: checkpoint.complete,
            horizon,
            digest: Digest::from_bytes(digest),
            entries: checkpoint.count,
        })
    }
}

#[cfg(test)]
mod tests {
    use rescind_proto::rescind::v1::Checkpoint;

    use super::*;

    fn answered(horizon: u64) -> Result<Statement, AskError> {
        let checkpoint = Checkpoint {
            digest: vec![0; 16],
            horizon,
            ..Checkpoint::default()
        };
        let answer = CheckpointResponse {
            checkpoint: Some(checkpoint),
            ..CheckpointResponse::default()
        };
        Statement::of(answer, UnixSeconds(6_000))
    }

    #[test]
    fn an_answer_from_before_the_question_or_between_two_boundaries_is_none() {
        for horizon in [0, 5_400, 5_999, 6_001, 6_599, u64::MAX] {
            let error = answered(horizon).unwrap_err();
            assert!(matches!(error, AskError::Horizon { .. }), "{horizon}");
        }
        for horizon in [6_000, 6_600] {
            assert_eq!(answered(horizon).unwrap().horizon, UnixSeconds(horizon));
        }
    }
}
