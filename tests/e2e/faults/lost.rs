//! An adapter that has less than its enforcers: its disk lost, or set back to an old copy, while the control plane's list
//! cannot be read; and one that has read nothing yet. Envoy is asked, as a caller would.

use std::{fs, path::Path, time::Duration};

use rescind_stack::Part;
use tokio::time::{Instant, sleep};

use super::{
    applied::HEAD,
    cuts::sound,
    ending::{BATCH_EVENT, read_list_again},
    kills::hub_at,
    list_server::{Answer, ListServer},
};
use crate::{
    clients::{control_plane::jti, hub::Hub},
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

/// The shortest that a configuration takes, in seconds.
const BOUND: u64 = 20;

/// How long an enforcer that starts waits for a word of an adapter, in seconds.
const START_GRACE: u64 = 2;

/// Longer than either, in seconds.
const WATCH: u64 = START_GRACE + BOUND + 5;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "disk_lost_and_list_down_good_tokens_pass_known_revoked_ones_are_refused_and_no_new_enforcer_is_ready",
        disk_lost,
    );
    suite.alone(
        "an_old_copy_of_the_ledger_is_noticed_and_opens_nothing",
        old_copy,
    );
    suite.alone(
        "an_enforcer_started_before_the_first_catch_up_refuses_with_503_until_it",
        before_the_first_list,
    );
}

/// A gateway whose control plane's list is at `server`; all of it runs, but for the enforcer and Envoy.
async fn gateway(broker: &Broker, server: &mut ListServer) -> World {
    let hub = broker.fresh_url();
    let adapter = format!("{}\n{}", server.config(), hub_at(&hub));
    let enforcer = format!("[enforcer.staleness]\nbound = {BOUND}\nstartGrace = {START_GRACE}\n");
    let world = World::start_from(|builder| {
        builder
            .hub(hub)
            .only(&[Part::Standin, Part::Upstream])
            .config(Part::Adapter, adapter)
            .config(Part::Enforcer, enforcer)
    })
    .await;
    server.serve(&world);
    world.begin(Part::Adapter).await;
    world
}

/// A gateway in good order, with a good token and a revoked one.
async fn sound_gateway(broker: &Broker, server: &mut ListServer) -> (World, String, String) {
    let world = gateway(broker, server).await;
    sound(&world).await;
    world.begin(Part::Enforcer).await;
    world.begin(Part::Envoy).await;
    let good = world.control_plane().token().await;
    let revoked = revoked(&world).await;
    passes(&world, &good).await;
    world.refused_token(&revoked).await;
    (world, good, revoked)
}

async fn revoked(world: &World) -> String {
    let token = world.control_plane().token().await;
    assert_eq!(world.control_plane().revoke(&token).await.status(), 200);
    token
}

async fn passes(world: &World, token: &str) {
    let ask = || world.gateway().with_token(token);
    eventually(Duration::from_secs(20), ask, |answer| answer.status == 200).await;
}

/// What the adapter complains of, while it stays in service.
async fn degraded(world: &World, condition: &str) -> String {
    let start = format!("degraded: {condition}: ");
    let ask = || world.admin("ADAPTER_ADMIN_URL", "/readyz");
    let is_said = |page: &str| page.lines().any(|line| line.starts_with(&start));
    let (status, page) = eventually(Duration::from_secs(20), ask, |(_, page)| is_said(page)).await;
    assert_eq!(status, 200, "{page}");
    page
}

async fn disk_lost(broker: &Broker) {
    let mut server = ListServer::new(Answer::Whole);
    let (world, good, revoked) = sound_gateway(broker, &mut server).await;

    world.kill_9_for_good(Part::Adapter).await;
    server.set(Answer::Down);
    fs::remove_dir_all(world.state().join("adapter")).unwrap();
    world.begin(Part::Adapter).await;
    degraded(&world, "completeness").await;
    degraded(&world, "catch-up").await;

    // Whoever is ready holds more than the adapter does: it stays so, beyond the bound of its age.
    let end = Instant::now() + Duration::from_secs(BOUND + 5);
    while Instant::now() < end {
        let answer = world.gateway().with_token(&good).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = world.gateway().with_token(&revoked).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, REVOKED_TOKEN));
        sleep(Duration::from_millis(200)).await;
    }
    // It is fresh by the adapter's word; only of the source nobody can say how old it is.
    let verdict = world.gate().await.token(&good).await;
    assert_eq!((verdict.status, verdict.stale), (200, false), "{verdict:?}");
    assert!(
        verdict.age.is_some_and(|age| age < BOUND),
        "{verdict:?}, fresh beyond the bound"
    );
    assert_eq!(verdict.source_age, None, "{verdict:?}");
    assert_eq!(world.admin("ENFORCER_ADMIN_URL", "/readyz").await.0, 200);
    // What comes over the hub is refused as ever.
    let live = revoked_now(&world).await;

    // A new one hears the adapter, and what it hears does not make it ready.
    world.end(Part::Enforcer).await;
    world.forget_enforcer();
    world.begin_unready(Part::Enforcer).await;
    never_ready(&world, &good, &[&revoked, &live]).await;

    // By now the list is asked for ever less often: an event that wants it read hastens it.
    server.set(Answer::Whole);
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    hub.publish(BATCH_EVENT).await;
    passes(&world, &good).await;
    for token in [&revoked, &live] {
        assert_eq!(world.gateway().with_token(token).await.body, REVOKED_TOKEN);
    }
    world.stop().await;
}

