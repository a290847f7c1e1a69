//! `kill -9` of the adapter at random moments while events flow; the control plane lists first, then publishes.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;
use tokio::time::sleep;

use super::{
    applied::Follower,
    ending::{ends_exactly, ten_lists_say_nothing_new},
    published::Published,
    seed::{ROUNDS, identifiers, runs},
};
use crate::{
    suite::Suite,
    world::{Broker, World},
};

/// Events in each round: 20 000 in a run.
pub(crate) const EVENTS: usize = 1_000;
const BATCH: usize = 100;

/// A round's flow takes about so long, so that the kill may come before it, in it, or right after it. A starting adapter
/// opens its ledger and reads the list meanwhile.
pub(crate) const FLOW_MICROS: u64 = 400_000;

const NAME: &str = "20_kills_of_the_adapter_while_20000_events_flow_lose_none_and_invent_none";

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(NAME, kills);
}

async fn kills(broker: &Broker) {
    let hub = broker.fresh_url();
    for (_, chance) in runs(NAME) {
        one_run(&hub, chance).await;
    }
}

async fn one_run(hub: &str, mut chance: StdRng) {
    let parts = [Part::Standin, Part::Adapter];
    let world = World::start_from(|builder| {
        builder
            .hub(hub)
            .only(&parts)
            .config(Part::Adapter, hub_at(hub))
    })
    .await;
    let follower = Follower::start(&world).await;
    let mut published = Published::new();
    for _ in 0..ROUNDS {
        let identifiers = identifiers(&mut chance, EVENTS);
        let moment = Duration::from_micros(chance.random_range(0..FLOW_MICROS));
        let flow = async {
            for batch in identifiers.chunks(BATCH) {
                world.publish(batch).await;
            }
        };
        let kill = async {
            sleep(moment).await;
            world.kill_9_for_good(Part::Adapter).await;
        };
        tokio::join!(flow, kill);
        published.extend(identifiers);
        start(&world, &mut chance).await;
    }
    world.begin(Part::Adapter).await;

    let applied = ends_exactly(&world, follower, &published).await;
    ten_lists_say_nothing_new(&world).await;

    world.kill_9_for_good(Part::Adapter).await;
    world.begin(Part::Adapter).await;
    let again = world
        .holds_exactly(&published, Duration::from_secs(60))
        .await;
    assert_eq!(again.sequence(), applied.sequence());
    world.stop().await;
}

/// Mostly the next round finds an adapter that is ready; now and then one that has only begun to start.
pub(crate) async fn start(world: &World, chance: &mut StdRng) {
    if chance.random_bool(0.7) {
        world.begin(Part::Adapter).await;
    } else {
        world.begin_unready(Part::Adapter).await;
    }
}

/// The adapter's setting for where it listens for events: found again within a second of its return.
pub(crate) fn hub_at(url: &str) -> String {
    format!(
        "[controlPlane.brokerConnectionParameters]\neventListeningEndpoints = [\"{url}?connectdelay='1'\"]\n"
    )
}
