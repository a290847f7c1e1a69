//! Our enforcer behind Choreo Connect's adapter, and on its way to ours: part C of `docs/choreo-connect.md`.

use std::time::Duration;

use rescind_stack::Part;

use crate::{
    clients::{control_plane::jti, their_adapter::TheirAdapter},
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

/// What `/readyz` says as long as an adapter cannot prove that its set is whole.
const UNPROVEN: &str = "unproven adapter";

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "behind_their_adapter_the_enforcer_is_unproven_until_it_is_moved_to_ours",
        behind_theirs,
    );
}

async fn behind_theirs(broker: &Broker) {
    let world = World::start_with(broker, |builder| builder.without(Part::Enforcer)).await;
    let theirs = TheirAdapter::start(&world.identity("adapter"), &world.var("CA_CERT")).await;
    let adapters = format!("[xds]\nadapters = [{:?}]\n", theirs.address());

    // Forgotten `allowUnproven`: never ready, and nothing passes.
    let good = world.control_plane().token().await;
    world.configure(Part::Enforcer, &adapters);
    world.begin_unready(Part::Enforcer).await;
    let ask = || world.gateway().with_token(&good);
    eventually(Duration::from_secs(20), ask, |answer| {
        answer.status == 503 && answer.body.contains("not loaded")
    })
    .await;
    readyz(&world, 503, true).await;
    assert_eq!(world.gateway().with_token(&good).await.status, 503);
    world.end(Part::Enforcer).await;

    // With it: ready although the original, which holds nothing, never answers.
    world.configure(Part::Enforcer, &format!("{adapters}allowUnproven = true\n"));
    world.begin(Part::Enforcer).await;
    readyz(&world, 200, true).await;
    assert_eq!(world.gateway().with_token(&good).await.status, 200);

    // Each batch takes the place of the one before at the original, and is added here.
    let (first, second) = (
        world.control_plane().token().await,
        world.control_plane().token().await,
    );
    for token in [&first, &second] {
        theirs.revoke([jti(token)]);
        assert_eq!(world.refused_token(token).await.body, REVOKED_TOKEN);
    }
    world.restart(Part::Enforcer).await;
    for token in [&first, &second] {
        assert_eq!(world.gateway().with_token(token).await.status, 401);
    }

    to_ours(&world, [&first, &second], &good).await;
    world.stop().await;
}

/// Moves the enforcer to our adapter.
async fn to_ours(world: &World, revoked: [&str; 2], good: &str) {
    let adapters = format!("[xds]\nadapters = [{:?}]\n", world.var("XDS_ADDR"));
    world.configure(
        Part::Enforcer,
        &format!("{adapters}allowUnproven = false\n"),
    );
    world.restart(Part::Enforcer).await;
    readyz(world, 200, false).await;
    for token in revoked {
        assert_eq!(world.gateway().with_token(token).await.status, 401);
    }
    // What is held is as old as nobody knows before our adapter has said a word.
    let ask = || world.gateway().with_token(good);
    eventually(Duration::from_secs(30), ask, |answer| answer.status == 200).await;
    world.control_plane().revoke(good).await;
    assert_eq!(world.refused_token(good).await.body, REVOKED_TOKEN);
}

async fn readyz(world: &World, status: u16, unproven: bool) {
    let look = || world.admin("ENFORCER_ADMIN_URL", "/readyz");
    eventually(Duration::from_secs(30), look, |(answer, page)| {
        (*answer, page.contains(UNPROVEN)) == (status, unproven)
    })
    .await;
}
