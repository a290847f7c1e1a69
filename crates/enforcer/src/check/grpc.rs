//! One message in, one message out, as gRPC frames them over HTTP/2.
//!
//! ```text
//! message = compressed(1 byte, 0) length(4 bytes, big-endian) bytes
//! ```
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt as _, Collected, LengthLimitError, Limited};
use tonic::{Status, body::Body};

/// What stands before each message.
const PREFIX: usize = 5;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Why there is no whole body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("more than {0} bytes")]
    TooLong(usize),
    #[error("{0}")]
    Broken(String),
}

/// Reads a body to its end, whose one message may have `limit` bytes.
pub(crate) async fn collect<B>(body: B, limit: usize) -> Result<Collected<Bytes>, BodyError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = Limited::new(body, limit.saturating_add(PREFIX));
    body.collect()
        .await
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => BodyError::TooLong(limit),
            false => BodyError::Broken(error.to_string()),
        })
}

/// The message of a body that is exactly one, not compressed.
pub(crate) fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_first_chunk::<PREFIX>()?;
    let [0, length @ ..] = *prefix else {
        return None;
    };
    (u32::from_be_bytes(length) as usize == message.len()).then_some(message)
}

/// A body with the message that `write` writes; about `size` bytes are kept for it.
pub(crate) fn body(size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut body = Vec::with_capacity(PREFIX + size);
    body.extend_from_slice(&[0; PREFIX]);
    write(&mut body);
    let length = u32::try_from(body.len() - PREFIX).unwrap_or(u32::MAX);
    body[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    body.into()
}

/// An answer with that body, and status OK.
pub(crate) fn reply(body: Bytes) -> Response<Body> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(CONTENT_TYPE, GRPC);
    reply_with(headers, body, trailers)
}

/// An answer with these headers and trailers.
pub(crate) fn reply_with(headers: HeaderMap, body: Bytes, trailers: HeaderMap) -> Response<Body> {
    let framed = Framed {
        piece: match body.len() {
            0..=SHORT => PIECE,
            long => long,
        },
        left: body,
        trailers: Some(trailers),
    };
    let mut response = Response::new(Body::new(framed));
    *response.headers_mut() = headers;
    response
}

/// A body and its trailers.
///
/// A short body goes out in pieces that the HTTP/2 library puts together with those of other answers; longer ones it writes
/// by themselves (see `serve::joined`).
///
/// How long it is goes unsaid: gRPC has no use for a `content-length`.
#[derive(Debug)]
struct Framed {
    left: Bytes,
    piece: usize,
    trailers: Option<HeaderMap>,
}

/// What is put together.
const PIECE: usize = 1023;

/// Up to here it pays.
const SHORT: usize = 4 * PIECE;

impl http_body::Body for Framed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.left.is_empty() {
            let piece = self.piece.min(self.left.len());
            return Poll::Ready(Some(Ok(Frame::data(self.left.split_to(piece)))));
        }
        Poll::Ready(self.trailers.take().map(Frame::trailers).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.trailers.is_none()
    }
}

/// The answer to a check whose caller went away in the middle.
pub(crate) fn cut_off() -> Response<Body> {
    Status::cancelled("the check has no end").into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_is_its_body_and_its_trailers_however_long() {
        for length in [0, 1, PIECE, PIECE + 1, SHORT, SHORT + 1, 100_000] {
            let sent = body(length, |out| out.resize(PREFIX + length, 7));
            let reply = reply(sent.clone()).into_body().collect().await.unwrap();
            assert_eq!(reply.trailers().unwrap()[GRPC_STATUS], "0");
            assert_eq!(reply.to_bytes(), sent);
        }
    }

    #[test]
    fn a_body_is_one_message_and_nothing_else() {
        let one = body(0, |out| out.extend_from_slice(b"abc"));
        assert_eq!(&one[..], b"\0\0\0\0\x03abc");
        assert_eq!(message(&one), Some(&b"abc"[..]));
        assert_eq!(message(b"\0\0\0\0\0"), Some(&b""[..]));
        for other in [
            &b""[..],
            b"\0\0\0\0",
            b"\x01\0\0\0\x03abc",
            b"\0\0\0\0\x02abc",
            b"\0\0\0\0\x04abc",
            b"\0\0\0\0\x03abc\0\0\0\0\0",
        ] {
            assert_eq!(message(other), None, "{other:?}");
        }
    }
}
