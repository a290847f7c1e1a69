//! Our adapter in front of Choreo Connect's: what is not ours passes, and what is ours does not notice.

mod original;
mod revocations;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use prost::bytes::Bytes;
use rescind_stack::Part;
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{
    Code, Request, Streaming,
    metadata::{BinaryMetadataValue, MetadataMap},
};

use self::{
    original::{BREAKS, DEAF, ECHO, FLOODS, LEAVES, Original, REFUSES, RESETS, Shared, UNARY},
    revocations::{Revocations, median_delay},
};
use crate::{
    clients::frames::RawClient,
    eventually::eventually,
    port::Port,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "a_call_that_is_not_ours_is_unimplemented_where_there_is_no_original",
        no_original,
    );
    suite.alone(
        "calls_of_every_kind_pass_to_the_original_and_back",
        every_kind,
    );
    suite.alone(
        "when_the_original_dies_its_calls_are_unavailable_and_revocations_go_on",
        original_dies,
    );
    suite.alone(
        "calls_to_the_original_that_nobody_reads_delay_no_revocation_on_the_same_connection",
        nobody_reads,
    );
}

/// A stack whose adapter stands in front of an original, without gateways.
struct Front {
    world: World,
    original: Original,
    /// The original's, also while it is away.
    port: Port,
    shared: Shared,
    _folder: TempDir,
}

impl Front {
    async fn start(broker: &Broker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared::new(folder.path());
        let port = Port::free();
        let original = Original::start(&shared, &port);
        let (cert, key) = (text(&shared.cert), text(&shared.key));
        let section = format!(
            "[adapter.xds.passthrough]\naddress = \"{}\"\nserverName = \"adapter\"\n\
             certPath = {cert:?}\nkeyPath = {key:?}\ncaFile = {cert:?}\n",
            original.address
        );
        let world = World::start_with(broker, |builder| {
            builder
                .config(Part::Adapter, section)
                .without(Part::Enforcer)
                .without(Part::Envoy)
        })
        .await;
        Self {
            world,
            original,
            port,
            shared,
            _folder: folder,
        }
    }

    async fn stop(self) {
        self.world.stop().await;
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// What a test holds of a stream that goes both ways.
struct Both {
    requests: mpsc::Sender<Bytes>,
    answers: Streaming<Bytes>,
}

async fn open(client: &RawClient, method: &'static str) -> Both {
    let (requests, outgoing) = mpsc::channel(4);
    requests.send(Bytes::from_static(b"first")).await.unwrap();
    let outgoing = ReceiverStream::new(outgoing);
    let answers = client.streaming(method, outgoing).await.unwrap();
    Both { requests, answers }
}

async fn no_original(world: &World) {
    let client = RawClient::new(world.xds_channel().await);
    let refused = client.unary(UNARY, Request::new(Bytes::new())).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
}

async fn every_kind(broker: &Broker) {
    let front = Front::start(broker).await;
    let client = RawClient::new(front.world.xds_channel().await);
    unary_with_metadata(&client).await;
    a_thousand_messages(&client).await;
    for size in [4_000_000, 20_000_000] {
        large(&client, size).await;
    }
    errors(&client).await;
    resets(&client).await;
    cancellation(&client, &front.original).await;
    a_thousand_calls(&client).await;
    front.stop().await;
}

async fn unary_with_metadata(client: &RawClient) {
    let mut request = Request::new(Bytes::from_static(b"node"));
    request.set_timeout(Duration::from_secs(60));
    let sent: &mut MetadataMap = request.metadata_mut();
    sent.insert("x-text", "plain".parse().unwrap());
    sent.insert_bin("x-key-bin", BinaryMetadataValue::from_bytes(&[0, 255, 10]));
    let response = client.unary(UNARY, request).await.unwrap();
    let metadata = response.metadata();
    assert_eq!(metadata.get("x-text").unwrap(), "plain");
    let key = metadata.get_bin("x-key-bin").unwrap().to_bytes().unwrap();
    assert_eq!(&*key, [0, 255, 10]);
    assert!(metadata.contains_key("grpc-timeout"));
    assert_eq!(response.get_ref(), "node");
}

async fn a_thousand_messages(client: &RawClient) {
    let mut both = open(client, ECHO).await;
    assert_eq!(both.answers.message().await.unwrap().unwrap(), "first");
    for number in 0..1000_u32 {
        let message = Bytes::copy_from_slice(&number.to_be_bytes());
        both.requests.send(message.clone()).await.unwrap();
        assert_eq!(both.answers.message().await.unwrap().unwrap(), message);
    }
    drop(both.requests);
    assert_eq!(both.answers.message().await.unwrap(), None);
    let trailers = both.answers.trailers().await.unwrap();
    assert!(trailers.is_some());
}

async fn large(client: &RawClient, size: usize) {
    let message: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let message = Bytes::from(message);
    let response = client.unary(UNARY, Request::new(message.clone())).await;
    assert!(response.unwrap().into_inner() == message);
    let mut both = open(client, ECHO).await;
    both.answers.message().await.unwrap();
    both.requests.send(message.clone()).await.unwrap();
    assert!(both.answers.message().await.unwrap().unwrap() == message);
}

async fn errors(client: &RawClient) {
    let refused = client.streaming(REFUSES, tokio_stream::empty()).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::FailedPrecondition, "not so")
    );
    assert_eq!(refused.metadata().get("x-why").unwrap(), "because");

