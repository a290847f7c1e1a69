//! A wall clock is set wrong, at the adapter or at the enforcer.

use std::time::Duration;

use rescind_stack::Part;

use super::becomes;
use crate::{
    clients::{elsewhere::Elsewhere, gate::Gate},
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "a_wrong_clock_at_the_adapter_moves_no_age_and_drops_nothing",
        at_the_adapter,
    );
    suite.alone(
        "a_wrong_clock_at_the_enforcer_moves_no_age_and_opens_nothing",
        at_the_enforcer,
    );
}

const HOUR: i64 = 3_600;

/// Ages as they are on a machine whose clocks are right.
async fn ages_are_small(world: &World) {
    for age in ["link_age_seconds", "source_age_seconds"] {
        let ask = || world.gauge(age);
        eventually(Duration::from_secs(30), ask, |age| *age < 6.0).await;
    }
}

async fn at_the_adapter(broker: &Broker) {
    let elsewhere = Elsewhere::new();
    let parts = [Part::Standin, Part::Adapter, Part::Enforcer];
    let world = World::start_with(broker, |builder| {
        elsewhere.hold(builder, Part::Adapter).only(&parts)
    })
    .await;
    let gate = world.gate().await;
    let good = world.control_plane().token().await;
    let mut revoked = Vec::new();
    for wrong_by in [0, 2 * HOUR, -2 * HOUR] {
        elsewhere.set_clock(wrong_by);
        world.restart(Part::Adapter).await;
        let token = world.control_plane().token().await;
        world.control_plane().revoke(&token).await;
        revoked.push(token);
        for token in &revoked {
            assert_eq!(becomes(&gate, token, 401).await.body, REVOKED_TOKEN);
        }
        assert_eq!(gate.token(&good).await.status, 200);
        ages_are_small(&world).await;
        assert_eq!(world.gauge("set_entries").await as usize, revoked.len());

        // The difference is told.
        let name = "rescind_control_plane_clock_offset_seconds";
        let ask = || world.metric_of("ADAPTER_ADMIN_URL", name);
        let expected = -wrong_by as f64;
        eventually(Duration::from_secs(30), ask, |offset| {
            (offset - expected).abs() < 60.0
        })
        .await;
    }
    world.stop().await;
}

async fn at_the_enforcer(broker: &Broker) {
    let elsewhere = Elsewhere::new();
    let parts = [Part::Standin, Part::Adapter, Part::Enforcer];
    let world = World::start_with(broker, |builder| {
        elsewhere.hold(builder, Part::Enforcer).only(&parts)
    })
    .await;
    let good = world.control_plane().token().await;
    let revoked = world.control_plane().token().await;
    world.control_plane().revoke(&revoked).await;
    becomes(&world.gate().await, &revoked, 401).await;

    // Tokens are good for an hour from now: whether one has expired is the only thing that a wall clock decides.
    for (wrong_by, of_a_good_one) in [(HOUR / 2, 200), (2 * HOUR, 401), (-2 * HOUR, 401)] {
        world.end(Part::Enforcer).await;
        elsewhere.set_clock(wrong_by);
        world.begin(Part::Enforcer).await;
        let gate: Gate = world.gate().await;
        assert_eq!(gate.token(&good).await.status, of_a_good_one, "{wrong_by}");
        assert_eq!(gate.token(&revoked).await.body, REVOKED_TOKEN);
        ages_are_small(&world).await;
        let ask = || world.gauge("set_entries");
        eventually(Duration::from_secs(30), ask, |held| *held == 1.0).await;
        assert_eq!(gate.token(&revoked).await.body, REVOKED_TOKEN);
        assert_eq!(world.gauge("set_stale").await, 0.0);
    }
    world.stop().await;
}
