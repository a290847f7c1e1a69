//! The way to the event hub: whatever cuts it, and whichever way it is configured, events are heard.

use std::time::Duration;

use lapin::{Connection, ConnectionProperties, options::QueueDeleteOptions};
use rescind_stack::{Part, StackBuilder};
use uuid::Uuid;

use crate::{
    clients::hub::{Hub, event},
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.own_broker(
        "a_frozen_broker_is_noticed_and_heard_again_when_it_goes_on",
        frozen,
    );
    suite.alone(
        "a_durable_queue_keeps_what_is_published_while_the_adapter_is_away",
        durable,
    );
    suite.alone(
        "a_durable_queue_that_was_deleted_is_declared_again",
        deleted,
    );
    suite.alone(
        "the_second_broker_is_heard_while_the_first_is_away",
        failover,
    );
    suite.alone("all_brokers_are_heard_at_once_where_that_is_set", all);
    suite.own_broker(
        "a_broker_over_tls_is_heard_with_a_client_certificate_and_its_own_name",
        over_tls,
    );
}

/// An adapter and its control plane, with these settings for its connection to the hub.
async fn listening(broker: &Broker, hub: String, settings: &str) -> World {
    start(broker, hub, settings, |builder| builder).await
}

async fn start(
    broker: &Broker,
    hub: String,
    settings: &str,
    change: impl FnOnce(StackBuilder) -> StackBuilder,
) -> World {
    let settings = format!("[controlPlane.brokerConnectionParameters]\n{settings}\n");
    World::start_with(broker, |builder| {
        let parts = [Part::Standin, Part::Adapter];
        change(builder.hub(hub).only(&parts)).config(Part::Adapter, settings)
    })
    .await
}

/// Publishes a revocation; gives its identifier.
async fn publish(hub: &Hub) -> String {
    let identifier = Uuid::new_v4().to_string();
    hub.publish(&event("JWT", &identifier)).await;
    identifier
}

async fn kept(world: &World, identifier: &str) {
    let page = format!("revocations?jti={identifier}");
    let ask = || world.receipt(&page);
    eventually(Duration::from_secs(30), ask, |page| page["revoked"] == true).await;
}

async fn is_heard(world: &World, hub: &Hub) {
    kept(world, &publish(hub).await).await;
}

/// Waits until the adapter's log has `line` so many times.
async fn said(world: &World, line: &str, times: usize) {
    let ask = async || world.log(Part::Adapter);
    eventually(Duration::from_secs(60), ask, |log| {
        log.matches(line).count() >= times
    })
    .await;
}

const SUBSCRIBED: &str = "Subscribed to the event hub";

async fn frozen() {
    let broker = Broker::start().await;
    let url = broker.fresh_url();
    let world = listening(&broker, url.clone(), "").await;
    is_heard(&world, &Hub::connect(&url).await).await;

    let process = broker.stack().part(Part::Broker);
    process.freeze();
    said(&world, "no heartbeat from the broker", 1).await;
    // Who hears of the loss says so a moment after who sees it.
    let ask = || world.admin("ADAPTER_ADMIN_URL", "/readyz");
    let degraded = |(status, page): &(u16, String)| *status == 200 && page.contains("event hub");
    eventually(Duration::from_secs(5), ask, degraded).await;

    process.thaw();
    said(&world, SUBSCRIBED, 2).await;
    is_heard(&world, &Hub::connect(&url).await).await;
    world.stop().await;
    broker.stop().await;
}

async fn durable(broker: &Broker) {
    let url = broker.fresh_url();
    let world = listening(broker, url.clone(), "durableQueue = \"rescind-a\"").await;
    let hub = Hub::connect(&url).await;
    is_heard(&world, &hub).await;

    world.kill_9_for_good(Part::Adapter).await;
    let mut missed = Vec::new();
    for _ in 0..100 {
        missed.push(publish(&hub).await);
    }
    // The stand-in does not list them, so that only the queue can have them.
    world.begin(Part::Adapter).await;
    for identifier in &missed {
        kept(&world, identifier).await;
    }
    world.stop().await;
}

async fn deleted(broker: &Broker) {
    let url = broker.fresh_url();
    let world = listening(broker, url.clone(), "durableQueue = \"rescind-a\"").await;
    let other = Connection::connect(&url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = other.create_channel().await.unwrap();
    channel
        .queue_delete("rescind-a".into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    said(&world, SUBSCRIBED, 2).await;
    is_heard(&world, &Hub::connect(&url).await).await;
    world.stop().await;
}

async fn failover(broker: &Broker) {
    let url = broker.fresh_url();
    // Nobody listens at the discard port.
    let first = "amqp://guest:guest@127.0.0.1:9/%2f?retries='1'&connectdelay='1'";
    let endpoints = format!("eventListeningEndpoints = [\"{first}\", \"{url}\"]");
    let world = listening(broker, url.clone(), &endpoints).await;
    is_heard(&world, &Hub::connect(&url).await).await;
    let log = world.log(Part::Adapter);
    assert!(log.contains("Error while connecting to URI [0]"), "{log}");
    assert!(
        log.contains("Successfully established the AMQP connection on URI [1]"),
        "{log}"
    );
    world.stop().await;
}

async fn all(broker: &Broker) {
    let urls = [broker.fresh_url(), broker.fresh_url()];
    let endpoints = format!("eventListeningEndpoints = {urls:?}\nmode = \"all\"");
    let world = listening(broker, urls[0].clone(), &endpoints).await;
    for url in &urls {
        is_heard(&world, &Hub::connect(url).await).await;
    }
    world.stop().await;
}

async fn over_tls() {
    let broker = Broker::start_with(|builder| builder.broker_tls()).await;
    let certs = broker.stack().certs();
    let own = certs.identity("adapter");
    let plain = broker.fresh_url();
    let vhost = plain.rsplit_once('/').unwrap().1;
    let port = broker.stack().ports().broker_tls;
    // The password is percent-encoded.
    let tls = format!("amqps://guest:%67%75%65%73%74@127.0.0.1:{port}/{vhost}");
    let identity = format!("certFile = {:?}\nkeyFile = {:?}\n", own.cert, own.key);
    let settings = |identity: &str, name: &str| {
        format!(
            "eventListeningEndpoints = [{tls:?}]\n[controlPlane.brokerConnectionParameters.tls]\ncaFile = {:?}\n{identity}serverName = {name:?}",
            certs.ca(),
        )
    };

    let world = listening(&broker, plain.clone(), &settings(&identity, "broker")).await;
    is_heard(&world, &Hub::connect(&plain).await).await;
    world.stop().await;

    for (settings, reason) in [
        (settings(&identity, "elsewhere"), "not valid for"),
        (settings("", "broker"), "ertificate"),
    ] {
        let world = start(&broker, plain.clone(), &settings, |builder| {
            builder.without(Part::Adapter)
        })
        .await;
        world.begin(Part::Adapter).await;
        said(&world, "Error while connecting to URI [0]", 1).await;
        let log = world.log(Part::Adapter);
        assert!(log.contains(reason), "{reason}: {log}");
        assert!(!log.contains(SUBSCRIBED), "{log}");
        world.stop().await;
    }
    broker.stop().await;
}
