//! `DeltaTokens` with packed ranges: the way to our own servers.

use std::convert::Infallible;

use prost::Message as _;
use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    rescind::v1::{Range, range},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::{
    Answer, Checkpoint, Content, Outcome, Packed, ServerHead, Sink, Update, Walk,
    stream::{Attempt, Discovery, Lost, REASON_BYTES, Received, Said, error_detail, reason, send},
};
use crate::{
    RANGE_TYPE_URL,
    server::Proof,
    text::clean,
    wire::{CHECKPOINT, LOG, log_of, proof_node},
};

/// A response, decoded.
struct Decoded {
    update: Update,
    said: Option<Said>,
}

impl<S: Sink> Attempt<'_, S> {
    /// Goes on until the stream ends.
    pub(super) async fn incremental(&mut self, mut client: Discovery) -> Result<Infallible, Lost> {
        // As in the other method: one response, one answer.
        let (requests, queue) = mpsc::channel(1);
        let versions = self.sink.versions();
        let held = format!("{} ledgers", versions.len());
        let first = DeltaDiscoveryRequest {
            node: Some(self.node()),
            type_url: RANGE_TYPE_URL.to_owned(),
            resource_names_subscribe: vec![LOG.to_owned(), CHECKPOINT.to_owned()],
            initial_resource_versions: versions
                .into_iter()
                .map(|(id, version)| (log_of(&id), version))
                .collect(),
            ..Default::default()
        };
        send(self.config, &requests, first).await?;
        let stream = client.delta_tokens(ReceiverStream::new(queue));
        let stream = timeout(self.config.silence, stream).await;
        let mut stream = match stream {
            Ok(Ok(stream)) => stream.into_inner(),
            Ok(Err(status)) if status.code() == Code::Unimplemented => return Err(Lost::NotServed),
            Ok(Err(status)) => return Err(reason(&status).into()),
            // A server that has never heard of the method may still be silent about it.
            Err(_) => return Err(format!("silent for {:?}", self.config.silence).into()),
        };
        self.speaks = true;
        self.connected(&held);
        let mut told = None;
        // The nonce of what is applied, while that does not last.
        let mut held = None;
        loop {
            let response = match self.receive(&mut stream, held.is_some()).await? {
                Received::Response(response) => response,
                Received::Settled(settled) => {
                    let nonce = held.take().unwrap_or_default();
                    let ack = answer(nonce, Ok(settled), &mut told);
                    send(self.config, &requests, ack).await?;
                    continue;
                }
            };
            let nonce = response.nonce.clone();
            let decoded = match decode(response) {
                Ok(Some(decoded)) => Ok(decoded),
                Ok(None) => {
                    self.journal.foreign(self.address, "another type");
                    continue;
                }
                Err(text) => {
                    self.journal.rejected(self.address, "", &text);
                    Err(text)
                }
            };
            let (said, answered) = match decoded {
                Ok(decoded) => (decoded.said, self.apply(decoded.update)),
                Err(text) => (None, Err(text)),
            };
            // As over the oldest method: a server is not left in the middle of what was refused.
            let said = said.filter(|_| answered.is_ok());
            let answered = match answered {
                // It lasts with all that came before it.
                Ok(Outcome::Applied(answer)) => {
                    held = None;
                    Some(Ok(answer))
                }
                Ok(Outcome::Held) => {
                    held = Some(nonce.clone());
                    None
                }
                Err(text) => Some(Err(text)),
            };
            if let Some(answered) = answered {
                send(self.config, &requests, answer(nonce, answered, &mut told)).await?;
            }
            if let Some(said) = said {
                self.judge(said)?;
            }
        }
    }
}

/// The ACK or NACK. What came of comparing is said when it is new.
fn answer(
    response_nonce: String,
    answered: Result<Answer, String>,
    told: &mut Option<Proof>,
) -> DeltaDiscoveryRequest {
    let mut request = DeltaDiscoveryRequest {
        type_url: RANGE_TYPE_URL.to_owned(),
        response_nonce,
        ..Default::default()
    };
    match answered {
        Ok(Answer { proof, walk }) => {
            if proof.is_some() && proof != *told {
                *told = proof;
                request.node = proof.map(|proof| proof_node(proof.name()));
            }
            if walk {
                request.resource_names_subscribe = vec![LOG.to_owned()];
            }
        }
        Err(text) => request.error_detail = Some(error_detail(text)),
    }
    request
}

/// `None` where it is of another type.
fn decode(response: DeltaDiscoveryResponse) -> Result<Option<Decoded>, String> {
    let DeltaDiscoveryResponse {
        system_version_info,
        resources,
        type_url,
        control_plane,
        ..
    } = response;
    if type_url != RANGE_TYPE_URL {
        return Ok(None);
    }
    let head = ServerHead::read(control_plane.as_ref());
    let mut update = Update {
        ledger: None,
        version: system_version_info,
        content: Content::Nothing,
        head,
        checkpoint: None,
    };
    for resource in resources {
        let name = clean(&resource.name, REASON_BYTES);
        let body = resource.resource.unwrap_or_default();
        if body.type_url != type_url {
            return Err(format!("resource \"{name}\": its type is not the stream's"));
        }
        let range = Range::decode(&*body.value)
            .map_err(|error| format!("resource \"{name}\": not a Range: {error}"))?;
        let ledger = range.ledger.clone();
        if ledger.is_empty() || update.ledger.as_ref().is_some_and(|other| *other != ledger) {
            return Err(format!(
                "resource \"{name}\": of no ledger, or of another one"
            ));
        }
        update.ledger = Some(ledger);
        match &*name {
            LOG => {
                update.version = resource.version;
                update.content = Content::Packed(packed(range));
            }
            CHECKPOINT => update.checkpoint = range.checkpoint,
            // What was not asked for is passed over.
            _ => {}
        }
    }
    let said = update.checkpoint.as_ref().map(said);
    Ok(Some(Decoded { update, said }))
}

fn said(checkpoint: &Checkpoint) -> Said {
    Said {
        complete: checkpoint.complete,
        source_age_ms: checkpoint.source_age_ms,
    }
}

fn packed(range: Range) -> Packed {
    let begins = range.from.is_empty();
    let walk = match range.walk() {
        range::Walk::None => Walk::None,
        range::Walk::Part => Walk::Part {
            begins,
            ends: false,
        },
        range::Walk::End => Walk::Part { begins, ends: true },
    };
    Packed {
        base: range.base,
        entries: range.entries,
        walk,
    }
}
