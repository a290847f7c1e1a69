//! A list that cannot be read, or not all of it: the operator sees it, and nothing is lost or removed.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;

use super::{
    applied::{Applied, ENTRIES, Follower},
    cuts::sound,
    ending::{BATCH_EVENT, ends_exactly, ten_lists_say_nothing_new},
    kills::hub_at,
    list_server::{Answer, ListServer},
    published::Published,
    seed::{chance, deal, identifiers, is_soak, runs, seed},
};
use crate::{
    clients::hub::Hub,
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

const ROUNDS_OF_FAILURE: &str =
    "20_failures_of_the_list_while_events_flow_are_said_and_nothing_is_lost_or_removed";

/// More than one group of a catch-up, so that one that breaks off has brought something.
const ROWS: usize = 12_000;

/// Events of a round, and how many go at once.
const FLOW: usize = 200;
const STEP: usize = 20;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(ROUNDS_OF_FAILURE, failures);
    suite.alone(
        "a_slow_list_holds_up_no_event_and_one_that_never_comes_is_given_up",
        slow,
    );
}

/// A stand-in, and an adapter that reads its list at `server`.
pub(crate) async fn world_with_list(hub: &str, server: &mut ListServer) -> World {
    let config = format!("{}\n{}", server.config(), hub_at(hub));
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
async fn fixture(hub: &str, mut chance: StdRng) -> Fixture {
    let mut server = ListServer::new(Answer::Whole);
    let world = world_with_list(hub, &mut server).await;
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
        let patience = Duration::from_secs(90);
        let (status, page) = eventually(patience, ask, |(_, page)| says(page)).await;
        assert_eq!(status, 200, "{page}");
        line(&page).unwrap()
    }
}

/// A way in which the list fails for a round. How long and how far is drawn then.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    Down,
    Slow,
    Status(u16),
    NoBody,
    EmptyList,
    Cut,
}

/// A round costs some seconds where the adapter is refused: it is started anew, since nothing else hastens the next attempt.
const FAILURES: [Failure; 7] = [
    Failure::Down,
    Failure::Slow,
    Failure::Status(401),
    Failure::Status(500),
    Failure::NoBody,
    Failure::EmptyList,
    Failure::Cut,
];

impl Failure {
    fn drawn(self, chance: &mut StdRng) -> Answer {
        match self {
            Self::Down => Answer::Down,
            Self::Slow => Answer::Slow(Duration::from_millis(chance.random_range(50..2_000))),
            Self::Status(status) => Answer::Status(status),
            Self::NoBody => Answer::NoBody,
            Self::EmptyList => Answer::EmptyList,
            Self::Cut => Answer::CutAfter(chance.random()),
        }
    }

    /// What the operator reads in `/readyz` and the log. `None` where nothing is wrong with what comes.
    fn said(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Down => Some(("onnection refused", WARNING)),
            Self::Status(401) => Some(("401", "ERRO [catchup.rs")),
            Self::Status(_) => Some(("status 500", WARNING)),
            Self::NoBody => Some(("not a list of revocations", WARNING)),
            Self::Cut => Some(("", WARNING)),
            Self::Slow | Self::EmptyList => None,
        }
    }
}

const WARNING: &str = "WARN [catchup.rs";

async fn failures(broker: &Broker) {
    let hub = broker.fresh_url();
    for (_, mut chance) in runs(ROUNDS_OF_FAILURE) {
        let order = deal(&mut chance, &FAILURES);
        let mut fixture = fixture(&hub, chance).await;
        for failure in order {
            fixture.round(failure).await;
        }
        fixture.ends().await;
    }
}