    let mut both = open(client, BREAKS).await;
    assert!(both.answers.message().await.unwrap().is_some());
    both.requests.send(Bytes::from_static(b"x")).await.unwrap();
    assert!(both.answers.message().await.unwrap().is_some());
    let broken = both.answers.message().await.unwrap_err();
    assert_eq!(
        (broken.code(), broken.message()),
        (Code::DataLoss, "broken")
    );

    // The original ends with OK what its caller has not ended: its clients would never come back.
    let mut both = open(client, LEAVES).await;
    assert!(both.answers.message().await.unwrap().is_some());
    let left = both.answers.message().await.unwrap_err();
    assert_eq!(left.code(), Code::Unavailable);
}

/// RST_STREAM in the middle of a stream ends that one, with what gRPC's table makes of its reason.
async fn resets(client: &RawClient) {
    let mut other = open(client, ECHO).await;
    assert_eq!(other.answers.message().await.unwrap().unwrap(), "first");
    let mut both = open(client, RESETS).await;
    assert_eq!(both.answers.message().await.unwrap().unwrap(), "begun");
    both.requests.send(Bytes::from_static(b"x")).await.unwrap();
    let reset = both.answers.message().await.unwrap_err();
    assert_eq!(reset.code(), Code::ResourceExhausted, "{reset}");
    assert!(reset.message().contains("the original"), "{reset}");
    other.requests.send(Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(other.answers.message().await.unwrap().unwrap(), "x");
}

async fn cancellation(client: &RawClient, original: &Original) {
    let mut cancelled = original.cancelled.clone();
    let before = *cancelled.borrow_and_update();
    drop(open(client, DEAF).await);
    let told = cancelled.wait_for(|count| *count > before);
    tokio::time::timeout(Duration::from_secs(60), told)
        .await
        .expect("the original hears of it")
        .unwrap();
}

async fn a_thousand_calls(client: &RawClient) {
    let mut open_calls = Vec::new();
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let client = client.clone();
        calls.spawn(async move {
            let mut both = open(&client, ECHO).await;
            assert!(both.answers.message().await.unwrap().is_some());
            both
        });
    }
    while let Some(both) = calls.join_next().await {
        open_calls.push(both.unwrap());
    }
    // All of them are open.
    for both in &mut open_calls {
        both.requests.send(Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(both.answers.message().await.unwrap().unwrap(), "x");
    }
}

async fn original_dies(broker: &Broker) {
    let front = Front::start(broker).await;
    let Front {
        world,
        original,
        port,
        shared,
        _folder,
    } = front;
    let channel = world.xds_channel().await;
    let client = RawClient::new(channel.clone());
    let mut revocations = Revocations::on(&world, channel, "front").await;
    revocations.go_on().await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut both = open(&client, ECHO).await;
        both.answers.message().await.unwrap();
        streams.push(both);
    }

    original.kill();
    for both in &mut streams {
        let lost = both.answers.message().await.unwrap_err();
        assert_eq!(lost.code(), Code::Unavailable, "{lost}");
    }
    let refused = client.unary(UNARY, Request::new(Bytes::new())).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    revocations.go_on().await;
    let ready = || world.admin("ADAPTER_ADMIN_URL", "/readyz");
    let degraded = |answer: &(u16, String)| answer.1.contains("original");
    let answer = eventually(Duration::from_secs(20), ready, degraded).await;
    assert_eq!(answer.0, 200, "{answer:?}");
    let (_, metrics) = world.admin("ADAPTER_ADMIN_URL", "/metrics").await;
    assert!(metrics.contains("rescind_passthrough_up 0"), "{metrics}");

    let _back = Original::start(&shared, &port);
    let works = || client.unary(UNARY, Request::new(Bytes::from_static(b"x")));
    let back = eventually(Duration::from_secs(30), works, Result::is_ok).await;
    assert_eq!(back.unwrap().get_ref(), "x");
    let recovered = |answer: &(u16, String)| !answer.1.contains("original");
    eventually(Duration::from_secs(20), ready, recovered).await;
    revocations.go_on().await;
    let log = world.log(Part::Adapter);
    assert!(log.contains("condition=original"), "{log}");
    world.stop().await;
}

