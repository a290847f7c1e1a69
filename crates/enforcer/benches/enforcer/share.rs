//! `Check` calls per second and the time of each beside a handler that does nothing, with the same client, server and
//! runtime, in turns.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rescind_enforcer::{
    check::{Checks, WithChecks},
    serve::{Limits, serve},
};
use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, CheckResponse,
    authorization_client::AuthorizationClient,
    authorization_server::{Authorization, AuthorizationServer},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{
        Channel, Endpoint,
        server::{Server, TcpIncoming},
    },
};

use super::{
    Figure,
    input::{self, Signer},
    median,
};

/// Calls at once, over as many connections as Envoy's two workers have.
const CALLS: usize = 32;
const CONNECTIONS: usize = 2;
const TIME: Duration = Duration::from_millis(1000);
const PAIRS: usize = 10;
/// Calls of one turn, one after the other.
const TURN: usize = 1000;

/// Says yes without looking.
struct Nothing;

#[tonic::async_trait]
impl Authorization for Nothing {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse::default()))
    }
}

pub(crate) fn run() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let signer = Signer::new();
        let tokens: Arc<[String]> = (0..500).map(|n| signer.token(n)).collect();
        let checks = Checks::new(signer.engine(Some(10_000)), &[]);
        let services = WithChecks::new(checks, 4 * 1024 * 1024, Routes::default());
        let limits = Limits {
            streams: 1024,
            header_list: 8192,
            stream_window: None,
            connection_window: None,
        };
        let (ours, incoming) = listen();
        tokio::spawn(serve(incoming, services, limits, CancellationToken::new()));
        let (empty, incoming) = listen();
        let server = Server::builder().add_service(AuthorizationServer::new(Nothing));
        tokio::spawn(server.serve_with_incoming(incoming));
        // The first calls verify every signature.
        load(ours, &tokens).await;
        load(empty, &tokens).await;
        share(ours, empty, &tokens).await;
        latency(ours, empty, &tokens).await;
    });
}

async fn share(ours: SocketAddr, empty: SocketAddr, tokens: &Arc<[String]>) {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        with.push(load(ours, tokens).await);
        without.push(load(empty, tokens).await);
    }
    let ratios = with
        .iter()
        .zip(&without)
        .map(|(with, without)| with / without);
    let value = median(ratios.collect());
    eprintln!(
        "check.share: {:.0} calls/s, an empty handler {:.0}",
        median(with),
        median(without.clone())
    );
    Figure {
        name: "check.share",
        case: "known RS256 tokens, plain h2",
        value,
        unit: "share",
        goal: 0.80,
        limit: None,
        peer: Some(median(without)),
        met: value >= 0.80,
    }
    .print();
}

/// One call after the other, in turns.
async fn latency(ours: SocketAddr, empty: SocketAddr, tokens: &[String]) {
    let mut clients = Vec::new();
    for address in [ours, empty] {
        clients.push(AuthorizationClient::new(connect(address).await));
    }
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..PAIRS {
        for (client, times) in clients.iter_mut().zip(&mut times) {
            for token in tokens.iter().cycle().take(TURN) {
                let check = input::check(token);
                let began = Instant::now();
                client.check(check).await.unwrap();
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    times
        .iter_mut()
        .for_each(|times| times.sort_by(f64::total_cmp));
    let [ours, empty] = times;
    for (case, share) in [("p50", 0.5), ("p99", 0.99)] {
        let of = |times: &[f64]| times[(times.len() as f64 * share) as usize];
        let (value, peer) = (of(&ours), of(&empty));
        eprintln!("check.latency_us {case}: {value:.1}, an empty handler {peer:.1}");
        println!(
            r#"{{"name":"check.latency_us","case":"{case}, one call after the other","value":{value:.2},"unit":"us","peer":{peer:.2}}}"#
        );
    }
}

async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    endpoint.unwrap().connect().await.unwrap()
}

fn listen() -> (SocketAddr, TcpIncoming) {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
    // As our own listener does: else answers wait for the other side's delayed ACKs.
    let incoming = incoming.with_nodelay(Some(true));
    (incoming.local_addr().unwrap(), incoming)
}

/// Calls per second.
async fn load(address: SocketAddr, tokens: &Arc<[String]>) -> f64 {
    let began = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(connect(address).await);
    }
    for caller in 0..CALLS {
        let mut client = AuthorizationClient::new(channels[caller % CONNECTIONS].clone());
        let tokens = tokens.clone();
        callers.spawn(async move {
            let mut calls = 0;
            while began.elapsed() < TIME {
                let token = &tokens[(calls * CALLS + caller) % tokens.len()];
                client.check(input::check(token)).await.unwrap();
                calls += 1;
            }
            calls
        });
    }
    let calls: usize = callers.join_all().await.into_iter().sum();
    calls as f64 / began.elapsed().as_secs_f64()
}
