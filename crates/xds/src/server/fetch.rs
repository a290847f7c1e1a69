//! `FetchTokens`: one page for each request.
//!
//! The transport asks for what follows a page as soon as the client has room for its first byte, and drops the body; the page
//! itself it keeps until the client has read it. So the room that a page takes hangs on its bytes and not on their body.

use std::{
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame as Piece;
use prost::Message as _;
use rescind_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use tokio::time::timeout;
use tonic::{Request, Response, Status, body::Body, server::Grpc};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::{
    Settings, admission::PageRoom, driver::shutting_down, opening::Opening, peer::Peer,
    requests::Requests, service::Inner,
};
use crate::{Audience, Position, Source, TYPE_URL, wire::control_plane};

/// A body whose bytes hold their room.
struct Held {
    body: Body,
    room: Arc<PageRoom>,
}

/// One page, to a request that is still to be read.
pub(super) async fn answer<S: Source>(
    inner: Arc<Inner<S>>,
    request: http::Request<Body>,
) -> http::Response<Body> {
    let (peer, admitted) = match inner.enter(request.extensions()) {
        Ok(entered) => entered,
        Err(status) => return status.into_http(),
    };
    let request = request.map(|body| Body::new(Requests::new(body, admitted)));
    let limit = inner.settings.max_request_bytes;
    let patience = inner.settings.first_request_timeout;
    let mut taken = None;
    let page = service_fn(|request: Request<DiscoveryRequest>| {
        let made = inner.page(&peer, request.get_ref());
        ready(made.map(|(page, room)| {
            taken = Some(Arc::new(room));
            Response::new(page)
        }))
    });
    let mut grpc =
        Grpc::new(ProstCodec::default()).apply_max_message_size_config(Some(limit), None);
    let answered = timeout(patience, grpc.unary(page, request)).await;
    let Ok(answer) = answered else {
        return Status::deadline_exceeded("no request came").into_http();
    };
    match taken {
        Some(room) => answer.map(|body| Body::new(Held { body, room })),
        None => answer,
    }
}

impl<S: Source> Inner<S> {
    /// A page, and the room that it takes until it is read.
    fn page(
        &self,
        peer: &Peer,
        request: &DiscoveryRequest,
    ) -> Result<(DiscoveryResponse, PageRoom), Status> {
        if self.drain.is_cancelled() {
            return Err(shutting_down());
        }
        let room = self.admission.page(peer);
        let mut room = room.map_err(|status| self.refuse(peer, status))?;
        let page = page(&*self.source, &self.settings, request)?;
        room.keep(page.encoded_len());
        self.metrics.pages.inc();
        Ok((page, room))
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Status>>> {
        let piece = Pin::new(&mut self.body).poll_frame(context);
        piece.map_ok(|piece| piece.map_data(|bytes| self.room.hold(bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// The page after the version that `request` names. It is empty at the head alone, where the client is up to date: what is
/// for others is passed over while the page is filled. Each request says by its own `client_features` what it can take.
fn page<S: Source>(
    source: &S,
    settings: &Settings,
    request: &DiscoveryRequest,
) -> Result<DiscoveryResponse, Status> {
    let Opening { audience, .. } = Opening::read(request)?;
    let head = *source.head().borrow();
    let mut at = source.resolve(&request.version_info);
    let mut resources = Vec::new();
    let mut bytes = 0;
    while at < head.position && bytes < settings.chunk_bytes {
        let room = settings.chunk_bytes - bytes;
        let chunk = source.read(at, head.position, audience, room);
        let more = chunk.resources.wire_len();
        // What does not fit beside the rest has its own page; what fits in none is passed over, as on a stream.
        if bytes + more > settings.chunk_bytes && !resources.is_empty() {
            break;
        }
        at = chunk.to.clamp(Position(at.0 + 1), head.position);
        if more < settings.max_response_bytes {
            bytes += more;
            resources.extend(chunk.resources.decode());
        }
    }
    let identified = audience == Audience::Rescind;
    Ok(DiscoveryResponse {
        version_info: source.version(at),
        resources,
        type_url: TYPE_URL.to_owned(),
        control_plane: identified
            .then(|| control_plane(&source.version(head.position), head.complete)),
        ..DiscoveryResponse::default()
    })
}