async fn nobody_reads(broker: &Broker) {
    let front = Front::start(broker).await;
    let channel = front.world.xds_channel().await;
    let client = RawClient::new(channel.clone());
    let mut beside = Revocations::on(&front.world, channel, "beside").await;
    beside.go_on().await;
    let channel = front.world.xds_channel().await;
    let mut free = Revocations::on(&front.world, channel, "free").await;

    let mut stuck = stuck_calls(&client).await;
    // And one that the client does not read.
    let flooded = client.streaming(FLOODS, tokio_stream::pending()).await;
    // Both streams suffer alike from a busy machine; what waits for a timer or a deadline waits longer than this.
    let delay = median_delay(&mut free, &mut beside).await;
    assert!(delay < Duration::from_millis(500), "{delay:?}");
    let echo = open(&client, ECHO).await.answers.message().await;
    assert_eq!(echo.unwrap().unwrap(), "first");
    stuck.abort_all();
    while let Some(ended) = stuck.join_next().await {
        assert!(ended.unwrap_err().is_cancelled(), "it was not stuck");
    }
    drop(flooded);
    beside.go_on().await;
    front.stop().await;
}

/// Calls that send without end what the original does not read. They stand still, every window full, when this returns.
async fn stuck_calls(client: &RawClient) -> JoinSet<()> {
    let sent = Arc::new(AtomicUsize::new(0));
    let mut stuck = JoinSet::new();
    for _ in 0..20 {
        let (client, sent) = (client.clone(), Arc::clone(&sent));
        stuck.spawn(async move {
            let flood = tokio_stream::iter(std::iter::repeat_with(move || {
                sent.fetch_add(1, Ordering::Relaxed);
                Bytes::from(vec![1; 100_000])
            }));
            let _ = client.streaming(DEAF, flood).await.unwrap().next().await;
        });
    }
    let (mut before, mut same) = (0, 0);
    let count = async || sent.load(Ordering::Relaxed);
    let stands = |now: &usize| {
        same = if *now == before { same + 1 } else { 0 };
        before = *now;
        *now >= 20 && same >= 10
    };
    eventually(Duration::from_secs(60), count, stands).await;
    stuck
}
