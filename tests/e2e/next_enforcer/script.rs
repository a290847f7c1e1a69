//! The enforcer behind: an ext_authz server that answers as it is told, in bytes.

use std::{
    collections::HashMap,
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex},
};

use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, attribute_context::HttpRequest as CheckedRequest,
};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status, body::Body};

use crate::port::Port;

/// What becomes of a check.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// A `CheckResponse` in bytes.
    Answer(Vec<u8>),
    /// A gRPC status alone.
    Fails(Code),
    /// Nothing, for ever.
    Hangs,
}

/// One check that it was asked about.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) metadata: HeaderMap,
    pub(crate) check: CheckRequest,
}

impl Asked {
    pub(crate) fn http(&self) -> &CheckedRequest {
        let attributes = self.check.attributes.as_ref().unwrap();
        attributes.request.as_ref().unwrap().http.as_ref().unwrap()
    }
}

/// Which script a request gets is said by its header `x-row`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripts {
    rows: Arc<Mutex<HashMap<String, Script>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A server on a port that is its own for as long as the test runs, also while it is gone.
pub(crate) struct NextEnforcer {
    pub(crate) scripts: Scripts,
    port: Port,
    tls: Arc<ServerConfig>,
    serving: Option<JoinHandle<()>>,
}

impl Scripts {
    pub(crate) fn set(&self, row: &str, script: Script) {
        self.rows.lock().unwrap().insert(row.to_owned(), script);
    }

    /// What it was asked since the last time.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        match head.uri.path() {
            "/envoy.service.auth.v3.Authorization/Check" => {}
            FRAMES => return reply(Body::new(body.with_trailers(good().boxed()))),
            _ => return Status::unimplemented("").into_http(),
        }
        let body = body.collect().await.unwrap().to_bytes();
        let asked = Asked {
            metadata: head.headers,
            check: CheckRequest::decode(&body[5..]).unwrap(),
        };
        let row = asked.http().headers.get("x-row").cloned();
        let row = row.unwrap_or_default();
        self.asked.lock().unwrap().push(asked);
        let script = self.rows.lock().unwrap().get(&row).cloned();
        match script.unwrap_or_else(|| panic!("no row {row:?}")) {
            Script::Hangs => std::future::pending().await,
            Script::Fails(code) => Status::new(code, "scripted").into_http(),
            Script::Answer(message) => {
                let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                let body = [&[0][..], &length, &message].concat();
                reply(Body::new(
                    Full::new(body.into()).with_trailers(good().boxed()),
                ))
            }
        }
    }
}

/// Another service of the original's. Here it sends back what comes.
pub(crate) const FRAMES: &str =
    "/envoy.extensions.filters.http.mgw_wasm_websocket.v3.WebSocketFrameService/PublishFrameData";

async fn good<E>() -> Option<Result<HeaderMap, E>> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    Some(Ok(trailers))
}

fn reply(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

impl NextEnforcer {
    /// With the certificates of a stack; it serves from now on.
    pub(crate) fn start(port: Port, certs: &Path) -> Self {
        let mut next = Self {
            scripts: Scripts::default(),
            port,
            tls: tls(certs),
            serving: None,
        };
        next.serve();
        next
    }

    /// Its process is gone, connections and all.
    pub(crate) async fn kill(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
    }

    /// It is there again.
    pub(crate) fn restart(&mut self) {
        self.serve();
    }

    fn serve(&mut self) {
        let listener = self.port.listen();
        let (acceptor, scripts) = (TlsAcceptor::from(self.tls.clone()), self.scripts.clone());
        self.serving = Some(tokio::spawn(async move {
            // Dropped with this task, and every connection with it.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                let (acceptor, scripts) = (acceptor.clone(), scripts.clone());
                connections.spawn(async move {
                    let Ok(io) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let scripts = hyper::service::service_fn(move |request: Request<_>| {
                        let scripts = scripts.clone();
                        async move { Ok::<_, Infallible>(scripts.answer(request.map(Body::new)).await) }
                    });
                    let io = hyper_util::rt::TokioIo::new(io);
                    let executor = hyper_util::rt::TokioExecutor::new();
                    let server = hyper::server::conn::http2::Builder::new(executor);
                    let _ = server.serve_connection(io, scripts).await;
                });
            }
        }));
    }
}

fn tls(certs: &Path) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(certs.join("ca.pem")).unwrap() {
        roots.add(cert.unwrap()).unwrap();
    }
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let chain = CertificateDer::pem_file_iter(certs.join("enforcer.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certs.join("enforcer.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.unwrap())
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}
