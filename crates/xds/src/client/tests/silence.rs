//! A server that is slow is heard with every byte; one that is silent is left.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::Frame;
use prost::Message;
use rescind_proto::{
    envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource},
    rescind::v1::Range,
};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    time::{Instant, sleep},
};
use tonic::{
    body::Body,
    server::NamedService,
    transport::{Channel, Server},
};

use super::*;
use crate::{Any, RANGE_TYPE_URL, fixtures::wire::Known};

/// A server on a pipe, whose every byte the test writes.
struct Dripping {
    channel: Channel,
    streams: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Bytes>>,
}

impl Dripping {
    /// One that has `DeltaTokens`, or `StreamTokens` alone.
    async fn start(config: &ClientConfig, incremental: bool) -> Self {
        let (opened, streams) = mpsc::unbounded_channel();
        let (ours, theirs) = duplex(1 << 16);
        let known = Known::<DuplexStream>::pipe(theirs);
        let incoming = tokio_stream::once(Ok::<_, io::Error>(known));
        let service = Service {
            incremental,
            opened,
        };
        tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming),
        );
        let endpoint = dial::endpoint(config, "pipe:1").expect("an address");
        Self {
            channel: dial::over(endpoint, ours).await.expect("a connection"),
            streams,
        }
    }

    async fn stream(&mut self) -> mpsc::UnboundedSender<Bytes> {
        self.streams.recv().await.expect("a stream")
    }
}

#[derive(Clone)]
struct Service {
    incremental: bool,
    opened: mpsc::UnboundedSender<mpsc::UnboundedSender<Bytes>>,
}

impl tower::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path().ends_with("/DeltaTokens") && !self.incremental {
            return std::future::ready(Ok(Status::unimplemented("").into_http()));
        }
        let (bytes, queue) = mpsc::unbounded_channel();
        let _ = self.opened.send(bytes);
        let body = Drops {
            _request: request,
            queue,
        };
        let mut response = http::Response::new(Body::new(body));
        let grpc = http::HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
        std::future::ready(Ok(response))
    }
}

impl NamedService for Service {
    const NAME: &'static str = "wso2.discovery.service.keymgt.RevokedTokenDiscoveryService";
}

/// What the test writes, each piece as it is.
struct Drops {
    /// Dropped, it would be an end.
    _request: http::Request<Body>,
    queue: mpsc::UnboundedReceiver<Bytes>,
}

impl http_body::Body for Drops {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.queue.poll_recv(cx);
        next.map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A message as gRPC frames it.
fn framed(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(message.encoded_len() as u32);
    message.encode(&mut bytes).expect("room");
    bytes.freeze()
}

/// A packed response with `name` in it that is long.
fn large(name: &str) -> DeltaDiscoveryResponse {
    let range = Range {
        ledger: "t".to_owned(),
        to: "1-t".to_owned(),
        entries: format!("{name}\n{}\n", "x".repeat(300_000)).into_bytes(),
        ..Range::default()
    };
    let body = Any {
        type_url: RANGE_TYPE_URL.to_owned(),
        value: range.encode_to_vec(),
    };
    let resource = Resource {
        name: "log".to_owned(),
        version: "1-t".to_owned(),
        resource: Some(body),
        ..Resource::default()
    };
    DeltaDiscoveryResponse {
        system_version_info: "1-t".to_owned(),
        resources: vec![resource],
        type_url: RANGE_TYPE_URL.to_owned(),
        nonce: "n1".to_owned(),
        ..DeltaDiscoveryResponse::default()
    }
}

/// Sends all of it in twenty pieces, `pause` apart.
async fn drip(stream: &mpsc::UnboundedSender<Bytes>, mut message: Bytes, pause: Duration) {
    let piece = message.len().div_ceil(20);
    while !message.is_empty() {
        sleep(pause).await;
        let part = message.split_to(piece.min(message.len()));
        stream.send(part).expect("a reader");
    }
}

/// One attempt over `channel` that runs until it is over; then why, and when.
struct Speaking {
    seen: watch::Receiver<Seen>,
    end: JoinHandle<(String, Instant)>,
}

impl Speaking {
    fn start(config: ClientConfig, channel: Channel) -> Self {
        let (tx, seen) = watch::channel(Seen::default());
        let mut sink = TestSink {
            seen: tx,
            answer: Arc::default(),
            lasts: watch::channel(true).1,
            lasting: Seen::default(),
        };
        let end = tokio::spawn(async move {
            let mut journal = Journal::default();
            let mut freshness = Freshness::new(&config);
            let mut attempt =
                Attempt::new(&config, "pipe:1", &mut sink, &mut journal, &mut freshness);
            let Err(reason) = attempt.speak(channel).await;
            (reason, Instant::now())
        });
        Self { seen, end }
    }
}

/// A little less than what makes a silence.
const SLOW: Duration = Duration::from_secs(14);

#[tokio::test(start_paused = true)]
async fn a_chunk_that_drips_in_is_waited_for_and_silence_begins_with_its_last_byte() {
    let config = config(&["pipe:1"]);
    let mut server = Dripping::start(&config, true).await;
    let mut client = Speaking::start(config, server.channel.clone());
    let stream = server.stream().await;
    drip(&stream, framed(&large("a")), SLOW).await;
    let last = Instant::now();
    let seen = client.seen.wait_for(|seen| seen.updates == 1).await;
    assert!(seen.expect("a client").names.contains("a"));
    // Pings go on, and are answered.
    let (reason, at) = client.end.await.expect("an end");
    assert_eq!((&*reason, (at - last).as_secs()), ("silent for 15s", 15));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sends_nothing_or_a_part_and_no_more_is_left_after_15_s() {
    for part in [0, 1, 200_000] {
        let config = config(&["pipe:1"]);
        let mut server = Dripping::start(&config, true).await;
        let client = Speaking::start(config, server.channel.clone());
        let stream = server.stream().await;
        let last = Instant::now();
        stream
            .send(framed(&large("a")).slice(..part))
            .expect("a reader");
        let (reason, at) = client.end.await.expect("an end");
        assert_eq!((&*reason, (at - last).as_secs()), ("silent for 15s", 15));
    }
}

/// Its only response comes slowly. Meanwhile its stream is not quiet: who says so would call an empty set whole.
#[tokio::test(start_paused = true)]
async fn an_old_server_that_is_in_the_middle_of_its_response_is_not_quiet() {
    let config = config(&["pipe:1"]);
    let mut server = Dripping::start(&config, false).await;
    let mut client = Speaking::start(config, server.channel.clone());
    let stream = server.stream().await;
    let mut old = response("652374093", "1", &["a", &"x".repeat(300_000)]);
    old.control_plane = None;
    drip(&stream, framed(&old), SLOW).await;
    let seen = client.seen.wait_for(|seen| seen.updates == 1).await;
    let longest = seen.expect("a client").quietest;
    assert!(longest <= SLOW, "{longest:?}");
    // From then on it is, and may be.
    let long = |seen: &Seen| seen.quiet >= Duration::from_secs(60);
    client.seen.wait_for(long).await.expect("a client");
    assert!(!client.end.is_finished());
}
