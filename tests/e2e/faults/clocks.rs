//! The adapter's clock a year ahead, and a year back: what it drops follows the lower of its own clock and the control
//! plane's, and nothing that still matters goes.
//!
//! libfaketime shows the adapter another time, by a file that is looked at anew each second. Where the hours that a sweep waits for
//! must go by at once, the steady clock moves too. A thread that meets another one looking into the file may be shown the true
//! time for a moment: where the clock jumps often it is the wall clock alone, which may do such a thing. A steady clock that
//! goes a year ahead and back ends every wait in a process for ever.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::{RngExt as _, rngs::StdRng};
use rescind_stack::Part;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    applied::{Applied, Follower},
    cuts::sound,
    ending::{ends_exactly, read_list_again, ten_lists_say_nothing_new},
    kills::hub_at,
    list_server::{Answer, ListServer},
    published::Published,
    seed::{chance, deal, identifiers, runs},
};
use crate::{
    clients::hub::Hub,
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// The stack's certificates hold for two years to either side.
const YEAR: i64 = 364 * 24 * HOUR;

const JUMPS: &str = "20_clocks_a_year_ahead_or_back_while_events_flow_lose_nothing";

/// Events of a round, and how many go at once.
const FLOW: usize = 60;
const STEP: usize = 10;

/// How far the control plane's clock is ahead of the adapter's.
const OFFSET: &str = "rescind_control_plane_clock_offset_seconds";
const HORIZON: &str = "rescind_ledger_horizon_timestamp_seconds";

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "an_adapter_whose_clock_is_a_year_ahead_or_back_drops_nothing_that_matters",
        a_year_off,
    );
    suite.alone(JUMPS, jumps);
}

/// The time as the adapter sees it.
struct Clock(TempDir);

impl Clock {
    fn new() -> Self {
        let clock = Self(tempfile::tempdir().unwrap());
        clock.set(0);
        clock
    }

