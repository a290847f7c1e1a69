//! Runs one stream: feeds the connection's state machine with what happens, and does what it says.

mod end;
mod open;

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tonic::{Status, Streaming};
use tracing::warn;

use self::{end::End, open::OpenStream};
use super::{
    method::Streamed,
    opening::Opening,
    outlet::{Ending, Outlet},
    peer::Peer,
    service::Inner,
};
use crate::Source;

pub(super) use self::end::shutting_down;

/// A stream from its first request to its end.
pub(super) async fn drive<S: Source, M: Streamed>(
    inner: Arc<Inner<S>>,
    peer: Peer,
    mut requests: Streaming<M::Request>,
    outlet: Outlet,
) {
    let first = tokio::select! {
        biased;
        () = inner.drain.cancelled() => return outlet.end(Ending::Failed(shutting_down())),
        () = outlet.gone() => return,
        first = first_request(&mut requests, inner.settings.first_request_timeout) => first,
    };
    let opening = first.and_then(M::opening).and_then(|opening| {
        let named = inner.admission.name(&peer, &opening.instance)?;
        Ok((opening, named))
    });
    match opening {
        Ok((opening, _named)) => serve::<S, M>(inner, peer, opening, requests, outlet).await,
        Err(status) => {
            inner.metrics.refused.inc();
            warn!(
                address = peer.shown(),
                identity = peer.identity(),
                reason = status.message(),
                "xDS stream refused"
            );
            outlet.end(Ending::Failed(status));
        }
    }
}

async fn first_request<T>(requests: &mut Streaming<T>, patience: Duration) -> Result<T, Status> {
    match timeout(patience, requests.message()).await {
        Ok(Ok(Some(request))) => Ok(request),
        Ok(Ok(None)) => Err(Status::unavailable(
            "the client closed the stream before its first request",
        )),
        Ok(Err(status)) => Err(status),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "no first request within {} s",
            patience.as_secs()
        ))),
    }
}

async fn serve<S: Source, M: Streamed>(
    inner: Arc<Inner<S>>,
    peer: Peer,
    opening: Opening,
    requests: Streaming<M::Request>,
    outlet: Outlet,
) {
    let stream = OpenStream::open(inner, &peer, opening);
    let end = stream.run::<M>(requests, &outlet).await;
    stream.log_end(&end);
    match end {
        End::Superseded => outlet.end(Ending::Superseded),
        // What was not ACKed for so long is not being read; it must not be kept.
        End::AckTimeout => outlet.abandon(end.status()),
        _ => outlet.end(Ending::Failed(end.status())),
    }
}
