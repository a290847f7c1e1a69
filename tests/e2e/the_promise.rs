//! What was ACKed is refused: no check received after the ACK of a revocation was sent passes what it revoked.

mod ways;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{join, join_all},
    stream,
};
use rescind_stack::Part;

use self::ways::Way;
use crate::{
    clients::{control_plane::jti, gate::Gate, scripted_adapter::ScriptedAdapter},
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "no_check_after_an_ack_passes_what_was_acked_also_over_kill_9",
        after_the_ack,
    );
    suite.alone(
        "eight_callers_with_bodies_and_websockets_never_pass_a_token_that_is_dead_everywhere",
        dead_everywhere,
    );
}

const CALLERS: usize = 8;

/// What callers ask about while revocations flow and the enforcer is killed.
#[derive(Debug)]
struct Scene {
    /// Revoked in this order.
    victims: Vec<String>,
    good: String,
    /// How many of them are known to be dead.
    dead: AtomicUsize,
    /// From before a kill until the enforcer is ready again.
    killing: AtomicBool,
    over: AtomicBool,
    checks: AtomicUsize,
}

/// What callers saw.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    passed: usize,
    /// No decision: the enforcer was away, or not ready.
    none: usize,
}

impl Scene {
    async fn new(world: &World, victims: usize) -> Self {
        let tokens = stream::iter(0..=victims).map(|_| world.control_plane().token());
        let mut victims: Vec<String> = tokens.buffered(8).collect().await;
        Self {
            good: victims.pop().unwrap(),
            victims,
            dead: AtomicUsize::new(0),
            killing: AtomicBool::new(false),
            over: AtomicBool::new(false),
            checks: AtomicUsize::new(0),
        }
    }

    /// Waits until callers have asked so many times more: however fast this machine is, every step is seen by many.
    async fn asked(&self, more: usize) {
        let enough = self.checks.load(SeqCst) + more;
        let ask = async || self.checks.load(SeqCst);
        eventually(Duration::from_secs(60), ask, |checks| *checks >= enough).await;
    }

    async fn kill(&self, world: &World) {
        self.killing.store(true, SeqCst);
        world.kill_9(Part::Enforcer).await;
        self.killing.store(false, SeqCst);
    }

    /// One caller, until it is over. `dead` says how many victims are dead; `ask` gives status and body, if there is an
    /// answer.
    async fn call(
        &self,
        seed: usize,
        dead: impl Fn() -> usize,
        mut ask: impl AsyncFnMut(&str) -> Option<(i32, String)>,
    ) -> Tally {
        let mut tally = Tally::default();
        for number in scattered(seed) {
            if self.over.load(SeqCst) {
                break;
            }
            let was_killing = self.killing.load(SeqCst);
            // Looked at before the check is sent: who is dead now was so before the check is received.
            let dead = dead();
            let victim = match number % 3 {
                _ if dead == 0 => None,
                0 => None,
                // The newest, where a mistake would show first.
                1 => Some(dead - 1),
                _ => Some(number / 3 % dead),
            };
            let token = victim.map_or(&self.good, |victim| &self.victims[victim]);
            let answer = ask(token).await;
            self.checks.fetch_add(1, SeqCst);
            let killing = was_killing || self.killing.load(SeqCst);
            match (victim, answer) {
                (_, None) => tally.none += 1,
                (_, Some((503, body))) => {
                    assert!(killing, "503 while nobody was killed: {body}");
                    tally.none += 1;
                }
                (Some(victim), Some((status, body))) => {
                    let expected = (401, REVOKED_TOKEN);
                    assert_eq!((status, body.as_str()), expected, "{victim} of {dead} dead");
                    tally.refused += 1;
                }
                (None, Some((200, _))) => tally.passed += 1,
                (None, Some((status, body))) => panic!("a good token: {status} {body}"),
            }
        }
        tally
    }
}

fn sum(tallies: Vec<Tally>) -> Tally {
    let add = |all: Tally, one: Tally| Tally {
        refused: all.refused + one.refused,
        passed: all.passed + one.passed,
        none: all.none + one.none,
    };
    tallies.into_iter().fold(Tally::default(), add)
}

/// Numbers in an order that looks like none, the same in each run.
fn scattered(seed: usize) -> impl Iterator<Item = usize> {
    let next = |state: &u64| {
        Some(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1),
        )
    };
    std::iter::successors(Some(seed as u64 + 1), next).map(|state| (state >> 33) as usize)
}

