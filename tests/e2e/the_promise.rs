//! What was ACKed is refused: no check received after the ACK of a revocation was sent passes what it revoked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream};
use rescind_stack::Part;
use tokio::sync::watch;

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
        "eight_callers_of_envoy_never_pass_a_token_that_is_dead_everywhere",
        dead_everywhere,
    );
}

const CALLERS: usize = 8;

async fn tokens(world: &World, count: usize) -> Vec<String> {
    stream::iter(0..count)
        .map(|_| world.control_plane().token())
        .buffered(8)
        .collect()
        .await
}

/// What a caller saw.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    passed: usize,
    /// No answer, or 503: the enforcer was away, or not ready.
    none: usize,
}

fn sum(tallies: impl IntoIterator<Item = Tally>) -> Tally {
    tallies
        .into_iter()
        .fold(Tally::default(), |all, one| Tally {
            refused: all.refused + one.refused,
            passed: all.passed + one.passed,
            none: all.none + one.none,
        })
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
    let (world, adapter) = (Arc::new(world), Arc::new(adapter));
    let victims = Arc::new(tokens(&world, REVOKED).await);
    let good = world.control_plane().token().await;

    let (over, watched) = watch::channel(false);
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (world, adapter, victims) = (world.clone(), adapter.clone(), victims.clone());
            let (good, watched) = (good.clone(), watched.clone());
            tokio::spawn(async move {
                let mut tally = Tally::default();
                let mut gate = world.gate().await;
                for number in scattered(caller) {
                    if *watched.borrow() {
                        break;
                    }
                    // Looked at before the check is sent: what it says was ACKed before the check is received.
                    let acked = adapter.acked();
                    let of_the_dead = acked > 0 && number % 3 > 0;
                    let token = match of_the_dead {
                        // Half of them are the newest, where a mistake would show first.
                        true if number % 2 == 0 => &victims[acked - 1],
                        true => &victims[number / 6 % acked],
                        false => &good,
                    };
                    match gate.try_token(token).await {
                        Ok(verdict) if verdict.status == 503 => tally.none += 1,
                        Ok(verdict) if of_the_dead => {
                            assert_eq!(verdict.body, REVOKED_TOKEN, "of {acked} ACKed");
                            tally.refused += 1;
                        }
                        Ok(verdict) => {
                            assert_eq!(verdict.status, 200, "{verdict:?}");
                            tally.passed += 1;
                        }
                        Err(_) => {
                            tally.none += 1;
                            gate = gate_again(&world).await;
                        }
                    }
                }
                tally
            })
        })
        .collect();

    let mut published = 0;
    for (batch, size) in scattered(0).map(|number| 1 + number % 5).enumerate() {
        let next = REVOKED.min(published + size);
        adapter.revoke(victims[published..next].iter().map(|token| jti(token)));
        published = next;
        // Killed at any moment, with a batch on its way or not.
        if batch % 20 == 10 && batch / 20 < KILLS {
            world.kill_9(Part::Enforcer).await;
        }
        if batch % 4 == 0 {
            adapter.acked_all(published).await;
        }
        if published == REVOKED {
            break;
        }
    }
    adapter.acked_all(REVOKED).await;
    over.send_replace(true);
    let tally = sum(join_all(callers).await.into_iter().map(Result::unwrap));
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
    for token in victims.iter() {
        assert_eq!(gate.token(token).await.body, REVOKED_TOKEN);
    }
    drop(adapter);
    Arc::into_inner(world).unwrap().stop().await;
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
    let world = Arc::new(World::start(broker).await);
    let victims = Arc::new(tokens(&world, DEAD).await);
    let good = world.control_plane().token().await;
    let dead = Arc::new(AtomicUsize::new(0));

    let (over, watched) = watch::channel(false);
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (world, victims, dead) = (world.clone(), victims.clone(), dead.clone());
            let (good, watched) = (good.clone(), watched.clone());
            tokio::spawn(async move {
                // Each on connections of its own, half of them over HTTP/2.
                let gateway = world.caller(caller % 2 == 1);
                let mut tally = Tally::default();
                for number in scattered(caller) {
                    if *watched.borrow() {
                        break;
                    }
                    let count = dead.load(SeqCst);
                    if count > 0 && number % 3 > 0 {
                        let token = match number % 2 {
                            0 => &victims[count - 1],
                            _ => &victims[number / 6 % count],
                        };
                        let answer = gateway.with_token(token).await;
                        match answer.status {
                            503 => tally.none += 1,
                            _ => {
                                assert_eq!(answer.body, REVOKED_TOKEN, "of {count} that are dead");
                                tally.refused += 1;
                            }
                        }
                    } else {
                        match gateway.with_token(&good).await.status {
                            503 => tally.none += 1,
                            status => {
                                assert_eq!(status, 200);
                                tally.passed += 1;
                            }
                        }
                    }
                }
                tally
            })
        })
        .collect();

    for (number, token) in victims.iter().enumerate() {
        assert_eq!(world.control_plane().revoke(token).await.status(), 200);
        if number == DEAD / 2 {
            world.kill_9(Part::Enforcer).await;
        }
        let page = format!("revocations?jti={}", jti(token));
        let ask = async || world.receipt(&page).await["by"][0]["everywhere"] == true;
        eventually(Duration::from_secs(20), ask, |everywhere| *everywhere).await;
        dead.store(number + 1, SeqCst);
    }
    over.send_replace(true);
    let tally = sum(join_all(callers).await.into_iter().map(Result::unwrap));
    assert!(tally.refused > 500 && tally.passed > 250, "{tally:?}");
    Arc::into_inner(world).unwrap().stop().await;
}
