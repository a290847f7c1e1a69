//! Requests through Envoy: without a filter, with an empty ext_authz handler, with our enforcer.

use std::{fs, net::TcpListener, sync::Arc, time::Duration};

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

/// The processes that a request goes through.
struct Pids {
    envoy: i32,
    empty: i32,
    ours: i32,
}

/// What requests have taken of the processor, in microseconds.
#[derive(Default)]
struct Taken {
    requests: f64,
    envoy: f64,
    handler: f64,
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
    let pid = |part| world.stack.part(part).pid().unwrap();
    let pids = Pids {
        envoy: pid(Part::Envoy),
        empty: child.id().unwrap().try_into().unwrap(),
        ours: pid(Part::Enforcer),
    };
    share(&ports, &pids, &requests).await;
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

async fn share(ports: &Ports, pids: &Pids, requests: &Arc<[String]>) {
    let [mut nones, mut empties, mut ours, mut shares] = [const { Vec::new() }; 4];
    let [mut by_ours, mut by_empty] = [(); 2].map(|()| Taken::default());
    let (us, nobody) = ((ports.ours, pids.ours), (ports.empty, pids.empty));
    for pair in 0..PAIRS {
        let mut one = async || measured(us, pids.envoy, requests, &mut by_ours).await;
        let mut other = async || measured(nobody, pids.envoy, requests, &mut by_empty).await;
        // Who goes first changes, so that a machine that grows slower or faster favours neither.
        let (one, other) = match pair % 2 {
            0 => (one().await, other().await),
            _ => {
                let other = other().await;
                (one().await, other)
            }
        };
        shares.push(one / other);
        ours.push(one);
        empties.push(other);
        nones.push(rate(ports.none, CONNECTIONS, TIME, requests).await);
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
    show_taken(&by_ours, &by_empty);
}

fn show_taken(by_ours: &Taken, by_empty: &Taken) {
    let envoy = |taken: &Taken| taken.envoy / taken.requests;
    let handler = |taken: &Taken| taken.handler / taken.requests;
    for (case, ours, empty) in [
        ("Envoy", envoy(by_ours), envoy(by_empty)),
        ("the handler", handler(by_ours), handler(by_empty)),
    ] {
        show("envoy.cpu_us", case, ours, "us", Some(empty));
    }
}

/// Requests a second; what they take is added to `taken`.
async fn measured(
    (port, handler): (u16, i32),
    envoy: i32,
    requests: &Arc<[String]>,
    taken: &mut Taken,
) -> f64 {
    let before = (cpu_us(envoy), cpu_us(handler));
    let began = Instant::now();
    let rate = rate(port, CONNECTIONS, TIME, requests).await;
    taken.requests += rate * began.elapsed().as_secs_f64();
    taken.envoy += cpu_us(envoy) - before.0;
    taken.handler += cpu_us(handler) - before.1;
    rate
}

/// What a process has taken of the processor, in microseconds: proc_pid_stat(5), fields 14 and 15.
fn cpu_us(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields = fields.split(' ').skip(11).take(2);
    let ticks: f64 = fields.map(|field| field.parse::<f64>().unwrap()).sum();
    // A tick is a hundredth of a second on every Linux that is left.
    ticks * 1e4
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
