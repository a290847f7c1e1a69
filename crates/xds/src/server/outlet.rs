//! The way of a response to the transport: a place for one, and an end that is never OK by accident.
//!
//! The original client never comes back after OK. So the end is said explicitly, and an [`Outlet`] that is dropped without a
//! word ends its stream with `UNAVAILABLE`. The transport gets the bytes as they are: what many streams share is copied for
//! none of them.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame as Piece};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::frame::Frame;

/// How a stream ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// OK, at once, with nothing more sent. Only where a newer stream of the same client lives.
    Superseded,
    /// With this status, after what is still to be read.
    Failed(Status),
}

/// The sending side. Needs no room to wait for: one response is outstanding at a time.
#[derive(Debug)]
pub(super) struct Outlet {
    shared: Arc<Shared>,
}

/// The side that the transport reads: the body of the HTTP response.
#[derive(Debug)]
pub(super) struct Responses {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slot: Mutex<Slot>,
    /// The transport has dropped the stream.
    gone: CancellationToken,
}

#[derive(Debug, Default)]
struct Slot {
    response: Option<Frame>,
    /// The rest of the response that is being read. May be empty.
    rest: Bytes,
    ending: Option<Ending>,
    finished: bool,
    reader: Option<Waker>,
}

/// Both sides of one stream.
pub(super) fn outlet() -> (Outlet, Responses) {
    let shared = Arc::new(Shared {
        slot: Mutex::default(),
        gone: CancellationToken::new(),
    });
    let outlet = Outlet {
        shared: Arc::clone(&shared),
    };
    (outlet, Responses { shared })
}

impl Outlet {
    /// Puts a response where the transport takes it.
    pub(super) fn put(&self, response: Frame) {
        self.shared.change(|slot| slot.response = Some(response));
    }

    /// Says how the stream ends.
    pub(super) fn end(self, ending: Ending) {
        self.shared.change(|slot| {
            if matches!(ending, Ending::Superseded) {
                slot.response = None;
            }
            slot.ending = Some(ending);
        });
    }

    /// Drops what has not been read, then ends: for a reader that reads no more.
    pub(super) fn abandon(self, status: Status) {
        self.shared.change(|slot| {
            slot.response = None;
            slot.rest = Bytes::new();
            slot.ending = Some(Ending::Failed(status));
        });
    }

    /// Returns when nobody reads any more.
    pub(super) async fn gone(&self) {
        self.shared.gone.cancelled().await;
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.shared.change(|slot| {
            slot.ending.get_or_insert_with(|| {
                Ending::Failed(Status::unavailable(
                    "the stream was given up, open it again",
                ))
            });
        });
    }
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Slot)) {
        let reader = {
            let mut slot = self.slot();
            change(&mut slot);
            slot.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Slot {
    /// What is read next; `None` where there is nothing yet.
    fn next(&mut self) -> Option<Piece<Bytes>> {
        if !self.rest.is_empty() {
            return Some(Piece::data(std::mem::take(&mut self.rest)));
        }
        if let Some(Frame { own, shared }) = self.response.take() {
            self.rest = shared;
            return Some(Piece::data(own));
        }
        let status = match self.ending.take()? {
            Ending::Superseded => Status::new(Code::Ok, ""),
            Ending::Failed(status) => status,
        };
        self.finished = true;
        Some(Piece::trailers(trailers(&status)))
    }
}

/// gRPC says how a stream ended in the trailers of the HTTP response.
fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let said = status.add_header(&mut trailers);
    if said.is_err() {
        // A message that no header can hold; the code must reach the client all the same.
        let bare = Status::new(status.code(), "");
        let _ = bare.add_header(&mut trailers);
    }
    trailers
}

impl Body for Responses {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>, Status>>> {
        let mut slot = self.shared.slot();
        if let Some(piece) = slot.next() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if slot.finished {
            return Poll::Ready(None);
        }
        slot.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Responses {
    fn drop(&mut self) {
        self.shared.gone.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn response(shared: &'static [u8]) -> Frame {
        Frame {
            own: Bytes::from_static(b"own"),
            shared: Bytes::from_static(shared),
        }
    }

    /// The next bytes, or the code in the trailers.
    async fn next(responses: &mut Responses) -> Option<Result<Bytes, String>> {
        let mut responses = Pin::new(responses);
        let piece = poll_fn(|cx| responses.as_mut().poll_frame(cx)).await?;
        Some(piece.expect("no error").into_data().map_err(|piece| {
            let trailers = piece.into_trailers().expect("trailers");
            trailers["grpc-status"].to_str().expect("a code").to_owned()
        }))
    }

    fn code(code: Code) -> Option<Result<Bytes, String>> {
        Some(Err((code as i32).to_string()))
    }

    #[tokio::test]
    async fn what_was_sent_is_read_before_the_end() {
        let (outlet, mut responses) = outlet();
        outlet.put(response(b"shared"));
        outlet.end(Ending::Failed(Status::unavailable("drain")));
        assert_eq!(next(&mut responses).await, Some(Ok("own".into())));
        assert_eq!(next(&mut responses).await, Some(Ok("shared".into())));
        assert_eq!(next(&mut responses).await, code(Code::Unavailable));
        assert!(next(&mut responses).await.is_none());
    }

    #[tokio::test]
    async fn a_dropped_outlet_is_not_ok() {
        let (outlet, mut responses) = outlet();
        drop(outlet);
        assert_eq!(next(&mut responses).await, code(Code::Unavailable));
    }

    #[tokio::test]
    async fn a_superseded_stream_ends_with_ok_and_nothing_more() {
        let (outlet, mut responses) = outlet();
        outlet.put(response(b""));
        outlet.end(Ending::Superseded);
        assert_eq!(next(&mut responses).await, code(Code::Ok));
        assert!(next(&mut responses).await.is_none());
    }

    #[tokio::test]
    async fn a_response_that_is_begun_is_finished_before_ok() {
        let (outlet, mut responses) = outlet();
        outlet.put(response(b"shared"));
        assert_eq!(next(&mut responses).await, Some(Ok("own".into())));
        outlet.end(Ending::Superseded);
        assert_eq!(next(&mut responses).await, Some(Ok("shared".into())));
        assert_eq!(next(&mut responses).await, code(Code::Ok));
    }

    #[tokio::test]
    async fn an_abandoned_stream_keeps_nothing_that_was_not_read() {
        let (outlet, mut responses) = outlet();
        outlet.put(response(b"shared"));
        assert_eq!(next(&mut responses).await, Some(Ok("own".into())));
        outlet.abandon(Status::unavailable("late"));
        assert_eq!(next(&mut responses).await, code(Code::Unavailable));
    }

    #[tokio::test]
    async fn a_dropped_reader_is_noticed_and_a_waiting_reader_is_woken() {
        let (outlet, mut responses) = outlet();
        let reader = tokio::spawn(async move { next(&mut responses).await.is_some() });
        tokio::task::yield_now().await;
        outlet.put(response(b""));
        assert!(reader.await.expect("the reader"));
        outlet.gone().await;
    }
}
