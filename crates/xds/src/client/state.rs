//! `StreamTokens`: the way to servers that have no other.

use std::convert::Infallible;

use rescind_proto::envoy::{
    config::core::v3::ControlPlane,
    service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    Content, Outcome, ServerHead, Sink, Update,
    stream::{Attempt, Discovery, REASON_BYTES, Received, Said, error_detail, send},
};
use crate::{TYPE_URL, text::clean, wire::parse_identifier};

impl<S: Sink> Attempt<'_, S> {
    /// Goes on until the stream ends.
    pub(super) async fn state_of_the_world(
        &mut self,
        mut client: Discovery,
    ) -> Result<Infallible, String> {
        // One response is read at a time, and answered before the next: there is never more than one request to send.
        let (requests, queue) = mpsc::channel(1);
        let first = DiscoveryRequest {
            version_info: self.sink.version(),
            node: Some(self.node()),
            type_url: TYPE_URL.to_owned(),
            ..Default::default()
        };
        send(self.config, &requests, first).await?;
        let stream = client.stream_tokens(ReceiverStream::new(queue));
        let mut stream = self.opened(stream).await?.into_inner();
        // The ACK of what is applied, while that does not last.
        let mut held = None;
        loop {
            let (said, answer) = match self.receive(&mut stream, held.is_some()).await? {
                Received::Response(response) => (said(&response), self.take(response, &mut held)),
                Received::Settled(_) => (None, held.take()),
            };
            // An update that is refused comes again in parts: its server is not left in the middle of that.
            let refused = answer.as_ref().is_some_and(|a| a.error_detail.is_some());
            let said = said.filter(|_| !refused);
            if let Some(answer) = answer {
                send(self.config, &requests, answer).await?;
            }
            if let Some(said) = said {
                self.judge(said)?;
            }
        }
    }

    /// Applies a response; returns the ACK or NACK, or keeps the ACK as `held`.
    fn take(
        &mut self,
        response: DiscoveryResponse,
        held: &mut Option<DiscoveryRequest>,
    ) -> Option<DiscoveryRequest> {
        let DiscoveryResponse {
            version_info,
            resources,
            type_url,
            nonce,
            control_plane,
            ..
        } = response;
        if type_url != TYPE_URL {
            let type_url = clean(&type_url, REASON_BYTES);
            self.journal.foreign(self.address, &type_url);
            return None;
        }
        let head = ServerHead::read(control_plane.as_ref());
        self.speaks |= head.is_some();
        let update = Update {
            ledger: None,
            version: version_info.clone(),
            content: Content::Resources(resources),
            head,
            checkpoint: None,
        };
        match self.apply(update) {
            // It lasts with all that came before it.
            Ok(Outcome::Applied(_)) => {
                *held = None;
                Some(answer(version_info, nonce, None))
            }
            Ok(Outcome::Held) => {
                *held = Some(answer(version_info, nonce, None));
                None
            }
            Err(text) => Some(answer(self.sink.version(), nonce, Some(text))),
        }
    }
}

/// What a `rescind.v1` server says of itself, where the client holds what it speaks of: as with a checkpoint.
fn said(response: &DiscoveryResponse) -> Option<Said> {
    let head = ServerHead::read(response.control_plane.as_ref())?;
    let holds = response.type_url == TYPE_URL && response.version_info == head.version;
    holds.then_some(Said {
        complete: head.complete,
        source_age_ms: None,
    })
}

impl ServerHead {
    /// Reads `control_plane.identifier`; `None` where it is another server's.
    pub(super) fn read(control_plane: Option<&ControlPlane>) -> Option<Self> {
        let (version, complete) = parse_identifier(&control_plane?.identifier)?;
        Some(Self {
            version: version.to_owned(),
            complete,
        })
    }
}

fn answer(version_info: String, response_nonce: String, error: Option<String>) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info,
        type_url: TYPE_URL.to_owned(),
        response_nonce,
        error_detail: error.map(error_detail),
        ..Default::default()
    }
}
