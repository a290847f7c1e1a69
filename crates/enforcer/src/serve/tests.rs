use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{client::conn::http2::SendRequest, service::service_fn};
use hyper_util::rt::TokioExecutor;
use tokio::{io::DuplexStream, sync::Semaphore, task::AbortHandle};

use super::*;

const LIMITS: Limits = Limits {
    streams: 100,
    header_list: 8192,
    stream_window: None,
    connection_window: None,
};

/// A server of one connection, and its client.
struct Served {
    client: SendRequest<Full<Bytes>>,
    drain: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    gate: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    _client: AbortHandle,
}

/// Answers with the path. `/wait` waits for the gate, `/panic` panics.
async fn served() -> Served {
    let (theirs, ours): (DuplexStream, DuplexStream) = tokio::io::duplex(64 * 1024);
    let drain = CancellationToken::new();
    let gate = Arc::new(Semaphore::new(0));
    let begun = Arc::new(AtomicUsize::new(0));
    let (open, count) = (gate.clone(), begun.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (open, count) = (open.clone(), count.clone());
        async move {
            let path = request.uri().path().to_owned();
            count.fetch_add(1, SeqCst);
            match &*path {
                "/wait" => open.acquire().await.unwrap().forget(),
                "/panic" => panic!("as asked for"),
                _ => {}
            }
            Ok(Response::new(Full::new(Bytes::from(path))))
        }
    });
    let incoming = futures_util::stream::iter([Ok::<_, Infallible>(ours)])
        .chain(futures_util::stream::pending());
    let server = tokio::spawn(serve(incoming, service, LIMITS, drain.clone()));
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (client, connection) = builder.handshake(TokioIo::new(theirs)).await.unwrap();
    let _client = tokio::spawn(async { connection.await.unwrap_or_default() }).abort_handle();
    Served {
        client,
        drain,
        server,
        gate,
        begun,
        _client,
    }
}

impl Served {
    fn call(&self, path: &str) -> tokio::task::JoinHandle<hyper::Result<Bytes>> {
        let mut client = self.client.clone();
        let request = Request::get(format!("http://enforcer{path}"));
        let request = request.body(Full::default()).unwrap();
        tokio::spawn(async move {
            let response = client.send_request(request).await?;
            assert!(!response.headers().contains_key("date"));
            Ok(response.into_body().collect().await?.to_bytes())
        })
    }

    async fn has_begun(&self, calls: usize) {
        let begun = async {
            while self.begun.load(SeqCst) < calls {
                tokio::task::yield_now().await;
            }
        };
        let patience = std::time::Duration::from_secs(60);
        tokio::time::timeout(patience, begun).await.unwrap();
    }
}

#[tokio::test]
async fn calls_that_come_together_are_all_answered_however_many() {
    let served = served().await;
    let calls: Vec<_> = (0..90)
        .map(|n| (n, served.call(&format!("/{n}"))))
        .collect();
    for (n, call) in calls {
        assert_eq!(call.await.unwrap().unwrap(), format!("/{n}"));
    }
}

#[tokio::test]
async fn a_call_that_waits_delays_no_other() {
    let served = served().await;
    let waits = served.call("/wait");
    served.has_begun(1).await;
    assert_eq!(served.call("/other").await.unwrap().unwrap(), "/other");
    assert!(!waits.is_finished());
    served.gate.add_permits(1);
    assert_eq!(waits.await.unwrap().unwrap(), "/wait");
}

#[tokio::test]
async fn a_call_that_panics_ends_alone() {
    let served = served().await;
    let waits = served.call("/wait");
    served.has_begun(1).await;
    assert!(served.call("/panic").await.unwrap().is_err());
    assert_eq!(served.call("/other").await.unwrap().unwrap(), "/other");
    served.gate.add_permits(1);
    assert_eq!(waits.await.unwrap().unwrap(), "/wait");
}

#[tokio::test]
async fn a_drain_finishes_what_has_begun() {
    let served = served().await;
    let waits = served.call("/wait");
    served.has_begun(1).await;
    served.drain.cancel();
    tokio::task::yield_now().await;
    assert!(!served.server.is_finished());
    served.gate.add_permits(1);
    assert_eq!(waits.await.unwrap().unwrap(), "/wait");
    served.server.await.unwrap();
}
