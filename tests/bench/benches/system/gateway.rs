//! Requests through Envoy: without a filter, with an empty ext_authz handler, with our enforcer.

use std::{net::TcpListener, sync::Arc, time::Duration};

use rescind_stack::{Part, Stack};
use tokio::time::Instant;

use crate::{
    Only, handler,
    load::{Caller, rate, requests},
    measure::{median, percentile, show},
    world::{Broker, World, until},
};

const TOKENS: usize = 200;
const PAIRS: usize = 10;
const CONNECTIONS: usize = 32;
const TIME: Duration = Duration::from_millis(1_500);
/// Requests of one turn at one connection.
const TURN: usize = 400;

/// Envoy's ports, by what stands behind them.
struct Ports {
    none: u16,
    empty: u16,
    ours: u16,
}

pub(crate) async fn run(only: &Only, broker: &Broker) {
    if !only.takes(&["envoy."]) {
        return;
    }
    let [none, empty, handled] = [(); 3].map(free_port);
    let template = include_str!("envoy.yaml")
        .replace("@NONE_PORT@", &none.to_string())
        .replace("@EMPTY_PORT@", &empty.to_string())
        .replace("@HANDLER_PORT@", &handled.to_string());
    let builder = Stack::builder()
        .hub(broker.vhost())
        .without(Part::Upstream)
        .envoy_bootstrap(template);
    let world = World::start_with(builder).await;
    let ports = Ports {
        none,
        empty,
        ours: world.stack.ports().envoy_plain,
    };
    let mut child = handler::start(&world.stack, handled);
    let asks = || async {
        tokio::net::TcpStream::connect(("127.0.0.1", handled))
            .await
            .is_ok()
    };
    until("the empty handler listens", Duration::from_secs(10), asks).await;
    let requests = requests(&tokens(&world).await);
    for port in [ports.none, ports.empty, ports.ours] {
        rate(port, CONNECTIONS, TIME, &requests).await;
    }
    added(&ports, &requests).await;
    share(&ports, &requests).await;
    child.kill().await.unwrap();
    world.stop().await;
}

/// One connection, one request at a time, in turns.
async fn added(ports: &Ports, requests: &Arc<[String]>) {
    let mut times = [const { Vec::new() }; 3];
    let mut callers = Vec::new();
    for port in [ports.none, ports.empty, ports.ours] {
        callers.push(Caller::connect(port).await);
    }
    for _ in 0..PAIRS {
        for (caller, times) in callers.iter_mut().zip(&mut times) {
            for request in requests.iter().cycle().take(TURN) {
                let began = Instant::now();
                caller.call(request).await;
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let [none, empty, ours] = times.map(|mut times| percentile(&mut times, 0.5));
    show(
        "envoy.added_p50_ms",
        "1 connection",
        ours - none,
        "ms",
        Some(empty - none),
    );
    show("envoy.no_filter_p50_ms", "1 connection", none, "ms", None);
}

async fn share(ports: &Ports, requests: &Arc<[String]>) {
    let [mut nones, mut empties, mut ours, mut shares] = [const { Vec::new() }; 4];
    let measure = |port| rate(port, CONNECTIONS, TIME, requests);
    for pair in 0..PAIRS {
        // Who goes first changes, so that a machine that grows slower or faster favours neither.
        let (one, other) = match pair % 2 {
            0 => (measure(ports.ours).await, measure(ports.empty).await),
            _ => {
                let other = measure(ports.empty).await;
                (measure(ports.ours).await, other)
            }
        };
        shares.push(one / other);
        ours.push(one);
        empties.push(other);
        nones.push(measure(ports.none).await);
    }
    let (ours, empty, none) = (median(ours), median(empties), median(nones));
    show(
        "envoy.share",
        "32 connections",
        median(shares),
        "share",
        Some(empty),
    );
    for (case, value) in [
        ("our enforcer", ours),
        ("empty handler", empty),
        ("no filter", none),
    ] {
        show("envoy.requests_per_s", case, value, "1/s", None);
    }
}

async fn tokens(world: &World) -> Vec<String> {
    let var = |name| world.stack.var(name);
    let mut tokens = Vec::new();
    for _ in 0..TOKENS {
        let request = world.stack.client().post(var("TOKEN_URL"));
        let request = request.basic_auth(var("CLIENT_ID"), Some(var("CLIENT_SECRET")));
        let answer = request
            .form(&[("grant_type", "client_credentials")])
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        tokens.push(answer["access_token"].as_str().unwrap().to_owned());
    }
    tokens
}

fn free_port(_: ()) -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
