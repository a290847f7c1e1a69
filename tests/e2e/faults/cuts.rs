//! Broker restarts, and a bad network between adapter and broker, while events flow.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;
use tokio::time::sleep;

use super::{
    applied::{Follower, HEAD},
    kills::{EVENTS, FLOW_MICROS, ten_lists_more},
    proxy::{Line, Proxy, Way},
    published::Published,
    seed::{ROUNDS, chance, identifiers, is_soak, runs, seed},
};
use crate::{eventually::eventually, suite::Suite, world::World};

const NAME: &str = "20_network_faults_and_broker_restarts_while_20000_events_flow_lose_none";
const BATCH: usize = 100;
const RECONNECTS: &str = "rescind_hub_reconnects_total";

/// Of the rounds of a run so many restart the broker in the place of a fault of the network.
const RESTARTS: usize = 2;

pub(crate) fn add(suite: &mut Suite) {
    suite.own_broker(NAME, cuts);
}

/// What happens in a round.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Cut,
    HalfClose(Way),
    /// The line is that for a while, and then whole again.
    Bad(Line, Duration),
    /// The same, and then everything is cut.
    BadThenCut(Line, Duration),
    BrokerDies,
}

async fn cuts() {
    let first = seed(NAME);
    let proxy = Proxy::start();
    for seed in first..first + runs() {
        one_run(&proxy, chance(seed)).await;
    }
}

async fn one_run(proxy: &Proxy, mut chance: StdRng) {
    let world = world_behind(proxy).await;
    let follower = Follower::start(&world).await;
    let mut published = Published::new();
    let restarts: Vec<_> = (0..RESTARTS)
        .map(|_| chance.random_range(0..ROUNDS))
        .collect();
    for round in 0..ROUNDS {
        let fault = if restarts.contains(&round) {
            Fault::BrokerDies
        } else {
            draw(&mut chance)
        };
        let identifiers = identifiers(&mut chance, EVENTS);
        let moment = Duration::from_micros(chance.random_range(0..FLOW_MICROS));
        let flow = async {
            for batch in identifiers.chunks(BATCH) {
                world.publish(batch).await;
            }
        };
        let strike = async {
            sleep(moment).await;
            happen(fault, proxy, &world).await;
        };
        tokio::join!(flow, strike);
        published.extend(identifiers);
    }

    // What a stand-in without a broker could not publish is in its list alone: the last cut makes the adapter read it.
    let ask = async || world.standin_page("/readyz").await;
    eventually(Duration::from_secs(30), ask, |page| page == "ready\n").await;
    // Faults that cost no connection would show nothing.
    let ask = || world.metric(RECONNECTS);
    eventually(Duration::from_secs(60), ask, |times| *times >= 1.0).await;
    proxy.cut();
    let applied = world
        .holds_exactly(&published, Duration::from_secs(60))
        .await;
    let followed = follower.stop().await;
    followed.is_exactly(&published);
    sound(&world).await;
    ten_lists_more(&world).await;
    assert_eq!(world.metric(HEAD).await, applied.sequence() as f64);
    world.stop().await;
}

/// A stack with its own broker, which the adapter reaches through the proxy alone.
async fn world_behind(proxy: &Proxy) -> World {
    let endpoint = format!(
        "amqp://guest:guest@127.0.0.1:{}/%2f?connectdelay='1'",
        proxy.port()
    );
    let config = format!(
        "[controlPlane.brokerConnectionParameters]\neventListeningEndpoints = [\"{endpoint}\"]\n"
    );
    let parts = [Part::Epmd, Part::Broker, Part::Standin];
    let world =
        World::start_from(|builder| builder.only(&parts).config(Part::Adapter, config)).await;
    proxy.lead_to(world.port("AMQP_URL").parse().unwrap());
    world.begin(Part::Adapter).await;
    sound(&world).await;
    world
}

/// Waits until the adapter has nothing to complain of.
pub(crate) async fn sound(world: &World) {
    let ask = || world.admin("ADAPTER_ADMIN_URL", "/readyz");
    eventually(Duration::from_secs(30), ask, |(_, page)| page == "ready\n").await;
}

fn draw(chance: &mut StdRng) -> Fault {
    // Longer than two heartbeats: then the adapter gives the connection up by itself.
    let longest = if is_soak() && chance.random_bool(0.1) {
        12_000
    } else {
        500
    };
    let time = Duration::from_millis(chance.random_range(0..longest));
    let delay = Duration::from_millis(chance.random_range(1..50));
    match chance.random_range(0..8) {
        0 => Fault::Cut,
        1 => Fault::HalfClose(Way::Up),
        2 => Fault::HalfClose(Way::Down),
        3 => Fault::Bad(Line::Slow(delay), time),
        4 => Fault::Bad(Line::Stalled, time),
        5 => Fault::BadThenCut(Line::Stalled, time),
        6 => Fault::Bad(Line::Swallowing, time),
        _ => Fault::Bad(Line::Refusing, time),
    }
}

async fn happen(fault: Fault, proxy: &Proxy, world: &World) {
    match fault {
        Fault::Cut => proxy.cut(),
        Fault::HalfClose(way) => proxy.half_close(way),
        Fault::Bad(line, time) | Fault::BadThenCut(line, time) => {
            proxy.set(line);
            sleep(time).await;
            if matches!(fault, Fault::BadThenCut(..)) {
                proxy.cut();
            }
            proxy.set(Line::Open);
        }
        Fault::BrokerDies => {
            world.kill_9_for_good(Part::Broker).await;
            world.begin(Part::Broker).await;
        }
    }
}
