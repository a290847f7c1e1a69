//! A scripted adapter of Choreo Connect's: its services by name, its one self-signed certificate, no messages.

use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use prost::bytes::Bytes;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, body::Body, codegen::http, server::Grpc};
use tower::service_fn;

use crate::{
    clients::frames::{MOST, Raw},
    port::Port,
};

/// Answers with what it was sent and with the metadata it was sent.
pub(super) const UNARY: &str = "/discovery.service.config.ConfigDiscoveryService/FetchConfigs";
/// Sends back what comes.
pub(super) const ECHO: &str = "/discovery.service.api.ApiDiscoveryService/StreamApis";
/// Answers in one block of headers.
pub(super) const REFUSES: &str =
    "/discovery.service.subscription.ApplicationDiscoveryService/StreamApplications";
/// Answers each message and then ends with an error, after the second one.
pub(super) const BREAKS: &str =
    "/wso2.discovery.service.keymgt.KMDiscoveryService/StreamKeyManagers";
/// Ends with OK after the first message.
pub(super) const LEAVES: &str =
    "/discovery.service.subscription.ApiListDiscoveryService/StreamApiList";
/// Resets the stream at the second message, with a reason of its own.
pub(super) const RESETS: &str = "/discovery.service.keymgt.KeyManagerService/StreamKeyManagers";
/// Never reads and never answers.
pub(super) const DEAF: &str =
    "/discovery.service.throttle.ThrottleDataDiscoveryService/StreamThrottleData";
/// Sends without end.
pub(super) const FLOODS: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// The certificate that all of Choreo Connect's parts share: self-signed, no CA, its own trust anchor.
pub(super) struct Shared {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// A running one.
pub(super) struct Original {
    runtime: Option<Runtime>,
    pub(super) address: SocketAddr,
    /// How many calls their callers have left.
    pub(super) cancelled: watch::Receiver<usize>,
}

impl Shared {
    pub(super) fn new(folder: &Path) -> Self {
        let names = ["adapter", "enforcer", "router", "localhost"];
        let mut params = CertificateParams::new(names.map(str::to_owned)).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        let key = KeyPair::generate().unwrap();
        let shared = Self {
            cert: folder.join("mg.pem"),
            key: folder.join("mg.key"),
        };
        fs::write(&shared.cert, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&shared.key, key.serialize_pem()).unwrap();
        shared
    }

    fn server(&self) -> TlsAcceptor {
        let cert = || CertificateDer::from_pem_file(&self.cert).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![cert()],
                PrivateKeyDer::from_pem_file(&self.key).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Original {
    /// Listens at `port`, in a runtime of its own.
    pub(super) fn start(shared: &Shared, port: &Port) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = port.listen().into_std().unwrap();
        let address = listener.local_addr().unwrap();
        let (told, cancelled) = watch::channel(0);
        let acceptor = shared.server();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let (accepted, incoming) = mpsc::channel(16);
            tokio::spawn(async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    tcp.set_nodelay(true).unwrap();
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        let _ = accepted.send(Ok::<_, std::io::Error>(tls)).await;
                    }
                }
            });
            let service = service_fn(move |request| answer(request, told.clone()));
            tonic::transport::Server::builder()
                .max_concurrent_streams(1_000_000)
                // More than all its calls' windows together: one that is not read makes no other wait, as in Go.
                .initial_connection_window_size(128 * 1024 * 1024)
                .serve_with_incoming(service, ReceiverStream::new(incoming))
                .await
                .unwrap();
        });
        Self {
            runtime: Some(runtime),
            address,
            cancelled,
        }
    }

    /// Ends it in the middle of everything.
    pub(super) fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It waits for its threads, which an asynchronous caller may not.
            let ended = std::thread::spawn(|| runtime.shutdown_timeout(Duration::from_secs(5)));
            ended.join().unwrap();
        }
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

async fn answer(
    request: http::Request<Body>,
    told: watch::Sender<usize>,
) -> Result<http::Response<Body>, Infallible> {
    let mut grpc = Grpc::new(Raw)
        .max_decoding_message_size(MOST)
        .max_encoding_message_size(MOST);
    let method = request.uri().path().to_owned();
    if method == UNARY {
        return Ok(grpc.unary(service_fn(fetch), request).await);
    }
    if method == RESETS {
        return Ok(resets(request));
    }
    let script = service_fn(move |request: Request<Streaming<Bytes>>| {
        std::future::ready(stream(&method, request, told.clone()))
    });
    Ok(grpc.streaming(script, request).await)
}

/// Answers the first message, and the second one with RST_STREAM: hyper resets with the reason of the error that a body
/// ends with.
fn resets(request: http::Request<Body>) -> http::Response<Body> {
    let (out, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut requests = request.into_body();
        requests.frame().await;
        let begun = Bytes::from_static(b"\0\0\0\0\x05begun");
        let _ = out.send(Ok(Frame::data(begun))).await;
        requests.frame().await;
        let _ = out.send(Err(h2::Error::from(RESET))).await;
    });
    let body = StreamBody::new(ReceiverStream::new(frames));
    let mut response = http::Response::new(Body::new(body));
    let kind = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// gRPC's table makes RESOURCE_EXHAUSTED of it.
const RESET: h2::Reason = h2::Reason::ENHANCE_YOUR_CALM;

async fn fetch(request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let (metadata, _, message) = request.into_parts();
    let mut response = Response::new(message);
    for name in ["x-text", "grpc-timeout"] {
        if let Some(value) = metadata.get(name) {
            response.metadata_mut().insert(name, value.clone());
        }
    }
    if let Some(value) = metadata.get_bin("x-key-bin") {
        response
            .metadata_mut()
            .insert_bin("x-key-bin", value.clone());
    }
    Ok(response)
}

fn stream(
    method: &str,
    request: Request<Streaming<Bytes>>,
    told: watch::Sender<usize>,
) -> Result<Response<Answers>, Status> {
    if method == REFUSES {
        let mut status = Status::failed_precondition("not so");
        status
            .metadata_mut()
            .insert("x-why", "because".parse().unwrap());
        return Err(status);
    }
    let (out, answers) = mpsc::channel(4);
    let method = method.to_owned();
    tokio::spawn(async move {
        let mut requests = request.into_inner();
        let ended = script(&method, &mut requests, &out).await;
        if let Err(status) = ended {
            told.send_modify(|count| *count += 1);
            let _ = out.send(Err(status)).await;
        }
    });
    Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
}

async fn script(
    method: &str,
    requests: &mut Streaming<Bytes>,
    out: &mpsc::Sender<Result<Bytes, Status>>,
) -> Result<(), Status> {
    let gone = |_| Status::cancelled("nobody listens");
    match method {
        DEAF => {
            out.closed().await;
            return Err(gone(()));
        }
        FLOODS => loop {
            let message = Bytes::from(vec![7; 100_000]);
            out.send(Ok(message)).await.map_err(|_| gone(()))?;
        },
        _ => {}
    }
    let mut count = 0;
    while let Some(message) = requests.message().await? {
        out.send(Ok(message)).await.map_err(|_| gone(()))?;
        count += 1;
        match (method, count) {
            (LEAVES, 1) => return Ok(()),
            (BREAKS, 2) => {
                let _ = out.send(Err(Status::data_loss("broken"))).await;
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}
