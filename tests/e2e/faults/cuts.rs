//! Broker restarts, and a bad network between adapter and broker, while events flow: once with the control plane's list, which
//! brings what an exclusive queue loses, and once with a durable queue and no list, where an event that is lost is seen.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng, seq::index::sample};
use rescind_stack::{Part, StackBuilder};
use tokio::time::sleep;

use super::{
    applied::Follower,
    durable::{hear, subscribed, world_with_queue},
    ending::{ends_exactly, ten_lists_say_nothing_new, the_list_says_nothing_new},
    kills::{EVENTS, FLOW_MICROS},
    list_server::{Answer, ListServer},
    network::Fault,
    proxy::Proxy,
    published::Published,
    seed::{ROUNDS, deal, identifiers, runs},
};
use crate::{
    clients::hub::{InsistentHub, event},
    eventually::eventually,
    suite::Suite,
    world::World,
};

const WITH_LIST: &str = "20_network_faults_and_broker_restarts_while_20000_events_flow_lose_none";
const WITHOUT: &str =
    "20_network_faults_and_broker_restarts_over_a_durable_queue_and_no_list_lose_none";

const BATCH: usize = 100;
const CONNECTED: &str = "rescind_hub_connected";
const RECONNECTS: &str = "rescind_hub_reconnects_total";

/// Of the 20 rounds of a run so many strike blindly, whether a connection stands or not.
const BLIND: usize = 4;

/// So many connections at least a run costs: 14 of its faults end any that stands, some of those are blind, and two of the
/// others may end one that is not missed yet when the next strikes.
const LEAST_LOSSES: f64 = 8.0;

pub(crate) fn add(suite: &mut Suite) {
    suite.own_broker(WITH_LIST, with_list);
    suite.own_broker(WITHOUT, without_list);
}

/// Everything in a stack of its own but the adapter's way to the broker, which is the proxy.
struct Behind<'a> {
    proxy: &'a Proxy,
    world: World,
    /// How many connections there had been when the last fault had ended them.
    over: usize,
}

async fn with_list() {
    let proxy = Proxy::start();
    for (_, chance) in runs(WITH_LIST) {
        run_with_list(&proxy, chance).await;
    }
}

async fn run_with_list(proxy: &Proxy, mut chance: StdRng) {
    let world = World::start_from(with_own_broker).await;
    let mut behind = Behind::new(proxy, world).await;
    sound(&behind.world).await;
    let follower = Follower::start(&behind.world).await;
    let mut published = Published::new();
    let blind = sample(&mut chance, ROUNDS, BLIND);
    for (round, fault) in deal(&mut chance, &Fault::ALL).into_iter().enumerate() {
        if !blind.iter().any(|blind| blind == round) {
            behind.stands().await;
        }
        let more = identifiers(&mut chance, EVENTS);
        let flow = async |world: &World| {
            for batch in more.chunks(BATCH) {
                world.publish(batch).await;
            }
        };
        behind.round(fault, &mut chance, flow).await;
        published.extend(more);
    }

    // What a stand-in without a broker could not publish is in its list alone: the last cut makes the adapter read it.
    let ask = async || behind.world.standin_page("/readyz").await;
    eventually(Duration::from_secs(60), ask, |page| page == "ready\n").await;
    behind.connections_were_lost().await;
    proxy.cut();
    ends_exactly(&behind.world, follower, &published).await;
    sound(&behind.world).await;
    ten_lists_say_nothing_new(&behind.world).await;
    behind.world.stop().await;
}

async fn without_list() {
    let proxy = Proxy::start();
    for (_, chance) in runs(WITHOUT) {
        run_without_list(&proxy, chance).await;
    }
}

async fn run_without_list(proxy: &Proxy, mut chance: StdRng) {
    let mut server = ListServer::new(Answer::Down);
    let queue = "rescind-behind-a-proxy";
    let world = world_with_queue(&mut server, queue, with_own_broker).await;
    let mut behind = Behind::new(proxy, world).await;
    let mut hub = InsistentHub::new(behind.world.var("AMQP_URL"));
    let follower = Follower::start(&behind.world).await;
    let mut published = Published::new();
    let blind = sample(&mut chance, ROUNDS, BLIND);
    for (round, fault) in deal(&mut chance, &Fault::ALL).into_iter().enumerate() {
        if !blind.iter().any(|blind| blind == round) {
            behind.stands().await;
        }
        let more = identifiers(&mut chance, EVENTS);
        let events: Vec<_> = more.iter().map(|id| event("JWT", id)).collect();
        let flow = async |_: &World| {
            for batch in events.chunks(BATCH) {
                hub.publish_all(batch).await;
            }
        };
        behind.round(fault, &mut chance, flow).await;
        published.extend(more);
    }

    behind.connections_were_lost().await;
    ends_exactly(&behind.world, follower, &published).await;
    the_list_says_nothing_new(&behind.world, &server, &published).await;
    behind.world.stop().await;
}

fn with_own_broker(builder: StackBuilder) -> StackBuilder {
    builder.only(&[Part::Epmd, Part::Broker, Part::Standin])
}

impl<'a> Behind<'a> {
    /// Begins the adapter of a stack with its own broker, which it reaches through the proxy alone.
    async fn new(proxy: &'a Proxy, world: World) -> Self {
        let hub = format!("amqp://guest:guest@127.0.0.1:{}/%2f", proxy.port());
        hear(&world, &hub);
        proxy.lead_to(world.port("AMQP_URL").parse().unwrap());
        world.begin(Part::Adapter).await;
        subscribed(&world).await;
        Self {
            proxy,
            world,
            over: 0,
        }
    }

    /// Waits until the adapter has a connection that no fault has ended.
    async fn stands(&self) {
        let ask = async || {
            let connections = self.proxy.accepted();
            (connections, self.world.metric(CONNECTED).await)
        };
        // It connects anew only when it has noticed the loss: from then on what it says is not of the connection before.
        let stands = |&(connections, connected): &_| connections > self.over && connected == 1.0;
        eventually(Duration::from_secs(90), ask, stands).await;
    }

    /// Lets events flow, with a fault somewhere in the middle.
    async fn round(&mut self, fault: Fault, chance: &mut StdRng, flow: impl AsyncFnOnce(&World)) {
        let fault = fault.drawn(chance);
        let moment = Duration::from_micros(chance.random_range(0..FLOW_MICROS));
        let strike = async {
            sleep(moment).await;
            fault.happen(self.proxy, &self.world).await
        };
        let ((), over) = tokio::join!(flow(&self.world), strike);
        self.over = over.unwrap_or(self.over);
    }

    /// Faults that cost no connection would show nothing.
    async fn connections_were_lost(&self) {
        self.stands().await;
        let ask = || self.world.metric(RECONNECTS);
        let enough = |times: &f64| *times >= LEAST_LOSSES;
        eventually(Duration::from_secs(30), ask, enough).await;
    }
}

/// Waits until the adapter has nothing to complain of.
pub(crate) async fn sound(world: &World) {
    let ask = || world.admin("ADAPTER_ADMIN_URL", "/readyz");
    eventually(Duration::from_secs(30), ask, |(_, page)| page == "ready\n").await;
}
