//! Plain requests over HTTP/1.1.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::{Certificates, nobody, soon, upstream};
use crate::{Hops, HttpCarry, dial::HTTP_1};

/// Says what it was asked.
async fn page(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = format!(
        "{} {} {:?} {:?}",
        request.method(),
        request.uri(),
        request.headers().get("host"),
        request.headers().get("x-mine"),
    );
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let text = format!("{text} {} bytes", body.len());
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = http::StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert("x-theirs", "yes".parse().unwrap());
    Ok(response)
}

async fn serve<F>(
    certificates: &Arc<Certificates>,
    page: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> String
where
    F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let acceptor = TlsAcceptor::from(certificates.server(rustls::DEFAULT_VERSIONS, HTTP_1));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let tls = acceptor.accept(tcp).await.unwrap();
            let page = service_fn(page.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(tls), page));
        }
    });
    address
}

#[tokio::test]
async fn a_page_passes_with_its_host_its_headers_and_its_body() {
    let certificates = Arc::new(Certificates::new());
    let address = serve(&certificates, page).await;
    let carry = HttpCarry::new(&upstream(&certificates, address)).unwrap();
    // As HTTP/2 has it, and as HTTP/1.1 has it.
    for (uri, host) in [
        ("https://enforcer:9001/testkey?x=1", None),
        ("/testkey?x=1", Some("enforcer:9001")),
    ] {
        let mut request = Request::post(uri)
            .header("x-mine", "1")
            .header("connection", "keep-alive");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Full::from(vec![0; 300_000])).unwrap();
        let response = carry.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(response.headers()["x-theirs"], "yes");
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            text,
            "POST /testkey?x=1 Some(\"enforcer:9001\") Some(\"1\") 300000 bytes"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_a_bad_gateway() {
    let certificates = Certificates::new();
    let (upstream, _held) = nobody(&certificates);
    let carry = HttpCarry::new(&upstream).unwrap();
    let request = Request::get("https://enforcer:9001/jwks").body(Full::<Bytes>::default());
    let response = carry.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 502);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn who_hangs_up_while_it_is_asked_leaves_the_question_to_the_next() {
    let certificates = Arc::new(Certificates::new());
    let probes = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(Notify::new());
    let (counted, told) = (Arc::clone(&probes), Arc::clone(&asked));
    // Says nothing to the first probe, and to the second that it has come back.
    let looping = move |request: Request<Incoming>| {
        let (counted, told) = (Arc::clone(&counted), Arc::clone(&told));
        async move {
            if !Hops::is_probe(request.headers()) {
                return page(request).await;
            }
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                told.notify_one();
                std::future::pending::<()>().await;
            }
            let mut answer = Response::default();
            Hops::say(answer.headers_mut());
            Ok(answer)
        }
    };
    let address = serve(&certificates, looping).await;
    let carry = HttpCarry::new(&upstream(&certificates, address)).unwrap();
    let request = || {
        Request::get("/jwks")
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    tokio::select! {
        _ = carry.clone().oneshot(request()) => panic!("it is never answered"),
        () = soon(asked.notified()) => {}
    }
    let answer = carry.oneshot(request()).await.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(probes.load(Ordering::SeqCst), 2);
}
