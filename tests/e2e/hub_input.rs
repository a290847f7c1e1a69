//! What comes over the event hub and is not a revocation: one clear line each, and the next event is processed.

use std::{collections::BTreeMap, time::Duration};

use rescind_stack::Part;

use crate::{
    clients::hub::{Hub, event},
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.alone("malformed_events_cost_one_line_and_nothing_else", malformed);
    suite.alone(
        "an_event_of_an_unknown_type_revokes_its_token",
        unknown_type,
    );
}

async fn malformed(broker: &Broker) {
    let world = World::start(broker).await;
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    let pid = world.pid(Part::Adapter);
    let before = world.log(Part::Adapter).len();

    let empty = event("JWT", "");
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"not json at all",
        br#"{"event":{"payloadData":{"type":"JWT","ttl":"3600"}}}"#,
        br#"{"event":{"payloadData":{"revokedToken":null,"type":"JWT"}}}"#,
        &empty,
        b"\xff\xfe{\"event\"\x00",
        br#"[1,2,3]"#,
    ];
    for body in bodies {
        hub.publish(body).await;
    }
    hub.publish(&vec![b'x'; 10 << 20]).await;
    hub.publish_as("jms/map-message", b"\x00\x00\x00\x05garbage")
        .await;

    // What comes after them is processed.
    let token = world.control_plane().token().await;
    world.control_plane().revoke(&token).await;
    world.refused_token(&token).await;

    assert_eq!(world.pid(Part::Adapter), pid);
    let log = &world.log(Part::Adapter)[before..];
    let (_, metrics) = world.admin("ADAPTER_ADMIN_URL", "/metrics").await;
    let unreadable = unreadable(&metrics);
    assert_eq!(unreadable.values().sum::<u64>(), 10, "{unreadable:?}");
    for kind in unreadable.keys() {
        let line = format!("kind={kind} ");
        assert!(
            log.lines()
                .any(|text| text.contains("Hence dropping the event.") && text.contains(&line)),
            "no line with {line}: {log}"
        );
    }
    world.stop().await;
}

/// How many messages could not be read, by reason.
fn unreadable(metrics: &str) -> BTreeMap<String, u64> {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("rescind_hub_events_unreadable_total{reason=\""))
        .filter_map(|rest| rest.split_once("\"} "))
        .map(|(reason, count)| (reason.to_owned(), count.parse().unwrap()))
        .collect()
}

async fn unknown_type(broker: &Broker) {
    let world = World::start(broker).await;
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    let token = world.control_plane().token().await;
    hub.publish(&event(
        "SomethingNew",
        &crate::clients::control_plane::jti(&token),
    ))
    .await;
    world.refused_token(&token).await;

    let ask = async || world.log(Part::Adapter);
    eventually(Duration::from_secs(30), ask, |log| {
        log.contains("Event SomethingNew is received")
    })
    .await;
    world.stop().await;
}
