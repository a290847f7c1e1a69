//! Moments that cannot be, and clocks that do not agree.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rescind_stack::Part;
use serde_json::json;

use super::{
    applied::{Applied, HEAD},
    cuts::sound,
    ending::read_list_again,
    list_server::{Answer, ListServer},
    published::Published,
    rest::world_with_list,
    seed::{chance, identifiers},
};
use crate::{
    clients::hub::Hub,
    eventually::eventually,
    suite::Suite,
    world::{Broker, World},
};

/// 1 January 2099, in milliseconds.
const IN_2099: i64 = 4_070_908_800_000;

const HOUR: i64 = 3_600_000;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "an_application_revoked_in_2099_is_revoked_when_that_was_first_heard",
        in_2099,
    );
    suite.alone(
        "a_control_plane_an_hour_off_is_believed_and_loses_nothing",
        an_hour_off,
    );
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

async fn in_2099(broker: &Broker) {
    let world = World::start(broker).await;
    let before = world.control_plane().token().await;
    assert_eq!(world.gateway().with_token(&before).await.status, 200);
    let heard_after = now();
    let application = world.var("APPLICATION_ID");
    let call = format!("applications/{application}/revoke");
    let answer = world
        .standin_post(&call, &json!({ "revocationTime": IN_2099 }))
        .await;
    let key = answer["consumerKey"].as_str().unwrap();
    world.refused_token(&before).await;

    let heard_before = now();
    let held = Applied::everything(&world).await;
    let at = held.of(key).unwrap().revoked_at_ms;
    assert!((heard_after..=heard_before).contains(&at), "{at}");

    // One that is issued in a later second is good, for the list says the same again and changes nothing.
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    for _ in 0..10 {
        read_list_again(&world, &hub).await;
    }
    assert_eq!(world.metric(HEAD).await, held.sequence() as f64);
    // The same event once more changes as little: what comes after it shows that it was heard.
    world
        .standin_post(&call, &json!({ "revocationTime": IN_2099 }))
        .await;
    world.publish(&["another".to_owned()]).await;
    let page = "revocations?jti=another";
    let ask = || world.receipt(page);
    eventually(Duration::from_secs(30), ask, |page| page["revoked"] == true).await;
    assert_eq!(world.metric(HEAD).await, held.sequence() as f64 + 1.0);

    let ask = async || {
        let later = world.control_plane().token().await;
        world.gateway().with_token(&later).await.status
    };
    eventually(Duration::from_secs(30), ask, |status| *status == 200).await;
    assert_eq!(world.gateway().with_token(&before).await.status, 401);

    // And over a restart.
    world.kill_9(Part::Adapter).await;
    let held = Applied::everything(&world).await;
    assert_eq!(held.of(key).unwrap().revoked_at_ms, at);
    world.stop().await;
}

async fn an_hour_off(broker: &Broker) {
    let hub = broker.fresh_url();
    for off in [HOUR, -HOUR] {
        let mut server = ListServer::new(Answer::Whole);
        server.set_clock(off / 1000);
        let world = world_with_list(&hub, &mut server).await;
        let listed = identifiers(&mut chance(1), 10);
        world.list_only(&listed).await;
        world.begin(Part::Adapter).await;
        sound(&world).await;
        let offset = world
            .metric("rescind_control_plane_clock_offset_seconds")
            .await;
        assert!((offset - off as f64 / 1000.0).abs() < 60.0, "{offset}");

        // By its own clock the control plane revokes now, and what expires does so in half an hour.
        let its_now = now() + off;
        let application = world.var("APPLICATION_ID");
        let call = format!("applications/{application}/revoke");
        let revoked = world
            .standin_post(&call, &json!({ "revocationTime": its_now }))
            .await;
        let key = revoked["consumerKey"].as_str().unwrap().to_owned();
        let ids = identifiers(&mut chance(2), 10);
        let expiry = its_now + HOUR / 2;
        let body = json!({ "identifiers": ids, "publish": true, "expiryTime": expiry });
        world.standin_post("revocations", &body).await;

        let mut published = Published::from_iter(listed);
        published.extend(ids.iter().cloned());
        published.insert(key.clone());
        let held = world
            .holds_exactly(&published, Duration::from_secs(20))
            .await;
        assert_eq!(held.of(&key).unwrap().revoked_at_ms, its_now, "as it says");
        // Whole seconds, rounded up. By our clock one of the two had expired before it came; by the sender's it had not.
        let known = (expiry + 999) / 1000 * 1000;
        for id in &ids {
            assert_eq!(held.of(id).unwrap().expirytime, known);
        }
        let hub = Hub::connect(&world.var("AMQP_URL")).await;
        read_list_again(&world, &hub).await;
        Applied::everything(&world).await.is_exactly(&published);
        world.stop().await;
    }
}
