//! The disk is full, again and again, while events flow into a durable queue and no list can be read: the broker alone has what
//! is not on it.

use std::{path::Path, time::Duration};

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;

use super::{
    super::{
        applied::{ENTRIES, Follower},
        durable::{subscribed, world_with_queue},
        ending::{ends_exactly, the_list_says_nothing_new},
        list_server::{Answer, ListServer},
        published::Published,
        seed::{deal, identifiers, runs},
    },
    degraded, good_again, programs, real_programs,
    space::{Disk, Mount},
};
use crate::{
    clients::hub::{Hub, event},
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

const LIMIT: &str = "on_a_disk_that_is_full_20_times_nothing_is_acknowledged_or_lost_limit";
const FILE_SYSTEM: &str =
    "on_a_disk_that_is_full_20_times_nothing_is_acknowledged_or_lost_file_system";

/// Most deliveries that the adapter may hold unacknowledged.
const PREFETCH: f64 = 1_000.0;

const BATCH: usize = 300;

/// How much longer identifiers are than others: the disk is full sooner.
const LONG: usize = 400;

const FAILURES: &str = "rescind_ledger_commit_failures_total";

/// Far more than fits.
const MOST_BATCHES: usize = 200;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(LIMIT, limit);
    suite.alone(FILE_SYSTEM, file_system);
}

async fn limit(broker: &Broker) {
    full(broker, LIMIT, |_| Some(Disk::Limited)).await;
}

async fn file_system(broker: &Broker) {
    full(broker, FILE_SYSTEM, |directory| {
        Mount::small(directory).map(Disk::Mounted)
    })
    .await;
}

/// How a full disk ends for an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// There is room again.
    Room,
    /// It is killed in the middle of it: the broker brings what was not acknowledged.
    Killed,
}

#[allow(
    clippy::print_stderr,
    reason = "who reads the result must know what it stands on"
)]
async fn full(broker: &Broker, name: &str, disk: impl Fn(&Path) -> Option<Disk>) {
    let programs = programs(&real_programs());
    let hub_url = broker.fresh_url();
    for (seed, mut chance) in runs(name) {
        let mut server = ListServer::new(Answer::Down);
        let queue = format!("rescind-disk-{name}-{seed}");
        let world = world_with_queue(&mut server, &queue, |builder| {
            builder
                .hub(&hub_url)
                .binaries(programs.path())
                .only(&[Part::Standin])
        })
        .await;
        let Some(disk) = disk(&world.state().join("adapter")) else {
            eprintln!(
                "this user may not mount: the limit to the size of files alone stood in for a full disk"
            );
            world.stop().await;
            return;
        };
        world.begin(Part::Adapter).await;
        let mut filling = Filling::new(world, queue, disk).await;
        for way in deal(&mut chance, &[Way::Room, Way::Killed]) {
            filling.round(way, &mut chance).await;
        }
        filling.ends(&server).await;
    }
}

/// An adapter whose disk is full from time to time.
struct Filling {
    world: World,
    hub: Hub,
    queue: String,
    disk: Disk,
    published: Published,
    follower: Follower,
}

impl Filling {
    async fn new(world: World, queue: String, disk: Disk) -> Self {
        Self {
            hub: subscribed(&world).await,
            follower: Follower::start(&world).await,
            world,
            queue,
            disk,
            published: Published::new(),
        }
    }

    async fn publish(&mut self, chance: &mut StdRng) {
        let count = chance.random_range(1..=BATCH);
        let long = |id| format!("{id}{}", "-".repeat(LONG));
        let more: Vec<_> = identifiers(chance, count).into_iter().map(long).collect();
        let events = more.iter().map(|id| event("JWT", id));
        self.hub.publish_all(events).await;
        self.published.extend(more);
    }

    /// The disk is full in the middle of a flow of events, and is not.
    async fn round(&mut self, way: Way, chance: &mut StdRng) {
        let before = self.world.log(Part::Adapter).len();
        self.publish(chance).await;
        self.disk.fill(&self.world, chance);
        self.publish_until_it_is_full(chance).await;
        for _ in 0..chance.random_range(0..=2) {
            self.publish(chance).await;
        }
        self.says_so(before).await;
        self.nothing_is_acknowledged_that_is_not_held().await;

        if way == Way::Killed {
            self.world.kill_9_for_good(Part::Adapter).await;
        }
        self.disk.make_room(&self.world);
        self.world.begin(Part::Adapter).await;
        let all = self.published.len() as f64;
        let ask = || self.world.metric(ENTRIES);
        eventually(Duration::from_secs(60), ask, |held| *held == all).await;
    }

    /// Until a commit has failed, and the adapter says that it is degraded and by what.
    async fn publish_until_it_is_full(&mut self, chance: &mut StdRng) {
        let before = self.world.metric(FAILURES).await;
        for _ in 0..MOST_BATCHES {
            let said = degraded(&self.world).await;
            let is_said = said.is_some_and(|said| said.contains("cannot append"));
            if is_said && self.world.metric(FAILURES).await > before {
                return;
            }
            self.publish(chance).await;
        }
        panic!("it never became full");
    }

    /// A limit to the size of files goes for the log too, which may have reached it.
    async fn says_so(&self, before: usize) {
        if matches!(self.disk, Disk::Mounted(_)) {
            let line = "Cannot commit: nothing is acknowledged until it works";
            let ask = async || self.world.log(Part::Adapter)[before..].contains(line);
            eventually(Duration::from_secs(30), ask, |said| *said).await;
        }
        let (status, page) = self.world.admin("ADAPTER_ADMIN_URL", "/readyz").await;
        assert_eq!(status, 200, "{page}");
    }

    /// What is not on disk is with the broker, or in the adapter's hands and not acknowledged. It goes on trying: both numbers
    /// are of one moment where nothing was committed between.
    async fn nothing_is_acknowledged_that_is_not_held(&self) {
        let both = async || {
            let held = self.world.metric(ENTRIES).await;
            let waiting = f64::from(self.hub.waiting(&self.queue).await);
            (held, waiting, self.world.metric(ENTRIES).await)
        };
        let stood = |(before, _, after): &(f64, f64, f64)| before == after;
        let (held, waiting, _) = eventually(Duration::from_secs(30), both, stood).await;
        let missing = self.published.len() as f64 - held;
        assert!(
            waiting <= missing && missing - PREFETCH <= waiting,
            "{} published, {held} held, {waiting} wait",
            self.published.len()
        );
    }

    async fn ends(self, server: &ListServer) {
        ends_exactly(&self.world, self.follower, &self.published).await;
        good_again(&self.world).await;
        the_list_says_nothing_new(&self.world, server, &self.published).await;
        self.world.stop().await;
    }
}