const REVOKED: usize = 240;
const KILLS: usize = 3;

/// A scripted adapter knows to the moment what has been ACKed; checks go straight to the enforcer.
async fn after_the_ack(broker: &Broker) {
    let world = World::start_with(broker, |builder| builder.only(&[Part::Standin])).await;
    let adapter = ScriptedAdapter::start(&world.identity("adapter"), &world.var("CA_CERT")).await;
    let way = format!("[xds]\nadapters = [\"{}\"]\n", adapter.address());
    world.configure(Part::Enforcer, &way);
    world.begin(Part::Enforcer).await;
    let scene = Scene::new(&world, REVOKED).await;
    let callers = (0..CALLERS).map(async |caller| {
        let mut gate = world.gate().await;
        let ask = async |token: &str| match gate.try_token(token).await {
            Ok(verdict) => Some((verdict.status, verdict.body)),
            Err(_) => {
                gate = gate_again(&world).await;
                None
            }
        };
        scene.call(caller, || adapter.acked(), ask).await
    });
    let (tallies, ()) = join(
        join_all(callers),
        publish_and_kill(&world, &adapter, &scene),
    )
    .await;
    let tally = sum(tallies);
    assert!(tally.refused > 1_000 && tally.passed > 500, "{tally:?}");
    assert_eq!(adapter.nacks(), 0);

    // Each time it came back it held at least what it had ACKed: its own log was written before.
    let resumed = adapter.resumed();
    assert!(resumed.len() > KILLS, "{resumed:?}");
    assert!(
        resumed.iter().all(|(from, acked)| from >= acked),
        "{resumed:?}"
    );
    let gate = world.gate().await;
    for token in &scene.victims {
        assert_eq!(gate.token(token).await.body, REVOKED_TOKEN);
    }
    world.stop().await;
}

async fn publish_and_kill(world: &World, adapter: &ScriptedAdapter, scene: &Scene) {
    let mut published = 0;
    for (batch, size) in scattered(0).map(|number| 1 + number % 5).enumerate() {
        let next = REVOKED.min(published + size);
        let identifiers = scene.victims[published..next].iter();
        adapter.revoke(identifiers.map(|token| jti(token)));
        published = next;
        // At whatever moment of the batch that is on its way.
        if batch % 20 == 10 && batch / 20 < KILLS {
            scene.kill(world).await;
        }
        if batch % 4 == 0 {
            adapter.acked_all(published).await;
        }
        scene.asked(40).await;
        if published == REVOKED {
            break;
        }
    }
    adapter.acked_all(REVOKED).await;
    scene.over.store(true, SeqCst);
}

/// A connection to an enforcer that is being started.
async fn gate_again(world: &World) -> Gate {
    let identity = world.router_identity();
    let ask = async || world.ext_authz_channel(Some(&identity)).await.ok();
    let channel = eventually(Duration::from_secs(30), ask, Option::is_some).await;
    Gate::new(channel.unwrap())
}

const DEAD: usize = 60;

/// The whole way: revoked at the control plane, dead everywhere by the adapter's receipts, asked through Envoy.
async fn dead_everywhere(broker: &Broker) {
    let world = World::start(broker).await;
    let scene = Scene::new(&world, DEAD).await;
    let ways = Way::all(&world);
    let callers = ways.iter().enumerate().map(async |(caller, way)| {
        let ask = async |token: &str| Some(way.ask(token).await);
        scene.call(caller, || scene.dead.load(SeqCst), ask).await
    });
    let (tallies, ()) = join(join_all(callers), revoke_and_kill(&world, &scene)).await;
    for tally in &tallies {
        assert!(tally.refused > 20 && tally.passed > 10, "{tallies:?}");
    }
    let tally = sum(tallies);
    assert!(tally.refused > 500 && tally.passed > 250, "{tally:?}");
    world.stop().await;
}

async fn revoke_and_kill(world: &World, scene: &Scene) {
    for (number, token) in scene.victims.iter().enumerate() {
        assert_eq!(world.control_plane().revoke(token).await.status(), 200);
        if number == DEAD / 2 {
            scene.kill(world).await;
        }
        let page = format!("revocations?jti={}", jti(token));
        let ask = async || world.receipt(&page).await["by"][0]["everywhere"] == true;
        eventually(Duration::from_secs(20), ask, |everywhere| *everywhere).await;
        scene.dead.store(number + 1, SeqCst);
        scene.asked(20).await;
    }
    scene.over.store(true, SeqCst);
}