/// Watches an enforcer that hears an adapter which is not complete: it passes nothing, beyond every bound. What it has
/// heard to be revoked it may refuse as such, once its policy decides.
async fn never_ready(world: &World, good: &str, revoked: &[&str]) {
    let ask = || world.gateway().with_token(good);
    eventually(Duration::from_secs(20), ask, |answer| {
        answer.body.contains("not loaded")
    })
    .await;
    let end = Instant::now() + Duration::from_secs(WATCH);
    while Instant::now() < end {
        assert_eq!(world.gateway().with_token(good).await.status, 503);
        for token in revoked {
            let answer = world.gateway().with_token(token).await;
            let refused = answer.status == 401 && answer.body == REVOKED_TOKEN;
            assert!(refused || answer.status == 503, "{}", answer.status);
        }
        assert_eq!(world.admin("ENFORCER_ADMIN_URL", "/readyz").await.0, 503);
        sleep(Duration::from_millis(200)).await;
    }
}

/// One that is revoked now, once it is refused.
async fn revoked_now(world: &World) -> String {
    let token = revoked(world).await;
    world.refused_token(&token).await;
    token
}

async fn old_copy(broker: &Broker) {
    let mut server = ListServer::new(Answer::Whole);
    let (world, good, before) = sound_gateway(broker, &mut server).await;

    // A copy of the ledger as it is, and one more revocation after it.
    let (ledger, copy) = (
        world.state().join("adapter"),
        world.state().join("old-copy"),
    );
    world.part(Part::Adapter).freeze();
    copy_folder(&ledger, &copy);
    world.part(Part::Adapter).thaw();
    let after = revoked_now(&world).await;

    world.kill_9_for_good(Part::Adapter).await;
    server.set(Answer::Down);
    fs::remove_dir_all(&ledger).unwrap();
    fs::rename(&copy, &ledger).unwrap();
    world.begin(Part::Adapter).await;

    // The enforcer shows a cursor that the copy does not reach.
    let page = degraded(&world, "completeness").await;
    assert!(page.contains("set back to an old copy"), "{page}");
    let log = world.log(Part::Adapter);
    assert!(
        log.contains("A client has seen more of this ledger than it holds"),
        "{log}"
    );
    assert_eq!(world.gateway().with_token(&good).await.status, 200);
    for token in [&before, &after] {
        assert_eq!(world.gateway().with_token(token).await.body, REVOKED_TOKEN);
    }
    let revoked = |token: &str| format!("revocations?jti={}", jti(token));
    assert_eq!(world.receipt(&revoked(&before)).await["revoked"], true);
    assert_eq!(world.receipt(&revoked(&after)).await["revoked"], false);

    // The list brings it up to date again.
    server.set(Answer::Whole);
    sound(&world).await;
    assert_eq!(world.receipt(&revoked(&after)).await["revoked"], true);
    let head = world.metric(HEAD).await;
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    read_list_again(&world, &hub).await;
    assert_eq!(world.metric(HEAD).await, head);
    assert_eq!(world.gateway().with_token(&good).await.status, 200);
    world.stop().await;
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

async fn before_the_first_list(broker: &Broker) {
    let mut server = ListServer::new(Answer::Status(500));
    let world = gateway(broker, &mut server).await;
    degraded(&world, "completeness").await;
    degraded(&world, "catch-up").await;
    let good = world.control_plane().token().await;
    // Its event is heard; it does not make the set whole.
    let revoked = revoked(&world).await;
    world.begin_unready(Part::Enforcer).await;
    world.begin(Part::Envoy).await;
    never_ready(&world, &good, &[&revoked]).await;

    // By now the list is asked for ever less often.
    server.set(Answer::Whole);
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    hub.publish(BATCH_EVENT).await;
    passes(&world, &good).await;
    assert_eq!(
        world.gateway().with_token(&revoked).await.body,
        REVOKED_TOKEN
    );
    world.stop().await;
}
