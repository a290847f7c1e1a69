//! Connections, each in a task of its own.

use std::{future::Future, pin::pin};

use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt as _};

/// Serves connections as they come, until `drain` or until no more can come; then those there are, to the last one's end.
/// Whoever drops this ends them.
pub async fn serve_each<T, E, F>(
    incoming: impl Stream<Item = Result<T, E>>,
    drain: impl Future<Output = ()>,
    serve: impl Fn(T) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    {
        // Closed before the connections are waited for: who comes now finds another server.
        let mut incoming = pin!(incoming);
        let mut drain = pin!(drain);
        loop {
            tokio::select! {
                () = &mut drain => break,
                accepted = incoming.next() => match accepted {
                    Some(Ok(io)) => {
                        connections.spawn(serve(io));
                    }
                    // One that is not there any more.
                    Some(Err(_)) => {}
                    None => break,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::{
        sync::{mpsc, oneshot},
        task::JoinHandle,
    };
    use tokio_stream::wrappers::ReceiverStream;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Connections that last as long as their other end.
    struct Serving {
        port: mpsc::Sender<Result<oneshot::Receiver<()>, Infallible>>,
        drain: CancellationToken,
        served: JoinHandle<()>,
    }

    fn serving() -> Serving {
        let (port, incoming) = mpsc::channel(1);
        let drain = CancellationToken::new();
        let drained = drain.clone().cancelled_owned();
        let served = serve_each(ReceiverStream::new(incoming), drained, |end| async {
            // An error: the other end is gone.
            let _ = end.await;
        });
        Serving {
            port,
            drain,
            served: tokio::spawn(served),
        }
    }

    #[tokio::test]
    async fn a_drain_closes_the_port_and_waits_for_who_is_connected() {
        let Serving {
            port,
            drain,
            served,
        } = serving();
        let (end, connection) = oneshot::channel();
        port.send(Ok(connection)).await.unwrap();
        // Taken by now: there is room for one.
        let _next = port.reserve().await.unwrap();
        drain.cancel();
        port.closed().await;
        assert!(!served.is_finished() && !end.is_closed());
        drop(end);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn where_no_more_can_come_it_waits_for_the_last() {
        let Serving { port, served, .. } = serving();
        let (mut end, connection) = oneshot::channel::<()>();
        port.send(Ok(connection)).await.unwrap();
        drop(port);
        tokio::task::yield_now().await;
        assert!(!served.is_finished() && !end.is_closed());
        served.abort();
        end.closed().await;
    }
}
