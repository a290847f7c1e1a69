//! The forty cases that any server of this service must pass, over real gRPC, each a test with its number in its name.
//!
//! | cases | file |
//! | --- | --- |
//! | 1-4 first request, node, type, nonce | `opening` |
//! | 5-9 stale nonces, NACKs, ACKs | `answers` |
//! | 10-12 idle, empty, late | `quiet` |
//! | 13-18 subscriptions of the incremental form | `subscriptions` |
//! | 19-21 initial versions, oversize | `versions` |
//! | 22-26 chunks, lost connections, slow readers, bursts | `bulk` |
//! | 27-32 resume, restart, two replicas, duplicates, expiry | `resume`; 29, 31 and 32 with a real ledger in `rescind-adapter` |
//! | 33-36 old servers, pages, identities, connection age | `edges`; 33 from the client's side in `client::tests::delta` |
//! | 37-39 many streams, storms, shutdown | `many` |
//! | 40 random interleavings | `random`; on the state machines alone in `server::connection::interleavings` |
//!
//! Beside them, the rules of Choreo Connect's own client (`choreo_connect`), and a client written from the specification of
//! incremental xDS alone (`standard`, at the server in `standard_client`).

mod answers;
mod bulk;
mod choreo_connect;
mod edges;
mod many;
mod opening;
mod quiet;
mod random;
mod resume;
mod standard;
mod standard_client;
mod subscriptions;
mod versions;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use prost::Message as _;
use rescind_proto::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest,
    },
    rescind::v1::Range,
    wso2::discovery::service::keymgt::revoked_token_discovery_service_client::RevokedTokenDiscoveryServiceClient,
};
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::{
    Audience,
    fixtures::{
        FakeSource, names, unpacked,
        wire::{
            DeltaPeer, Peer, Served, answer_delta, classic, named, packed, rescind, resource_names,
        },
    },
    server::{Admit, ClientState, Settings},
};

async fn served(source: FakeSource) -> (Arc<FakeSource>, Served) {
    let source = Arc::new(source);
    let server = Served::on_tcp(&source, Settings::default()).await;
    (source, server)
}

/// Where time is paused.
fn paused(source: FakeSource, settings: Settings) -> (Arc<FakeSource>, Served) {
    let source = Arc::new(source);
    let server = Served::on_pipes(&source, settings);
    (source, server)
}

/// Chunks of about three names.
fn small_chunks() -> Settings {
    Settings {
        chunk_bytes: 3 * crate::wire_len(&crate::fixtures::resource("token-10")),
        ..Settings::default()
    }
}

/// Nothing comes for an hour.
async fn silence<T>(next: impl Future<Output = T>) {
    let hour = Duration::from_secs(3600);
    assert!(timeout(hour, next).await.is_err(), "something came");
}

/// The entries in a packed response.
fn entries(response: &DeltaDiscoveryResponse) -> Vec<String> {
    let log = response.resources.iter().find(|r| r.name == "log");
    let body = log.and_then(|log| log.resource.as_ref());
    body.map_or_else(Vec::new, |body| {
        unpacked(&Range::decode(&*body.value).expect("a range").entries)
    })
}

/// The version that holding a packed response brings.
fn cursor(response: &DeltaDiscoveryResponse) -> String {
    response.system_version_info.clone()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
