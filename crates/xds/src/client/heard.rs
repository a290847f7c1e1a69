//! When the server was last heard. Every byte of a response counts: a large one over a narrow line is no silence.
//!
//! HTTP/2 pings do not count. They show that somebody is there, not that a server that owes something sends it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tonic::{body::Body as TonicBody, transport::Channel};
use tower::Service;

/// The moment of the last byte. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Option<Instant>>>);

impl Heard {
    /// When the last byte of a response came, if one has.
    pub(super) fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// A channel that notes when something comes of its responses.
#[derive(Debug, Clone)]
pub(super) struct Listening {
    channel: Channel,
    heard: Heard,
}

impl Listening {
    pub(super) fn new(channel: Channel, heard: Heard) -> Self {
        Self { channel, heard }
    }
}

impl Service<http::Request<TonicBody>> for Listening {
    type Response = http::Response<Noted>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<TonicBody>) -> Self::Future {
        let response = self.channel.call(request);
        let heard = self.heard.clone();
        Box::pin(async move { Ok(response.await?.map(|body| Noted { body, heard })) })
    }
}

/// The body of a response, each piece of which is noted as it comes.
#[derive(Debug)]
pub(super) struct Noted {
    body: TonicBody,
    heard: Heard,
}

impl Body for Noted {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // Trailers are the end. Of what is empty there could be any number, and never a response.
        if let Some(Ok(frame)) = &frame
            && frame.data_ref().is_some_and(|data| !data.is_empty())
        {
            self.heard.now();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, convert::Infallible};

    use http::HeaderMap;
    use tokio::time::{Duration, advance};

    use super::*;

    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_heard_and_neither_what_is_empty_nor_trailers() {
        let frames = [
            Frame::data(Bytes::new()),
            Frame::data(Bytes::from_static(b"x")),
            Frame::data(Bytes::new()),
            Frame::trailers(HeaderMap::new()),
        ];
        let heard = Heard::default();
        let mut body = Noted {
            body: TonicBody::new(Frames(frames.into())),
            heard: heard.clone(),
        };
        let start = Instant::now();
        let mut last = Vec::new();
        for _ in 0..4 {
            advance(Duration::from_secs(1)).await;
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            assert!(next.is_some());
            last.push(heard.last().map(|at| (at - start).as_secs()));
        }
        assert_eq!(last, [None, Some(2), Some(2), Some(2)]);
    }
}
