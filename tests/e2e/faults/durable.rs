//! The same with a durable queue and no list: what the broker has delivered, or keeps, is all there is, so that an event that
//! is lost on its way stays lost and is seen.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::{Part, StackBuilder};
use tokio::time::sleep;

use super::{
    applied::{ENTRIES, Follower, HEAD},
    ending::{ends_exactly, the_list_says_nothing_new},
    kills::{EVENTS, FLOW_MICROS, start},
    list_server::{Answer, ListServer},
    published::Published,
    seed::{ROUNDS, identifiers, runs},
};
use crate::{
    clients::hub::{Hub, event},
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

const NAME: &str = "20_kills_with_a_durable_queue_and_no_list_lose_none_of_20000_events";

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(NAME, kills);
}

async fn kills(broker: &Broker) {
    let hub = broker.fresh_url();
    for (seed, chance) in runs(NAME) {
        one_run(&hub, &format!("rescind-{seed}"), chance).await;
    }
}

async fn one_run(hub_url: &str, queue: &str, mut chance: StdRng) {
    let mut server = ListServer::new(Answer::Down);
    let world = world_with_queue(&mut server, queue, |builder| {
        builder.hub(hub_url).only(&[Part::Standin])
    })
    .await;
    world.begin(Part::Adapter).await;
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

    let applied = ends_exactly(&world, follower, &published).await;
    assert_eq!(hub.waiting(queue).await, 0);
    the_list_says_nothing_new(&world, &server, &published).await;

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

/// A stand-in, and an adapter (to be begun) with a durable queue on the stack's hub that reads its list at `server`.
pub(crate) async fn world_with_queue(
    server: &mut ListServer,
    queue: &str,
    change: impl FnOnce(StackBuilder) -> StackBuilder,
) -> World {
    let config = format!(
        "{}\n[controlPlane.brokerConnectionParameters]\ndurableQueue = \"{queue}\"\n",
        server.config()
    );
    let world = World::start_from(|builder| change(builder).config(Part::Adapter, config)).await;
    server.serve(&world);
    hear(&world, &world.var("AMQP_URL"));
    world
}

/// Has the adapter listen there from its next start on: found again within a second of its return.
pub(crate) fn hear(world: &World, hub: &str) {
    world.configure(
        Part::Adapter,
        &format!(
            "[controlPlane.brokerConnectionParameters]\n\
             eventListeningEndpoints = [\"{hub}?connectdelay='1'\"]\n"
        ),
    );
}

/// A publisher, once the adapter's queue stands.
pub(crate) async fn subscribed(world: &World) -> Hub {
    let ask = async || world.log(Part::Adapter);
    let stands = |log: &String| log.contains("Subscribed to the event hub");
    eventually(Duration::from_secs(20), ask, stands).await;
    Hub::connect(&world.var("AMQP_URL")).await
}
