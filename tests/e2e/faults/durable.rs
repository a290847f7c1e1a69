//! The same with a durable queue and no list: what the broker has delivered, or keeps, is all there is.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;
use tokio::time::sleep;

use super::{
    applied::{ENTRIES, Follower, HEAD},
    kills::{EVENTS, FLOW_MICROS, start},
    published::Published,
    seed::{ROUNDS, chance, identifiers, runs, seed},
};
use crate::{
    clients::hub::{Hub, event},
    eventually::eventually,
    port::Port,
    suite::Suite,
    world::{Broker, World},
};

const NAME: &str = "20_kills_with_a_durable_queue_and_no_list_lose_none_of_20000_events";

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(NAME, kills);
}

async fn kills(broker: &Broker) {
    let hub = broker.fresh_url();
    let first = seed(NAME);
    for seed in first..first + runs() {
        one_run(&hub, &format!("rescind-{seed}"), chance(seed)).await;
    }
}

async fn one_run(hub_url: &str, queue: &str, mut chance: StdRng) {
    let nowhere = Port::free();
    let world = world_with_queue(hub_url, queue, &nowhere).await;
    let hub = subscribed(&world).await;
    let follower = Follower::start(&world).await;
    let mut published = Published::new();
    for _ in 0..ROUNDS {
        let identifiers = identifiers(&mut chance, EVENTS);
        let moment = Duration::from_micros(chance.random_range(0..FLOW_MICROS));
        let events = identifiers.iter().map(|id| event("JWT", id));
        let kill = async {
            sleep(moment).await;
            world.kill_9_for_good(Part::Adapter).await;
        };
        tokio::join!(hub.publish_all(events), kill);
        published.extend(identifiers);
        start(&world, &mut chance).await;
    }
    world.begin(Part::Adapter).await;

    let applied = world
        .holds_exactly(&published, Duration::from_secs(60))
        .await;
    let followed = follower.stop().await;
    followed.is_exactly(&published);
    assert_eq!(followed.sequence(), applied.sequence());
    assert_eq!(hub.waiting(queue).await, 0);

    // The same events once more are nothing new: the last one of another kind tells when they are through.
    let events = published.iter().map(|id| event("JWT", id));
    hub.publish_all(events).await;
    hub.publish(&event("JWT", "the-last-one")).await;
    let expected = published.len() as f64 + 1.0;
    let ask = || world.metric(ENTRIES);
    eventually(Duration::from_secs(60), ask, |entries| *entries == expected).await;
    assert_eq!(world.metric(HEAD).await, applied.sequence() as f64 + 1.0);
    world.stop().await;
}

/// An adapter alone, with a durable queue on that hub and nobody to ask for the list.
pub(crate) async fn world_with_queue(hub: &str, queue: &str, nowhere: &Port) -> World {
    let world = World::start_from(|builder| {
        builder
            .hub(hub)
            .only(&[])
            .config(Part::Adapter, config_with_queue(hub, queue, nowhere))
    })
    .await;
    world.begin(Part::Adapter).await;
    world
}

pub(crate) fn config_with_queue(hub: &str, queue: &str, nowhere: &Port) -> String {
    format!(
        "[controlPlane]\nserviceURL = \"https://localhost:{}/\"\n\
         [controlPlane.brokerConnectionParameters]\ndurableQueue = \"{queue}\"\n\
         eventListeningEndpoints = [\"{hub}?connectdelay='1'\"]\n",
        nowhere.number()
    )
}

/// A publisher, once the adapter's queue stands.
pub(crate) async fn subscribed(world: &World) -> Hub {
    let ask = async || world.log(Part::Adapter);
    let stands = |log: &String| log.contains("Subscribed to the event hub");
    eventually(Duration::from_secs(20), ask, stands).await;
    Hub::connect(&world.var("AMQP_URL")).await
}
