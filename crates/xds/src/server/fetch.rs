//! `FetchTokens`: one page for each request.

use rescind_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use tonic::Status;

use super::{Settings, opening::Opening};
use crate::{Audience, Position, Source, TYPE_URL, wire::control_plane};

/// The page after the version that `request` names. It is empty at the head alone, where the client is up to date: what is
/// for others is passed over while the page is filled. Each request says by its own `client_features` what it can take.
pub(super) fn page<S: Source>(
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
