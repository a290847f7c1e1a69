//! The enforcer itself is killed, or its machine started anew.

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
        "without_any_adapter_a_killed_enforcer_is_ready_at_once_from_its_own_log",
        own_log,
    );
    suite.alone(
        "after_a_reboot_nothing_passes_before_a_complete_checkpoint",
        reboot,
    );
}

async fn own_log(broker: &Broker) {
    let parts = [Part::Standin, Part::Adapter, Part::Enforcer];
    let world = World::start_with(broker, |builder| builder.only(&parts)).await;
    let gate = world.gate().await;
    let good = world.control_plane().token().await;
    world.revoke_many(1_000).await;
    let mut revoked = Vec::new();
    for _ in 0..20 {
        let token = world.control_plane().token().await;
        world.control_plane().revoke(&token).await;
        becomes(&gate, &token, 401).await;
        revoked.push(token);
    }
    let held = world.gauge("set_entries").await;
    assert_eq!(held, 1_020.0);

    world.end(Part::Adapter).await;
    for _ in 0..2 {
        world.kill_9(Part::Enforcer).await;
        let gate = world.gate().await;
        // Its very first answers.
        for token in &revoked {
            assert_eq!(gate.token(token).await.body, REVOKED_TOKEN);
        }
        let verdict = gate.token(&good).await;
        assert_eq!(verdict.status, 200);
        assert!(verdict.age.is_some(), "the age goes on: {verdict:?}");
        assert_eq!(world.gauge("set_entries").await, held);
        let (status, page) = world.admin("ENFORCER_ADMIN_URL", "/readyz").await;
        assert_eq!(status, 200, "{page}");
    }
    world.stop().await;
}

async fn reboot(broker: &Broker) {
    let elsewhere = Elsewhere::new();
    let parts = [Part::Standin, Part::Adapter, Part::Enforcer];
    let world = World::start_with(broker, |builder| {
        elsewhere.hold(builder, Part::Enforcer).only(&parts)
    })
    .await;
    let gate = world.gate().await;
    let good = world.control_plane().token().await;
    let revoked = world.control_plane().token().await;
    world.control_plane().revoke(&revoked).await;
    becomes(&gate, &revoked, 401).await;

    world.end(Part::Adapter).await;
    let gate = after_a_reboot(&world, &elsewhere, Duration::from_secs(86_400)).await;
    // What was written last may be missing, so what is held may not be called whole; but it is held.
    for token in [&good, &revoked] {
        let verdict = gate.token(token).await;
        assert_eq!(
            (verdict.status, verdict.reason.as_str()),
            (503, "not_ready")
        );
    }
    assert_eq!(world.gauge("set_entries").await, 1.0);
    assert_eq!(world.admin("ENFORCER_ADMIN_URL", "/readyz").await.0, 503);

    // No adapter answers within the grace: the policy decides, and it says deny. What is known is known.
    let gate = after_a_reboot(&world, &elsewhere, Duration::from_secs(1)).await;
    let ask = || gate.token(&good);
    let verdict = eventually(Duration::from_secs(60), ask, |verdict| {
        verdict.reason == "stale"
    })
    .await;
    assert_eq!(verdict.status, 503);
    assert_eq!(gate.token(&revoked).await.body, REVOKED_TOKEN);
    assert_eq!(world.gauge("set_entries").await, 1.0);
    assert_eq!(world.admin("ENFORCER_ADMIN_URL", "/readyz").await.0, 503);

    let missed = world.control_plane().token().await;
    world.control_plane().revoke(&missed).await;
    world.begin(Part::Adapter).await;
    becomes(&gate, &good, 200).await;
    assert_eq!(gate.token(&revoked).await.body, REVOKED_TOKEN);
    assert_eq!(becomes(&gate, &missed, 401).await.body, REVOKED_TOKEN);
    let log = world.log(Part::Enforcer);
    assert!(log.contains("The revoked set is complete"), "{log}");
    world.stop().await;
}

/// Starts the enforcer's machine anew, and the enforcer, which waits so long for an adapter's first word: so long that the test
/// is over before, or so short that it need not wait.
async fn after_a_reboot(world: &World, elsewhere: &Elsewhere, grace: Duration) -> Gate {
    world.end(Part::Enforcer).await;
    let grace = format!("[enforcer.staleness]\nstartGrace = {}\n", grace.as_secs());
    world.configure(Part::Enforcer, &grace);
    elsewhere.reboot();
    world.begin_unready(Part::Enforcer).await;
    let ask = async || {
        world
            .ext_authz_channel(Some(&world.router_identity()))
            .await
            .is_ok()
    };
    eventually(Duration::from_secs(60), ask, |is_there| *is_there).await;
    world.gate().await
}
