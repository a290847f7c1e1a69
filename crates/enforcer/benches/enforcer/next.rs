//! What standing in front of another enforcer adds to a check: through the whole of ours and on to a scripted one, beside
//! the same check straight to that one, in turns, all over mutual TLS.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rescind_enforcer::{App, Enforcer};
use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, OkHttpResponse,
    authorization_client::AuthorizationClient,
    authorization_server::{Authorization, AuthorizationServer},
    check_response::HttpResponse,
};
use rescind_runtime::{
    cli::Part as _,
    tls::{self, ClientAuth, Identity, TlsListener, Trust},
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::{
    Request, Response, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Server},
};

use super::{
    input::{self, Signer},
    median, start,
};

const ROUNDS: usize = 7;
const CALLS: usize = 1000;
/// Calls at once, over as many connections as Envoy's two workers have.
const AT_ONCE: usize = 32;
const CONNECTIONS: usize = 2;
const SPAN: Duration = Duration::from_secs(1);

pub(crate) fn run() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let files = Files::new();
    let next = next(&files).await;
    let ours = enforcer(&files, next).await;
    let (direct, carried) = (files.channels(next).await, files.channels(ours).await);
    let check = input::check(&Signer::new().token(1));
    for channels in [&direct, &carried] {
        one_after_the_other(channels, &check).await;
    }
    let (mut added, mut shares, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let time = one_after_the_other(&direct, &check).await;
        added.push((one_after_the_other(&carried, &check).await - time) * 1000.0);
        let rate = at_once(&direct, &check).await;
        shares.push(at_once(&carried, &check).await / rate);
        alone.push(rate);
    }
    let (added, share, alone) = (median(added), median(shares), median(alone));
    println!(
        r#"{{"name":"next.added_p50_ms","case":"one check after the other","value":{added:.4},"unit":"ms"}}"#
    );
    println!(
        r#"{{"name":"next.share","case":"32 checks at once","value":{share:.4},"unit":"share","peer":{alone:.0}}}"#
    );
}

/// The median time of a check, in seconds.
async fn one_after_the_other(channels: &[Channel], check: &CheckRequest) -> f64 {
    let mut client = AuthorizationClient::new(channels[0].clone());
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        ask(&mut client, check).await;
        times.push(began.elapsed().as_secs_f64());
    }
    median(times)
}

/// Checks a second.
async fn at_once(channels: &[Channel], check: &CheckRequest) -> f64 {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..AT_ONCE {
        let mut client = AuthorizationClient::new(channels[caller % CONNECTIONS].clone());
        let check = check.clone();
        callers.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < SPAN {
                ask(&mut client, &check).await;
                count += 1;
            }
            count
        });
    }
    let count: u32 = callers.join_all().await.into_iter().sum();
    f64::from(count) / began.elapsed().as_secs_f64()
}

async fn ask(client: &mut AuthorizationClient<Channel>, check: &CheckRequest) {
    let answer = client.check(check.clone()).await.unwrap().into_inner();
    let allowed = matches!(answer.http_response, Some(HttpResponse::OkResponse(_)));
    assert!(allowed, "{answer:?}");
}

/// Says yes without looking.
struct Next;

#[tonic::async_trait]
impl Authorization for Next {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let ok = HttpResponse::OkResponse(OkHttpResponse::default());
        Ok(Response::new(CheckResponse {
            status: Some(Default::default()),
            http_response: Some(ok),
            ..CheckResponse::default()
        }))
    }
}

async fn next(files: &Files) -> SocketAddr {
    let clients = ClientAuth::Required(Trust::load(files.path("ca.pem")).unwrap());
    let identity = Identity::new(files.path("own.pem"), files.path("own.key"));
    let config = tls::server_config(&identity, &clients, tls::ALPN_H2).unwrap();
    let listener = TlsListener::bind("127.0.0.1", 0, config).await.unwrap();
    let address = listener.local_addr();
    let server = Server::builder().add_service(AuthorizationServer::new(Next));
    tokio::spawn(server.serve_with_incoming(listener));
    address
}

/// Our enforcer in front of `next`, with its own image of 100 000 revoked tokens; where it answers checks.
async fn enforcer(files: &Files, next: SocketAddr) -> SocketAddr {
    let free = |_| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let [checks, admin] = [(), ()].map(free);
    let config = format!(
        "[enforcer.state]\ndirectory = '{}'\n[enforcer.authService]\nhost = '127.0.0.1'\nport = {checks}\n\
         [enforcer.restServer]\nport = {admin}\n[enforcer.keystore]\ncertPath = '{}'\nkeyPath = '{}'\n\
         [enforcer.truststore]\nlocation = '{}'\n[xds]\nadapters = ['127.0.0.1:9']\n\
         [next]\naddress = '127.0.0.1'\nport = {}\nserverName = 'localhost'\n",
        files.path("state"),
        files.path("own.pem"),
        files.path("own.key"),
        files.path("ca.pem"),
        next.port(),
    );
    fs::write(files.path("enforcer.toml"), config).unwrap();
    start::image(&files.path("state"));
    let loaded = Enforcer::load(files.path("enforcer.toml").as_ref()).unwrap();
    let app = App::build(&loaded.config).await.unwrap();
    let address = app.check_addr();
    tokio::spawn(app.run());
    address
}

/// One authority and one certificate for everybody.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(TempDir::new().unwrap());
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
            fs::write(files.path(name), text).unwrap();
        }
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    async fn channels(&self, address: SocketAddr) -> Vec<Channel> {
        let read = |name: &str| fs::read(self.path(name)).unwrap();
        let own = tonic::transport::Identity::from_pem(read("own.pem"), read("own.key"));
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(read("ca.pem")))
            .identity(own);
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
        let endpoint = endpoint.tls_config(tls).unwrap();
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(endpoint.connect().await.unwrap());
        }
        channels
    }
}