    /// So many seconds from the time of everybody else.
    fn set(&self, off: i64) {
        let next = self.0.path().join("next");
        fs::write(&next, format!("{off:+}\n")).unwrap();
        // In one step: half a number would be another time.
        fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("clock")
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Which of the adapter's clocks are shown another time.
#[derive(Clone, Copy)]
enum Faked {
    All,
    Wall,
}

async fn start(hub: &str, server: &mut ListServer, clock: &Clock, faked: Faked) -> World {
    let library = rescind_stack::faketime()
        .expect("libfaketime is missing; `rescind-stack provision` installs it");
    let config = format!(
        "{}\n{}\n[ledger]\nretainExpired = 600\n",
        server.config(),
        hub_at(hub)
    );
    let clock = clock.file();
    let steady = match faked {
        Faked::All => "0",
        Faked::Wall => "1",
    };
    let world = World::start_from(|builder| {
        builder
            .hub(hub)
            .only(&[Part::Standin])
            .config(Part::Adapter, config)
            .variable(Part::Adapter, "LD_PRELOAD", library.to_str().unwrap())
            .variable(
                Part::Adapter,
                "FAKETIME_TIMESTAMP_FILE",
                clock.to_str().unwrap(),
            )
            .variable(Part::Adapter, "FAKETIME_CACHE_DURATION", "1")
            .variable(Part::Adapter, "NO_FAKE_STAT", "1")
            .variable(Part::Adapter, "FAKETIME_DONT_FAKE_MONOTONIC", steady)
    })
    .await;
    server.serve(&world);
    world
}

async fn a_year_off(broker: &Broker) {
    let (mut server, clock) = (ListServer::new(Answer::Whole), Clock::new());
    let world = start(&broker.fresh_url(), &mut server, &clock, Faked::All).await;
    let begun = now();
    let revoke = async |identifiers: &[String], seconds: i64| {
        let expiry = (begun + seconds) * 1000;
        let body = json!({ "identifiers": identifiers, "publish": true, "expiryTime": expiry });
        world.standin_post("revocations", &body).await;
    };
    let mut chance = chance(1);
    let soon = identifiers(&mut chance, 20);
    let late = identifiers(&mut chance, 20);
    revoke(&soon, 30 * MINUTE).await;
    revoke(&late[..10], 4 * HOUR).await;

    // A year ahead: by that clock everything has long expired.
    clock.set(YEAR);
    world.begin(Part::Adapter).await;
    sound(&world).await;
    let offset = world.metric(OFFSET).await;
    assert!((offset + YEAR as f64).abs() < 60.0, "{offset}");
    let follower = Follower::start(&world).await;
    revoke(&late[10..], 4 * HOUR).await;
    let mut published = Published::from_iter(soon.iter().chain(&late).cloned());
    world
        .holds_exactly(&published, Duration::from_secs(20))
        .await;

    // 80 minutes go by for both: what has expired by the control plane's clock is dropped, and nothing else. Where the
    // adapter hears the control plane's new time before its own, it has 160 minutes for a while.
    server.set_clock(80 * MINUTE);
    clock.set(YEAR + 80 * MINUTE);
    let ask = || world.metric(HORIZON);
    let horizon = eventually(Duration::from_secs(30), ask, |horizon| *horizon > 0.0).await;
    assert!(
        horizon <= (begun + 160 * MINUTE) as f64,
        "{horizon}, a year too far"
    );
    published.retain(|id| late.contains(id));
    let ask = || Applied::everything(&world);
    let all = eventually(Duration::from_secs(20), ask, |all| all.count() <= 20).await;
    all.is_exactly(&published);
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    read_list_again(&world, &hub).await;
    Applied::everything(&world).await.is_exactly(&published);

    // A year back: the horizon goes back with the clock, and the list brings what it had let go.
    world.kill_9_for_good(Part::Adapter).await;
    clock.set(-YEAR);
    world.begin(Part::Adapter).await;
    clock.set(-YEAR + 80 * MINUTE);
    let ask = || world.metric(HORIZON);
    let a_year_ago = (begun - YEAR + 2 * HOUR) as f64;
    eventually(Duration::from_secs(30), ask, |horizon| {
        *horizon < a_year_ago
    })
    .await;
    read_list_again(&world, &hub).await;
    published.extend(soon);
    world
        .holds_exactly(&published, Duration::from_secs(20))
        .await;

    // And right again, in a process that finds what the others have left.
    world.kill_9_for_good(Part::Adapter).await;
    clock.set(0);
    server.set_clock(0);
    world.begin(Part::Adapter).await;
    sound(&world).await;
    world
        .holds_exactly(&published, Duration::from_secs(20))
        .await;
    ends_exactly(&world, follower, &published).await;
    ten_lists_say_nothing_new(&world).await;
    world.stop().await;
}

async fn jumps(broker: &Broker) {
    let hub = broker.fresh_url();
    for (_, mut chance) in runs(JUMPS) {
        let mut jumping = Jumping::new(&hub).await;
        for years in deal(&mut chance, &[YEAR, -YEAR, 0]) {
            let off = years + chance.random_range(-HOUR..HOUR);
            jumping.round(off, &mut chance).await;
        }
        jumping.round(0, &mut chance).await;
        jumping.ends().await;
    }
}

/// An adapter whose clock goes where it likes, from one process to the next.
struct Jumping {
    world: World,
    _server: ListServer,
    clock: Clock,
    published: Published,
    follower: Follower,
}

impl Jumping {
    async fn new(hub: &str) -> Self {
        let (mut server, clock) = (ListServer::new(Answer::Whole), Clock::new());
        let world = start(hub, &mut server, &clock, Faked::Wall).await;
        world.begin(Part::Adapter).await;
        Self {
            follower: Follower::start(&world).await,
            world,
            _server: server,
            clock,
            published: Published::new(),
        }
    }

    /// The adapter dies in the middle of a flow of events, and the next one finds another time, which jumps in the middle of the
    /// next flow.
    async fn round(&mut self, off: i64, chance: &mut StdRng) {
        let moment = Duration::from_millis(chance.random_range(0..100));
        let further = chance.random_range(-YEAR / 2..YEAR / 2);
        let kill = async {
            sleep(moment).await;
            self.world.kill_9_for_good(Part::Adapter).await;
        };
        let (more, ()) = tokio::join!(flow(&self.world, chance), kill);
        self.published.extend(more);
        self.clock.set(off);
        self.world.begin(Part::Adapter).await;
        sound(&self.world).await;
        let ask = || self.world.metric(OFFSET);
        let is_shown = |offset: &f64| (offset + off as f64).abs() < 60.0;
        eventually(Duration::from_secs(60), ask, is_shown).await;
        let jump = async {
            sleep(moment).await;
            self.clock.set(off + further);
        };
        let (more, ()) = tokio::join!(flow(&self.world, chance), jump);
        self.published.extend(more);
        self.world
            .holds_exactly(&self.published, Duration::from_secs(60))
            .await;
    }

    async fn ends(self) {
        ends_exactly(&self.world, self.follower, &self.published).await;
        ten_lists_say_nothing_new(&self.world).await;
        self.world.stop().await;
    }
}

/// Revokes what expires in an hour, in most of a year or never, and gives its identifiers.
async fn flow(world: &World, chance: &mut StdRng) -> Vec<String> {
    let more = identifiers(chance, FLOW);
    for step in more.chunks(STEP) {
        let expiry = match chance.random_range(0..4) {
            0 => i64::MAX,
            _ => (now() + chance.random_range(HOUR..300 * 24 * HOUR)) * 1000,
        };
        let body = json!({ "identifiers": step, "publish": true, "expiryTime": expiry });
        world.standin_post("revocations", &body).await;
    }
    more
}
