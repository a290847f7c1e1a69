//! An adapter by script: it publishes what it is told to, and knows to the moment what has been ACKed.
//!
//! Written from `docs/protocol.md`, `rescind.v1.Range`: one ledger, in which the sequence of an entry is its place.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use prost::Message as _;
use rescind_proto::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        Resource,
    },
    google::protobuf::Any,
    rescind::v1::{Checkpoint, Range},
    wso2::discovery::service::keymgt::revoked_token_discovery_service_server::RevokedTokenDiscoveryService,
};
use rescind_revocation::{Digests, Entry, Expiry, Identifier, UnixSeconds, packed};
use rescind_stack::Identity;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::serving::Serving;

const TYPE_URL: &str = "type.googleapis.com/rescind.v1.Range";
const LEDGER: &str = "5c41b7ed";

/// One of ours by script.
#[derive(Debug)]
pub(crate) struct ScriptedAdapter {
    script: Script,
    serving: Serving,
}

#[derive(Debug, Clone)]
struct Script {
    entries: watch::Sender<Vec<Entry>>,
    /// How many entries were ACKed on any stream. Counted up the moment the ACK is read.
    acked: Arc<AtomicUsize>,
    nacks: Arc<AtomicUsize>,
    /// For each stream: from where the client resumed, and how much had been ACKed before.
    resumed: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl ScriptedAdapter {
    /// Serves an empty, complete ledger as `identity`, to clients of `ca`.
    pub(crate) async fn start(identity: &Identity, ca: &str) -> Self {
        let script = Script {
            entries: watch::Sender::default(),
            acked: Arc::default(),
            nacks: Arc::default(),
            resumed: Arc::default(),
        };
        let serving = Serving::start(identity, ca, script.clone()).await;
        Self { script, serving }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.serving.address.to_string()
    }

    /// Publishes tokens, in one batch.
    pub(crate) fn revoke(&self, identifiers: impl IntoIterator<Item = String>) {
        let entries = identifiers.into_iter().map(|identifier| Entry::Token {
            id: Identifier::new(identifier).unwrap().id(),
            expiry: Expiry::Never,
        });
        self.script.entries.send_modify(|held| held.extend(entries));
    }

    /// How many tokens have been ACKed.
    pub(crate) fn acked(&self) -> usize {
        self.script.acked.load(SeqCst)
    }

    /// Waits until that many tokens have been ACKed.
    pub(crate) async fn acked_all(&self, count: usize) {
        let all = async {
            while self.acked() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let patience = Duration::from_secs(30);
        timeout(patience, all).await.expect("all are ACKed");
    }

    /// How many responses were refused.
    pub(crate) fn nacks(&self) -> usize {
        self.script.nacks.load(SeqCst)
    }

    /// For each stream so far: from where the client resumed, and how much had been ACKed before.
    pub(crate) fn resumed(&self) -> Vec<(usize, usize)> {
        self.script.resumed.lock().unwrap().clone()
    }
}

impl Script {
    async fn serve(
        self,
        mut requests: Streaming<DeltaDiscoveryRequest>,
        responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    ) -> Option<()> {
        let first = requests.message().await.ok()??;
        let held = first.initial_resource_versions;
        let mut sent = place(held.get(&format!("log/{LEDGER}")));
        self.resumed
            .lock()
            .unwrap()
            .push((sent, self.acked.load(SeqCst)));
        let mut watched = self.entries.subscribe();
        for nonce in 1_u64.. {
            let response = {
                let entries = watched.borrow_and_update();
                let from = std::mem::replace(&mut sent, entries.len());
                response(&entries, from, nonce)
            };
            responses.send(Ok(response)).await.ok()?;
            loop {
                let answer = requests.message().await.ok()??;
                if answer.response_nonce != nonce.to_string() {
                    continue;
                }
                match answer.error_detail {
                    None => self.acked.fetch_max(sent, SeqCst),
                    Some(_) => self.nacks.fetch_add(1, SeqCst),
                };
                break;
            }
            // New entries, or a checkpoint when idle.
            let _ = timeout(Duration::from_secs(5), watched.changed()).await;
        }
        None
    }
}

/// The place of a cursor in this ledger.
fn place(cursor: Option<&String>) -> usize {
    let sequence = cursor.and_then(|cursor| cursor.split('-').next());
    sequence.map_or(0, |sequence| sequence.parse().unwrap())
}

fn cursor(place: usize) -> String {
    match place {
        0 => String::new(),
        place => format!("{place}-{LEDGER}"),
    }
}

/// Everything after `from`, and what is said of the whole.
fn response(entries: &[Entry], from: usize, nonce: u64) -> DeltaDiscoveryResponse {
    let to = format!("{}-{LEDGER}", entries.len());
    let range = Range {
        ledger: LEDGER.into(),
        from: cursor(from),
        to: to.clone(),
        base: packed::BASE.0,
        entries: packed::encode(&entries[from..]),
        ..Range::default()
    };
    let mut digests = Digests::new();
    entries.iter().for_each(|entry| digests.insert(entry));
    let (digest, count) = digests.from(UnixSeconds(0));
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let checkpoint = Range {
        ledger: LEDGER.into(),
        checkpoint: Some(Checkpoint {
            cursor: to.clone(),
            horizon: 0,
            digest: digest.to_bytes().into(),
            count,
            complete: true,
            as_of_ms: (uptime * 1000.0) as u64,
            source_age_ms: Some(0),
        }),
        ..Range::default()
    };
    let resource = |name: &str, body: &Range| Resource {
        name: name.into(),
        version: to.clone(),
        resource: Some(Any {
            type_url: TYPE_URL.into(),
            value: body.encode_to_vec(),
        }),
        ..Resource::default()
    };
    DeltaDiscoveryResponse {
        system_version_info: to.clone(),
        resources: vec![resource("log", &range), resource("checkpoint", &checkpoint)],
        type_url: TYPE_URL.into(),
        nonce: nonce.to_string(),
        ..DeltaDiscoveryResponse::default()
    }
}

#[tonic::async_trait]
impl RevokedTokenDiscoveryService for Script {
    type StreamTokensStream = Pin<Box<dyn Stream<Item = Result<DiscoveryResponse, Status>> + Send>>;
    type DeltaTokensStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn delta_tokens(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaTokensStream>, Status> {
        let (responses, stream) = mpsc::channel(1);
        tokio::spawn(self.clone().serve(request.into_inner(), responses));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn stream_tokens(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamTokensStream>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn fetch_tokens(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}
