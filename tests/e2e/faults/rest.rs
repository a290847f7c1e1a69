//! A list that cannot be read, or not all of it: the operator sees it, and nothing is lost or removed.

use std::time::Duration;

use rand::rngs::StdRng;
use rescind_stack::Part;

use super::{
    applied::{Applied, ENTRIES, Follower, HEAD},
    cuts::sound,
    kills::{BATCH_EVENT, hub_at, read_list_again, ten_lists_more},
    list_server::{Answer, ListServer},
    published::Published,
    seed::{chance, identifiers, is_soak, seed},
};
use crate::{
    clients::hub::Hub,
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

/// More than one group of a catch-up, so that one that breaks off has brought something.
const ROWS: usize = 12_000;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "a_list_that_cannot_be_read_is_said_and_nothing_is_lost_or_removed",
        failures,
    );
    suite.alone(
        "a_slow_list_holds_up_no_event_and_one_that_never_comes_is_given_up",
        slow,
    );
}

/// A stand-in, and an adapter that reads its list at `server`.
pub(crate) async fn world_with_list(broker: &Broker, server: &mut ListServer) -> World {
    let hub = broker.fresh_url();
    let config = format!("{}\n{}", server.config(), hub_at(&hub));
    let world = World::start_from(|builder| {
        builder
            .hub(hub)
            .only(&[Part::Standin])
            .config(Part::Adapter, config)
    })
    .await;
    server.serve(&world);
    world
}

struct Fixture {
    world: World,
    server: ListServer,
    hub: Hub,
    chance: StdRng,
    published: Published,
    follower: Follower,
}

/// An adapter that has read a list of [`ROWS`] rows.
async fn fixture(broker: &Broker, test: &str) -> Fixture {
    let mut server = ListServer::new(Answer::Whole);
    let world = world_with_list(broker, &mut server).await;
    let mut chance = chance(seed(test));
    let rows = identifiers(&mut chance, ROWS);
    world.list_only(&rows).await;
    world.begin(Part::Adapter).await;
    sound(&world).await;
    let published = Published::from_iter(rows);
    world
        .holds_exactly(&published, Duration::from_secs(30))
        .await;
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    let follower = Follower::start(&world).await;
    Fixture {
        world,
        server,
        hub,
        chance,
        published,
        follower,
    }
}

impl Fixture {
    /// Some that are listed and told, and as many that are listed alone.
    async fn revoke_some(&mut self) -> (Published, Published) {
        let (told, listed) = (
            identifiers(&mut self.chance, 50),
            identifiers(&mut self.chance, 50),
        );
        self.world.list_only(&listed).await;
        self.world.publish(&told).await;
        (told.into_iter().collect(), listed.into_iter().collect())
    }

    /// Waits until `/readyz` has a line for the list that says this; the adapter stays in service.
    async fn degraded(&self, reason: &str) -> String {
        let ask = || self.world.admin("ADAPTER_ADMIN_URL", "/readyz");
        let line = |page: &str| {
            let found = page
                .lines()
                .find(|line| line.starts_with("degraded: catch-up: "));
            found.map(str::to_owned)
        };
        let says = |page: &str| line(page).is_some_and(|line| line.contains(reason));
        let patience = Duration::from_secs(if is_soak() { 90 } else { 20 });
        let (status, page) = eventually(patience, ask, |(_, page)| says(page)).await;
        assert_eq!(status, 200, "{page}");
        line(&page).unwrap()
    }
}

async fn failures(broker: &Broker) {
    let mut fixture = fixture(broker, "a_list_that_cannot_be_read").await;
    let warning = "WARN [catchup.rs";
    let error = "ERRO [catchup.rs";
    for (answer, reason, line) in [
        (Answer::Down, "onnection refused", warning),
        (Answer::Status(401), "401", error),
        (Answer::Status(500), "status 500", warning),
        (Answer::NoBody, "not a list of revocations", warning),
        (Answer::CutAfter(0.95), "", "The list broke off"),
    ] {
        let said = fixture.world.log(Part::Adapter).len();
        fixture.server.set(answer);
        let (told, listed) = fixture.revoke_some().await;
        fixture.hub.publish(BATCH_EVENT).await;
        fixture.degraded(reason).await;
        let log = fixture.world.log(Part::Adapter)[said..].to_owned();
        assert!(log.contains(line), "{answer:?}: no {line}: {log}");

        // What the hub tells comes all the same, and what was there is there.
        fixture.published.extend(told);
        fixture
            .world
            .holds_exactly(&fixture.published, Duration::from_secs(20))
            .await;

        fixture.server.set(Answer::Whole);
        fixture.hub.publish(BATCH_EVENT).await;
        fixture.published.extend(listed);
        // After a refused login nobody hastens the next one.
        fixture
            .world
            .holds_exactly(&fixture.published, Duration::from_secs(60))
            .await;
        sound(&fixture.world).await;
    }

    // The same list again and again says nothing new; a list of nothing is a list too, and removes nothing.
    let head = fixture.world.metric(HEAD).await;
    ten_lists_more(&fixture.world).await;
    assert_eq!(fixture.world.metric(HEAD).await, head);
    fixture.server.set(Answer::EmptyList);
    read_list_again(&fixture.world, &fixture.hub).await;
    sound(&fixture.world).await;
    Applied::everything(&fixture.world)
        .await
        .is_exactly(&fixture.published);
    assert_eq!(fixture.world.metric(HEAD).await, head);
    assert_eq!(head, fixture.published.len() as f64);
    let followed = fixture.follower.stop().await;
    followed.is_exactly(&fixture.published);
    fixture.world.stop().await;
}

async fn slow(broker: &Broker) {
    let mut fixture = fixture(broker, "a_slow_list").await;
    let read = fixture.world.lists_read().await;
    fixture.server.set(Answer::Slow(Duration::from_secs(10)));
    fixture.hub.publish(BATCH_EVENT).await;
    let (told, listed) = fixture.revoke_some().await;
    fixture.published.extend(told);
    let expected = fixture.published.len() as f64;
    let ask = || fixture.world.metric(ENTRIES);
    eventually(Duration::from_secs(8), ask, |held| *held >= expected).await;
    assert_eq!(
        fixture.world.lists_read().await,
        read,
        "events go before the list"
    );
    fixture.published.extend(listed);
    fixture.server.set(Answer::Whole);
    fixture.hub.publish(BATCH_EVENT).await;
    // The slow reading comes to its end, and is followed by a pause as long.
    fixture
        .world
        .holds_exactly(&fixture.published, Duration::from_secs(60))
        .await;

    // The control plane takes the request and says nothing more.
    fixture.server.set(Answer::Never);
    fixture.hub.publish(BATCH_EVENT).await;
    let (told, listed) = fixture.revoke_some().await;
    fixture.published.extend(told);
    fixture
        .world
        .holds_exactly(&fixture.published, Duration::from_secs(20))
        .await;
    if is_soak() {
        fixture.degraded("timed out").await;
    }
    // It is tried again without being asked.
    fixture.server.set(Answer::Whole);
    fixture.published.extend(listed);
    fixture
        .world
        .holds_exactly(&fixture.published, Duration::from_secs(20))
        .await;
    sound(&fixture.world).await;
    let followed = fixture.follower.stop().await;
    followed.is_exactly(&fixture.published);
    fixture.world.stop().await;
}
