//! The upstream's half of a call: its frames, then its trailers, or a status of ours in their place.

use std::{
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::{
    connection::Slot,
    metrics::{Call, Outcome},
    status::{self, Status},
    upload::Upload,
};

/// The end of a caller's half may be on its way when the answer is there already: a unary call that sends its message and
/// its end in two frames.
pub(crate) const GRACE: Duration = Duration::from_millis(250);

/// The body of a carried call. Dropping it cancels the call at the upstream.
pub struct GrpcBody {
    state: State,
}

enum State {
    Live(Box<Live>),
    Done,
}

/// A call whose headers have come.
pub(crate) struct Live {
    pub(crate) answer: RecvStream,
    pub(crate) progress: Progress,
    pub(crate) upload: Upload,
    pub(crate) deadline: Option<Pin<Box<Sleep>>>,
    pub(crate) drained: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether an end with OK is an error while the caller's half is open.
    pub(crate) open_never_ends_ok: bool,
    pub(crate) call: Call,
    /// Given back last, when the streams above are gone.
    pub(crate) _slot: Slot,
}

/// How far the answer has come.
pub(crate) enum Progress {
    Data,
    Trailers,
    /// It ended with OK, and the caller's half was still open; so long is waited for its end.
    Doubted(HeaderMap, Pin<Box<Sleep>>),
}

impl GrpcBody {
    pub(crate) fn empty() -> Self {
        Self { state: State::Done }
    }

    pub(crate) fn live(live: Live) -> Self {
        Self {
            state: State::Live(Box::new(live)),
        }
    }
}

impl Live {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if let Some(status) = self.poll_ended(context) {
            return Poll::Ready(self.end(status, Outcome::ended));
        }
        loop {
            match &mut self.progress {
                Progress::Data => match ready!(self.answer.poll_data(context)) {
                    Some(Ok(data)) => {
                        // The caller's side asks for the next one when it has sent this one: what is released here is
                        // what the caller has taken. An error: the stream is over, which shows at the next frame.
                        let _ = self.answer.flow_control().release_capacity(data.len());
                        return Poll::Ready(Some(Frame::data(data)));
                    }
                    Some(Err(error)) => return Poll::Ready(self.failed(&error)),
                    None => self.progress = Progress::Trailers,
                },
                Progress::Trailers => match ready!(self.answer.poll_trailers(context)) {
                    Ok(Some(trailers)) if self.open_never_ends_ok && status::is_ok(&trailers) => {
                        self.progress = Progress::Doubted(trailers, Box::pin(sleep(GRACE)));
                    }
                    Ok(Some(trailers)) => return Poll::Ready(self.finish(trailers)),
                    Ok(None) => return Poll::Ready(self.end(Status::without(), Outcome::away)),
                    Err(error) => return Poll::Ready(self.failed(&error)),
                },
                Progress::Doubted(trailers, grace) => {
                    match doubted(&mut self.upload, grace.as_mut(), context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(true) => {
                            let trailers = mem::take(trailers);
                            return Poll::Ready(self.finish(trailers));
                        }
                        Poll::Ready(false) => {
                            return Poll::Ready(self.end(Status::ended_open(), Outcome::away));
                        }
                    }
                }
            }
        }
    }

    /// What ends the call whatever the upstream does.
    fn poll_ended(&mut self, context: &mut Context<'_>) -> Option<Status> {
        if self.drained.as_mut().poll(context).is_ready() {
            return Some(Status::draining());
        }
        let deadline = self.deadline.as_mut()?;
        let over = deadline.as_mut().poll(context).is_ready();
        over.then(Status::deadline)
    }

    fn finish(&mut self, trailers: HeaderMap) -> Option<Frame<Bytes>> {
        self.call.ended(match status::is_ok(&trailers) {
            true => Outcome::ok,
            false => Outcome::error,
        });
        Some(Frame::trailers(trailers))
    }

    fn failed(&mut self, error: &h2::Error) -> Option<Frame<Bytes>> {
        let outcome = match error.is_reset() && error.is_remote() {
            true => Outcome::error,
            false => Outcome::away,
        };
        self.end(Status::of(error), outcome)
    }

    fn end(&mut self, status: Status, outcome: Outcome) -> Option<Frame<Bytes>> {
        self.call.ended(outcome);
        Some(Frame::trailers(status.trailers()))
    }
}

/// Whether the caller's half ends within `grace`.
pub(crate) fn doubted(
    upload: &mut Upload,
    grace: Pin<&mut Sleep>,
    context: &mut Context<'_>,
) -> Poll<bool> {
    match upload.poll_whole(context) {
        Poll::Ready(whole) => Poll::Ready(whole),
        Poll::Pending => grace.poll(context).map(|()| false),
    }
}

impl Body for GrpcBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let State::Live(live) = &mut self.state else {
            return Poll::Ready(None);
        };
        let frame = ready!(live.poll_frame(context));
        if frame.as_ref().is_none_or(Frame::is_trailers) {
            // Frees the place on the connection before the caller has read the end.
            self.state = State::Done;
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Live(_) => SizeHint::default(),
            State::Done => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for GrpcBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Live(_) => "GrpcBody(live)",
            State::Done => "GrpcBody(done)",
        })
    }
}
