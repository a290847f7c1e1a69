//! The caller's half of a call: its frames to the upstream, as fast as the upstream takes them.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::poll_fn};
use h2::{Reason, SendStream};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::select;
use tokio_util::task::AbortOnDropHandle;

/// What became of the caller's half. Dropped while it sends, it resets the call.
pub(crate) enum Upload {
    /// All of it was sent, its end too.
    Whole,
    /// It ends early: the caller left, or the upstream wants no more.
    Broken,
    /// A task of its own sends the rest, since it must go on while nobody reads the answer.
    Sending(AbortOnDropHandle<bool>),
}

impl Upload {
    /// Sends `body`; at once where it is all there, which is how most unary calls come.
    pub(crate) fn start<B>(body: B, stream: SendStream<Bytes>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut sending = Box::pin(send(body, stream));
        match sending.as_mut().now_or_never() {
            Some(true) => Self::Whole,
            Some(false) => Self::Broken,
            None => Self::Sending(AbortOnDropHandle::new(tokio::spawn(sending))),
        }
    }

    /// Whether all of it was sent; pending while that is under way.
    pub(crate) fn poll_whole(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let whole = match self {
            Self::Whole => true,
            Self::Broken => false,
            Self::Sending(task) => match Pin::new(task).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(sent) => sent.unwrap_or(false),
            },
        };
        *self = if whole { Self::Whole } else { Self::Broken };
        Poll::Ready(whole)
    }
}

/// Whether the body came to its end. What the upstream does not want is read all the same: whether the caller had said all
/// decides what its OK is worth, and a server that is content with one message resets the rest.
async fn send<B>(body: B, mut stream: SendStream<Bytes>) -> bool
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    let mut wanted = true;
    loop {
        let frame = select! {
            biased;
            _ = poll_fn(|context| stream.poll_reset(context)), if wanted => {
                wanted = false;
                continue;
            }
            frame = body.frame() => frame.map(|frame| frame.map_err(Into::into)),
        };
        let frame = match frame {
            None => {
                // An error: the upstream wants no end either.
                let _ = stream.send_data(Bytes::new(), true);
                return true;
            }
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let error: Box<dyn Error + Send + Sync> = error;
                stream.send_reset(reason(&*error));
                return false;
            }
        };
        match frame.into_data() {
            Ok(data) => {
                let end = body.is_end_stream();
                wanted = wanted && send_data(&mut stream, data, end).await;
                if end {
                    return true;
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    let _ = stream.send_trailers(trailers);
                    return true;
                }
            }
        }
    }
}

/// Waits until the upstream takes some of it; one frame at most is held here meanwhile.
async fn send_data(stream: &mut SendStream<Bytes>, data: Bytes, end: bool) -> bool {
    if !data.is_empty() {
        // h2 raises it to what it then holds.
        stream.reserve_capacity(1);
        while stream.capacity() == 0 {
            let more = poll_fn(|context| stream.poll_capacity(context)).await;
            match more {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
    }
    stream.send_data(data, end).is_ok()
}

/// Why the caller left, as it told us.
fn reason(error: &(dyn Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(reason) = error
            .downcast_ref::<h2::Error>()
            .and_then(h2::Error::reason)
        {
            return reason;
        }
        cause = error.source();
    }
    Reason::CANCEL
}
