//! What carrying a call adds, against the same call made directly, in one process on the same cores.
//!
//! A tonic client calls a tonic server over mutual TLS, directly and through the whole adapter: its port, its front, its
//! carrier. Both ways take turns, so that a noisy moment meets both. Prints one JSON object a line.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unused_crate_dependencies,
    missing_docs,
    reason = "a benchmark: it prints, and what fails ends it"
)]

use std::{
    convert::Infallible,
    fs,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use bytes::{Buf as _, BufMut as _, Bytes};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rescind_adapter::{Adapter, App};
use rescind_runtime::{
    cli::Part as _,
    tls::{self, ClientAuth, Identity, TlsListener, Trust},
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::{
    Request, Response, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Server},
};
use tower::service_fn;

const METHOD: &str = "/discovery.service.config.ConfigDiscoveryService/FetchConfigs";
const MESSAGE: usize = 1024;
/// Many short turns rather than few long ones: what else the machine does comes and goes within seconds, and with seven
/// turns of two seconds the median was one of its noisy moments now and then.
const ROUNDS: usize = 35;
const CALLS: usize = 200;
const AT_ONCE: usize = 64;
const SPAN: Duration = Duration::from_millis(400);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run());
}

async fn run() {
    tls::install_crypto_provider();
    let files = Files::new();
    let original = serve(&files).await;
    let front = adapter(&files, original).await;
    let direct = files.channel(original).await;
    let carried = files.channel(front).await;
    for channel in [&direct, &carried] {
        one_after_the_other(channel).await;
    }

    let mut added = Vec::new();
    let mut shares = Vec::new();
    for _ in 0..ROUNDS {
        let alone = one_after_the_other(&direct).await;
        added.push((one_after_the_other(&carried).await - alone) * 1000.0);
        let alone = at_once(&direct).await;
        shares.push(at_once(&carried).await / alone);
    }
    print(
        "passthrough.added_p50_ms",
        "one call after the other",
        median(added),
        "ms",
    );
    print(
        "passthrough.share",
        "64 calls at once",
        median(shares),
        "share",
    );
}

fn print(name: &str, case: &str, value: f64, unit: &str) {
    println!(
        "{{\"name\":\"{name}\",\"case\":\"{case}\",\"value\":{value:.4},\"unit\":\"{unit}\"}}"
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median time of a call, in seconds.
async fn one_after_the_other(channel: &Channel) -> f64 {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        call(channel.clone()).await;
        times.push(began.elapsed().as_secs_f64());
    }
    median(times)
}

/// Calls a second.
async fn at_once(channel: &Channel) -> f64 {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let channel = channel.clone();
        callers.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < SPAN {
                call(channel.clone()).await;
                count += 1;
            }
            count
        });
    }
    let count: u32 = callers.join_all().await.into_iter().sum();
    f64::from(count) / began.elapsed().as_secs_f64()
}

async fn call(channel: Channel) {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let request = Request::new(Bytes::from_static(&[7; MESSAGE]));
    let method = METHOD.parse().unwrap();
    let response: Response<Bytes> = client.unary(request, method, Raw).await.unwrap();
    assert_eq!(response.get_ref().len(), MESSAGE);
}

async fn original(request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
    let answer =
        |request: Request<Bytes>| async { Ok::<_, Status>(Response::new(request.into_inner())) };
    let mut grpc = tonic::server::Grpc::new(Raw);
    Ok(grpc.unary(service_fn(answer), request).await)
}

/// An adapter in front of `original`, without a control plane; where its xDS port is.
async fn adapter(files: &Files, original: SocketAddr) -> SocketAddr {
    let free = |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let [port, admin] = [(), ()].map(free);
    let shown = |file: &str| files.0.path().join(file).display().to_string();
    let text = format!(
        "[adapter.keystore]\ncertPath = '{}'\nkeyPath = '{}'\n[adapter.truststore]\nlocation = '{}'\n\
         [adapter.xds]\nhost = '127.0.0.1'\nport = {port}\nallowedClients = ['*']\n[adapter.admin]\nport = {admin}\n\
         [adapter.xds.passthrough]\naddress = '{original}'\nserverName = 'localhost'\n\
         [ledger]\ndirectory = '{}'\n[controlPlane]\nenabled = false\n",
        shown("own.pem"),
        shown("own.key"),
        shown("ca.pem"),
        shown("ledger"),
    );
    let path = files.0.path().join("adapter.toml");
    fs::write(&path, text).unwrap();
    let loaded = Adapter::load(&path).unwrap();
    let app = App::build(loaded.config).await.unwrap();
    let address = app.addresses().xds;
    tokio::spawn(app.run());
    address
}

async fn serve(files: &Files) -> SocketAddr {
    let clients = ClientAuth::Required(files.trust());
    let config = tls::server_config(&files.identity(), &clients, tls::ALPN_H2).unwrap();
    let listener = TlsListener::bind("127.0.0.1", 0, config).await.unwrap();
    let address = listener.local_addr();
    let server = Server::builder()
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024 * 1024)
        .serve_with_incoming(service_fn(original), listener);
    tokio::spawn(async move { server.await.unwrap() });
    address
}

/// One authority and one certificate for everybody.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("own.pem", certificate.pem()),
            ("own.key", key.serialize_pem()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn trust(&self) -> Trust {
        Trust::load(self.0.path().join("ca.pem")).unwrap()
    }

    fn identity(&self) -> Identity {
        let path = |name: &str| self.0.path().join(name);
        Identity::new(path("own.pem"), path("own.key"))
    }

    async fn channel(&self, address: SocketAddr) -> Channel {
        let read = |name: &str| fs::read(self.0.path().join(name)).unwrap();
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(read("ca.pem")))
            .identity(tonic::transport::Identity::from_pem(
                read("own.pem"),
                read("own.key"),
            ));
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await.unwrap()
    }
}

/// Bytes as they are.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}
