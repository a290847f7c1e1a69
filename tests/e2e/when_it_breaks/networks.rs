//! The network is cut: between the enforcer and its adapter, or between the adapter and its broker.

use std::time::Duration;

use rescind_stack::Part;

use super::becomes;
use crate::{
    clients::proxy::Proxy,
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "a_network_that_was_cut_brings_only_what_is_new_when_it_is_mended",
        cut_link,
    );
    suite.alone(
        "a_lost_broker_shows_as_source_age_and_denies_only_where_that_is_set",
        lost_broker,
    );
}

const BEFORE: usize = 5_000;

async fn cut_link(broker: &Broker) {
    let parts = [Part::Standin, Part::Adapter];
    let world = World::start_with(broker, |builder| builder.only(&parts)).await;
    let proxy = Proxy::to(world.var("XDS_ADDR")).await;
    let way = format!("[xds]\nadapters = [\"{}\"]\n", proxy.address());
    world.configure(Part::Enforcer, &way);
    world.revoke_many(BEFORE).await;
    world.begin(Part::Enforcer).await;
    let ask = || world.gauge("set_entries");
    eventually(Duration::from_secs(20), ask, |held| {
        *held as usize == BEFORE
    })
    .await;
    assert!(
        proxy.answered() > 20 * BEFORE as u64,
        "everything came once"
    );
    let gate = world.gate().await;
    let good = world.control_plane().token().await;

    proxy.cut();
    let ask = || world.gauge("adapter_connected");
    eventually(Duration::from_secs(30), ask, |connected| *connected == 0.0).await;
    let mut missed = Vec::new();
    for _ in 0..3 {
        let token = world.control_plane().token().await;
        world.control_plane().revoke(&token).await;
        assert_eq!(gate.token(&token).await.status, 200, "it cannot know yet");
        missed.push(token);
    }
    let (applied, passed) = (world.gauge("applied_entries_total").await, proxy.answered());

    proxy.mend();
    for token in &missed {
        assert_eq!(becomes(&gate, token, 401).await.body, REVOKED_TOKEN);
    }
    assert_eq!(gate.token(&good).await.status, 200);
    assert_eq!(world.gauge("applied_entries_total").await, applied + 3.0);
    let passed = proxy.answered() - passed;
    assert!(passed < 16 * 1024, "{passed} bytes for three revocations");
    world.stop().await;
}

async fn lost_broker(broker: &Broker) {
    let url = broker.fresh_url();
    let host = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    let proxy = Proxy::to(host).await;
    let through = url.replace(host, &proxy.address().to_string());
    let parts = [Part::Standin, Part::Adapter, Part::Enforcer];
    let world = World::start_with(broker, |builder| {
        builder
            .hub(url)
            .only(&parts)
            .config(
                Part::Adapter,
                format!("[controlPlane.brokerConnectionParameters]\neventListeningEndpoints = [\"{through}\"]\n"),
            )
            .config(Part::Enforcer, "[enforcer.staleness]\nsourceBound = 20\n")
    })
    .await;
    let gate = world.gate().await;
    let good = world.control_plane().token().await;
    let revoked = world.control_plane().token().await;
    world.control_plane().revoke(&revoked).await;
    becomes(&gate, &revoked, 401).await;
    let ask = || world.gauge("source_age_seconds");
    eventually(Duration::from_secs(30), ask, |age| *age < 6.0).await;

    proxy.cut();
    let ask = async || world.admin("ADAPTER_ADMIN_URL", "/readyz").await.1;
    eventually(Duration::from_secs(30), ask, |page| {
        page.contains("event hub")
    })
    .await;
    let verdict = gate.token(&good).await;
    assert!(
        verdict.status == 200 || verdict.source_age.is_some_and(|age| age >= 20),
        "a source that was good a moment ago is no reason to refuse: {verdict:?}"
    );
    let denied = becomes(&gate, &good, 503).await;
    assert_eq!((denied.reason.as_str(), denied.stale), ("stale", true));
    assert!(denied.source_age.is_some_and(|age| age >= 20), "{denied:?}");
    assert!(
        denied.age.is_some_and(|age| age < 15),
        "the adapter itself is there: {denied:?}"
    );
    assert_eq!(gate.token(&revoked).await.body, REVOKED_TOKEN);
    let ask = || world.gauge("source_age_seconds");
    eventually(Duration::from_secs(30), ask, |age| *age >= 20.0).await;
    let ask = || world.admin("ENFORCER_ADMIN_URL", "/readyz");
    eventually(Duration::from_secs(30), ask, |(status, page)| {
        *status == 200 && page.contains("source age: beyond its bound of 20s")
    })
    .await;

    // Where it is not set, it is shown and nothing more.
    world.configure(Part::Enforcer, "[enforcer.staleness]\nsourceBound = 0\n");
    world.restart(Part::Enforcer).await;
    let gate = world.gate().await;
    let ask = || gate.token(&good);
    let passes = eventually(Duration::from_secs(30), ask, |verdict| {
        verdict.source_age.is_some()
    })
    .await;
    assert_eq!((passes.status, passes.stale), (200, false));
    assert!(passes.source_age.is_some_and(|age| age >= 20), "{passes:?}");
    assert_eq!(gate.token(&revoked).await.body, REVOKED_TOKEN);

    proxy.mend();
    let ask = || world.gauge("source_age_seconds");
    eventually(Duration::from_secs(30), ask, |age| *age < 6.0).await;
    world.stop().await;
}
