//! The way of a response to the transport: a place for one, and an end that is never OK by accident.
//!
//! In tonic a response stream that just finishes means OK, and the original client never comes back after OK. So the
//! end is said explicitly, and an [`Outlet`] that is dropped without a word ends its stream with `UNAVAILABLE`.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

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
pub(super) struct Outlet<T> {
    shared: Arc<Shared<T>>,
}

/// The side that tonic reads.
#[derive(Debug)]
pub(super) struct Responses<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    slot: Mutex<Slot<T>>,
    /// The transport has dropped the stream.
    gone: CancellationToken,
}

#[derive(Debug)]
struct Slot<T> {
    response: Option<T>,
    ending: Option<Ending>,
    finished: bool,
    reader: Option<Waker>,
}

/// Both sides of one stream.
pub(super) fn outlet<T>() -> (Outlet<T>, Responses<T>) {
    let slot = Slot {
        response: None,
        ending: None,
        finished: false,
        reader: None,
    };
    let shared = Arc::new(Shared {
        slot: Mutex::new(slot),
        gone: CancellationToken::new(),
    });
    let outlet = Outlet {
        shared: Arc::clone(&shared),
    };
    (outlet, Responses { shared })
}

impl<T> Outlet<T> {
    /// Puts a response where the transport takes it.
    pub(super) fn put(&self, response: T) {
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
            slot.ending = Some(Ending::Failed(status));
        });
    }

    /// Returns when nobody reads any more.
    pub(super) async fn gone(&self) {
        self.shared.gone.cancelled().await;
    }
}

impl<T> Drop for Outlet<T> {
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

impl<T> Shared<T> {
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Slot<T>)) {
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

impl<T> Stream for Responses<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut slot = self.shared.slot();
        if let Some(response) = slot.response.take() {
            return Poll::Ready(Some(Ok(response)));
        }
        if slot.finished {
            return Poll::Ready(None);
        }
        match slot.ending.take() {
            Some(Ending::Superseded) => {
                slot.finished = true;
                Poll::Ready(None)
            }
            Some(Ending::Failed(status)) => {
                slot.finished = true;
                Poll::Ready(Some(Err(status)))
            }
            None => {
                slot.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Responses<T> {
    fn drop(&mut self) {
        self.shared.gone.cancel();
    }
}

#[cfg(test)]
mod tests {
    use rescind_proto::envoy::service::discovery::v3::DiscoveryResponse;
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::*;

    fn response(version: &str) -> DiscoveryResponse {
        DiscoveryResponse {
            version_info: version.to_owned(),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn what_was_sent_is_read_before_the_end() {
        let (outlet, mut responses) = outlet();
        outlet.put(response("1"));
        outlet.end(Ending::Failed(Status::unavailable("drain")));
        assert!(responses.next().await.is_some_and(|item| item.is_ok()));
        let status = responses.next().await.expect("an end").expect_err("not OK");
        assert_eq!(status.code(), Code::Unavailable);
        assert!(responses.next().await.is_none());
    }

    #[tokio::test]
    async fn a_dropped_outlet_is_not_ok() {
        let (outlet, mut responses) = outlet::<DiscoveryResponse>();
        drop(outlet);
        let status = responses.next().await.expect("an end").expect_err("not OK");
        assert_eq!(status.code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_superseded_stream_ends_with_ok_and_nothing_more() {
        let (outlet, mut responses) = outlet();
        outlet.put(response("1"));
        outlet.end(Ending::Superseded);
        assert!(responses.next().await.is_none());
    }

    #[tokio::test]
    async fn a_dropped_reader_is_noticed_and_a_waiting_reader_is_woken() {
        let (outlet, mut responses) = outlet();
        let reader = tokio::spawn(async move { responses.next().await.is_some() });
        tokio::task::yield_now().await;
        outlet.put(response("1"));
        assert!(reader.await.expect("the reader"));
        outlet.gone().await;
    }
}
