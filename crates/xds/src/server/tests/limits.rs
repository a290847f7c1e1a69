//! What one client may hold of the server before it has said a word, or to the end of one.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use prost::Message as _;
use tonic::{body::Body, transport::Channel};
use tower::Service as _;

use super::*;

#[tokio::test]
async fn streams_count_from_their_opening() {
    let source = Arc::new(FakeSource::with(1));
    let settings = Settings {
        max_streams: 2,
        ..Settings::default()
    };
    let server = Served::on_tcp(&source, settings).await;
    let (one, two) = (server.connect().await, server.connect().await);
    let silent = [Peer::silent(&one).await, Peer::silent(&two).await];
    for channel in [&one, &two] {
        assert_eq!(refused(channel).await.code(), Code::ResourceExhausted);
    }
    drop(silent);
    // They are gone when the server has heard of it.
    let opened = async {
        loop {
            match try_open(&one).await {
                Ok(peer) => return peer,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let mut peer = in_time(opened).await;
    peer.take().await;
}

#[tokio::test]
async fn a_connection_has_fewer_than_a_client() {
    let source = Arc::new(FakeSource::with(1));
    let settings = Settings {
        max_streams_per_connection: 1,
        ..Settings::default()
    };
    let server = Served::on_tcp(&source, settings).await;
    let channel = server.connect().await;
    let _silent = Peer::silent(&channel).await;
    let status = refused(&channel).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(
        status.message(),
        "too many streams are open on this connection"
    );
    let page = RevokedTokenDiscoveryServiceClient::new(channel.clone())
        .fetch_tokens(classic("gw", ""))
        .await;
    assert_eq!(page.expect_err("full").code(), Code::ResourceExhausted);
    let mut other = Peer::open(&server.connect().await, classic("gw", "")).await;
    other.take().await;
}

#[tokio::test]
async fn large_requests_that_do_not_come_to_an_end_have_so_much_room_together() {
    let source = Arc::new(FakeSource::with(1));
    let settings = Settings {
        large_requests_bytes: 5 << 20,
        ..Settings::default()
    };
    let server = Served::on_tcp(&source, settings).await;
    let (one, two) = (server.connect().await, server.connect().await);
    let mut held = Partial::open(&one, 4 << 20).await;
    // The same connection has room for one.
    let status = Partial::open(&one, 1 << 20).await.end().await;
    assert_eq!(status.as_deref(), Some("14"));
    let status = Partial::open(&two, 2 << 20).await.end().await;
    assert_eq!(status.as_deref(), Some("14"));
    // What is small needs none.
    let mut peer = Peer::open(&two, classic("gw", "")).await;
    peer.take().await;
    held.drop_body();
    // There is room when the server has heard of it.
    let taken = async {
        loop {
            let whole = classic("gw", &"x".repeat(2 << 20));
            let mut peer = Peer::open(&two, whole).await;
            if peer.responses.message().await.is_ok() {
                return;
            }
        }
    };
    in_time(taken).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_request_has_30_s_to_come_also_on_a_stream_that_is_served() {
    let source = Arc::new(FakeSource::with(1));
    let server = Served::on_pipes(&source, Settings::default());
    let start = Instant::now();
    let channel = server.connect().await;
    let mut served = Partial::after(&channel, framed(&classic("gw", "")), 1 << 20).await;
    let status = served.end().await;
    assert_eq!(
        (status.as_deref(), start.elapsed().as_secs()),
        (Some("4"), 30)
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_is_not_waited_for_for_ever() {
    let source = Arc::new(FakeSource::with(1));
    let server = Served::on_pipes(&source, Settings::default());
    let start = Instant::now();
    let bytes = Bytes::from_static(&[0, 0, 0, 0, 9, 1]);
    let channel = server.connect().await;
    let mut asked = Partial::call(&channel, "FetchTokens", vec![bytes]).await;
    assert_eq!(asked.end().await.as_deref(), Some("4"));
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn pages_that_nobody_reads_are_few_on_a_connection() {
    let source = Arc::new(FakeSource::new());
    for n in 0..40_000 {
        source.push(&format!("7f3a9d52-6c1e-4b7a-9f00-{n:012}"));
    }
    let settings = Settings {
        pages_bytes_per_connection: 10 << 20,
        ..Settings::default()
    };
    let server = Served::on_tcp(&source, settings).await;
    let channel = server.connect().await;
    let whole = String::from_utf8(framed(&classic("gw", "")).to_vec()).expect("text");
    let asked = || Partial::send(&channel, "FetchTokens", Body::new(whole.clone()));
    let unread = [asked().await, asked().await];
    assert_eq!(asked().await.end().await.as_deref(), Some("8"));
    // Who reads them has as many as it likes.
    let mut other = RevokedTokenDiscoveryServiceClient::new(server.connect().await)
        .max_decoding_message_size(8 << 20);
    for _ in 0..4 {
        let page = other.fetch_tokens(classic("gw", "")).await;
        assert!(!page.expect("a page").into_inner().resources.is_empty());
    }
    // There is room when the server has heard that nobody will read them.
    drop(unread);
    let roomy = async {
        while asked().await.end().await.as_deref() != Some("0") {
            tokio::task::yield_now().await;
        }
    };
    in_time(roomy).await;
}

/// Fails where what is tried again and again does not come: before the server gives up what it holds by itself, after 30 s.
async fn in_time<T>(tried: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(Duration::from_secs(20), tried).await;
    came.expect("did not come")
}

async fn try_open(channel: &Channel) -> Result<Peer, tonic::Status> {
    let (requests, queue) = tokio::sync::mpsc::channel(8);
    requests.send(classic("gw", "")).await.expect("room");
    let queue = tokio_stream::wrappers::ReceiverStream::new(queue);
    let mut client = RevokedTokenDiscoveryServiceClient::new(channel.clone());
    let responses = client.stream_tokens(queue).await?.into_inner();
    Ok(Peer {
        requests,
        responses,
    })
}

async fn refused(channel: &Channel) -> tonic::Status {
    try_open(channel).await.err().expect("refused")
}

fn framed(request: &DiscoveryRequest) -> Bytes {
    let message = request.encode_to_vec();
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// A stream whose requests end in the middle of one, and stay open.
struct Partial {
    response: http::Response<Body>,
    open: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Partial {
    async fn open(channel: &Channel, length: u32) -> Self {
        Self::after(channel, Bytes::new(), length).await
    }

    /// The same behind what is whole.
    async fn after(channel: &Channel, whole: Bytes, length: u32) -> Self {
        let mut begun = vec![0];
        begun.extend(length.to_be_bytes());
        begun.push(1);
        Self::call(channel, "StreamTokens", vec![whole, begun.into()]).await
    }

    async fn call(channel: &Channel, method: &str, pieces: Vec<Bytes>) -> Self {
        let (open, closed) = tokio::sync::oneshot::channel();
        let body = Begun {
            pieces: pieces.into_iter().collect(),
            closed,
        };
        Self {
            open: Some(open),
            ..Self::send(channel, method, Body::new(body)).await
        }
    }

    async fn send(channel: &Channel, method: &str, body: Body) -> Self {
        let path = rescind_proto::wso2::discovery::service::keymgt::revoked_token_discovery_service_server::SERVICE_NAME;
        let request = http::Request::post(format!("http://server/{path}/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .expect("a request");
        let mut channel = channel.clone();
        std::future::poll_fn(|context| channel.poll_ready(context))
            .await
            .expect("a connection");
        let response = channel.call(request).await.expect("a response");
        Self {
            response,
            open: None,
        }
    }

    /// Breaks off its request.
    fn drop_body(&mut self) {
        self.open = None;
    }

    /// The code that it ends with.
    async fn end(&mut self) -> Option<String> {
        let code = |headers: &http::HeaderMap| {
            let code = headers.get("grpc-status")?.to_str().ok()?;
            Some(code.to_owned())
        };
        if let Some(code) = code(self.response.headers()) {
            return Some(code);
        }
        let body = self.response.body_mut();
        loop {
            let piece = std::future::poll_fn(|context| {
                http_body::Body::poll_frame(Pin::new(&mut *body), context)
            });
            let piece = piece.await?.ok()?;
            if let Some(trailers) = piece.trailers_ref() {
                return code(trailers);
            }
        }
    }
}

/// Some bytes, and no end until it is broken off.
struct Begun {
    pieces: std::collections::VecDeque<Bytes>,
    closed: tokio::sync::oneshot::Receiver<()>,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, tonic::Status>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(piece))));
        }
        let closed = Pin::new(&mut self.closed);
        std::task::ready!(std::future::Future::poll(closed, context)).ok();
        Poll::Ready(Some(Err(tonic::Status::cancelled("broken off"))))
    }
}
