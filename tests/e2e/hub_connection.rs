//! The way to the event hub: whatever cuts it, and whichever way it is configured, events are heard.

use std::{fs, path::Path, time::Duration};

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
    suite.own_broker(
        "certificates_for_hub_and_list_follow_their_files_without_a_restart",
        certificates,
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
    eventually(Duration::from_secs(30), ask, degraded).await;

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
    // Ready it is with one of them; what is published before the other stands is in the list alone.
    said(&world, SUBSCRIBED, 2).await;
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
        (settings("", "broker"), "asks for a client certificate"),
    ] {
        let world = start(&broker, plain.clone(), &settings, |builder| {
            builder.without(Part::Adapter)
        })
        .await;
        world.begin(Part::Adapter).await;
        said(&world, FAILED, 1).await;
        let log = world.log(Part::Adapter);
        assert!(log.contains(reason), "{reason}: {log}");
        assert!(!log.contains(SUBSCRIBED), "{log}");
        world.stop().await;
    }
    broker.stop().await;
}

/// Starts with certificates that fit nobody, and mends one file after the other.
async fn certificates() {
    let broker = Broker::start_with(|builder| builder.broker_tls()).await;
    let certs = broker.stack().certs();
    let (own, stranger) = (certs.identity("adapter"), certs.identity("token-signing"));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let replace = |name: &str, with: &Path| {
        fs::copy(with, file("new")).unwrap();
        fs::rename(file("new"), file(name)).unwrap();
    };
    replace("hub-ca.pem", &stranger.cert);
    replace("hub.pem", &stranger.cert);
    replace("hub.key", &stranger.key);
    replace("list-ca.pem", &stranger.cert);

    let plain = broker.fresh_url();
    let vhost = plain.rsplit_once('/').unwrap().1;
    let port = broker.stack().ports().broker_tls;
    let settings = format!(
        "eventListeningEndpoints = [\"amqps://guest:guest@localhost:{port}/{vhost}?retries='1000'&connectdelay='1'\"]\n\
         [controlPlane.brokerConnectionParameters.tls]\ncaFile = {:?}\ncertFile = {:?}\nkeyFile = {:?}\n\
         [controlPlane]\ncaFile = {:?}\n",
        file("hub-ca.pem"),
        file("hub.pem"),
        file("hub.key"),
        file("list-ca.pem"),
    );
    let world = start(&broker, plain.clone(), &settings, |builder| {
        builder.without(Part::Adapter)
    })
    .await;
    world.begin(Part::Adapter).await;
    let pid = world.pid(Part::Adapter);
    said(&world, "The certificate of a server is not believed", 1).await;

    replace("hub-ca.pem", &certs.ca());
    said(&world, "Certificates read again", 1).await;
    // It believes the broker now, and is not believed by it.
    let attempts = world.log(Part::Adapter).matches(FAILED).count();
    said(&world, FAILED, attempts + 2).await;
    assert!(!world.log(Part::Adapter).contains(SUBSCRIBED));

    replace("hub.key", &own.key);
    replace("hub.pem", &own.cert);
    said(&world, SUBSCRIBED, 1).await;
    let unread = "Error occurred while fetching revoked tokens from control plane";
    said(&world, unread, 1).await;
    assert!(!world.log(Part::Adapter).contains(RETRIEVED));

    replace("list-ca.pem", Path::new(&world.var("CA_CERT")));
    said(&world, RETRIEVED, 1).await;
    is_heard(&world, &Hub::connect(&plain).await).await;
    assert_eq!(world.pid(Part::Adapter), pid);
    world.stop().await;
    broker.stop().await;
}

const FAILED: &str = "Error while connecting to URI [0]";
const RETRIEVED: &str = "Revoked tokens are retrieved from control plane";