impl Fixture {
    /// The list fails in the middle of a flow of events, and is whole again.
    async fn round(&mut self, failure: Failure) {
        let before = self.world.log(Part::Adapter).len();
        let read = self.world.lists_read().await;
        self.server.set(failure.drawn(&mut self.chance));
        let (told, listed) = self.events_flow().await;
        self.published.extend(told);
        match failure.said() {
            Some((reason, line)) => {
                self.degraded(reason).await;
                let log = self.world.log(Part::Adapter)[before..].to_owned();
                assert!(log.contains(line), "{failure:?}: no {line}: {log}");
            }
            None => {
                let ask = || self.world.lists_read();
                eventually(Duration::from_secs(60), ask, |now| *now > read).await;
            }
        }
        self.has_what_was_told(&listed).await;

        self.server.set(Answer::Whole);
        match failure {
            // After a refused login nobody hastens the next one: an account may be locked out by attempts.
            Failure::Status(401) => self.world.restart(Part::Adapter).await,
            _ => self.hub.publish(BATCH_EVENT).await,
        }
        self.published.extend(listed);
        self.world
            .holds_exactly(&self.published, Duration::from_secs(60))
            .await;
        sound(&self.world).await;
    }

    /// Some that are listed and told, and as many that are listed alone; somewhere in the middle the list is asked for.
    async fn events_flow(&mut self) -> (Vec<String>, Vec<String>) {
        let told = identifiers(&mut self.chance, FLOW);
        let listed = identifiers(&mut self.chance, FLOW);
        let asked_after = self.chance.random_range(0..FLOW / STEP);
        let steps = told.chunks(STEP).zip(listed.chunks(STEP));
        for (step, (told, listed)) in steps.enumerate() {
            self.world.list_only(listed).await;
            self.world.publish(told).await;
            if step == asked_after {
                self.hub.publish(BATCH_EVENT).await;
            }
        }
        (told, listed)
    }

    /// What the hub tells comes whatever the list does, and what was there is there. Of what is listed alone, some may be.
    async fn has_what_was_told(&self, listed: &[String]) {
        let least = self.published.len() as f64;
        let ask = || self.world.metric(ENTRIES);
        eventually(Duration::from_secs(30), ask, |held| *held >= least).await;
        let mut most = self.published.clone();
        most.extend(listed.iter().cloned());
        let has_it = |held: &Applied| held.has(&self.published);
        let ask = || Applied::everything(&self.world);
        let held = eventually(Duration::from_secs(30), ask, has_it).await;
        held.is_part_of(&most);
    }

    /// The run is over: the same list again and again says nothing new; one of nothing is a list too, and removes nothing.
    async fn ends(self) {
        let applied = ends_exactly(&self.world, self.follower, &self.published).await;
        assert_eq!(applied.sequence(), self.published.len() as u64);
        ten_lists_say_nothing_new(&self.world).await;
        self.server.set(Answer::EmptyList);
        ten_lists_say_nothing_new(&self.world).await;
        sound(&self.world).await;
        let left = Applied::everything(&self.world).await;
        left.is_exactly(&self.published);
        self.world.stop().await;
    }
}

async fn slow(broker: &Broker) {
    let mut fixture = fixture(&broker.fresh_url(), chance(seed("a_slow_list"))).await;
    let read = fixture.world.lists_read().await;
    fixture.server.set(Answer::Slow(Duration::from_secs(100)));
    fixture.hub.publish(BATCH_EVENT).await;
    let (told, listed) = fixture.revoke_some().await;
    fixture.published.extend(told);
    let expected = fixture.published.len() as f64;
    let ask = || fixture.world.metric(ENTRIES);
    eventually(Duration::from_secs(60), ask, |held| *held >= expected).await;
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
        .holds_exactly(&fixture.published, Duration::from_secs(120))
        .await;

    // The control plane takes the request and says nothing more.
    fixture.server.set(Answer::Never);
    fixture.hub.publish(BATCH_EVENT).await;
    let (told, listed) = fixture.revoke_some().await;
    fixture.published.extend(told);
    fixture
        .world
        .holds_exactly(&fixture.published, Duration::from_secs(60))
        .await;
    if is_soak() {
        fixture.degraded("timed out").await;
    }
    // It is tried again without being asked.
    fixture.server.set(Answer::Whole);
    fixture.published.extend(listed);
    fixture
        .world
        .holds_exactly(&fixture.published, Duration::from_secs(60))
        .await;
    sound(&fixture.world).await;
    fixture.ends().await;
}
