//! What must hold at the end of each run, whatever has happened in it.

use std::time::Duration;

use serde_json::json;

use super::{
    applied::{Applied, Follower, HEAD},
    list_server::{Answer, ListServer},
    published::Published,
};
use crate::{
    clients::hub::{Hub, NEVER},
    eventually::eventually,
    world::World,
};

/// The set is what was published, exactly, for who reads it now and for who has followed it through everything, and whose
/// sequence never went back.
pub(crate) async fn ends_exactly(
    world: &World,
    follower: Follower,
    published: &Published,
) -> Applied {
    let applied = world
        .holds_exactly(published, Duration::from_secs(120))
        .await;
    let followed = follower.stop().await;
    followed.is_exactly(published);
    assert_eq!(followed.sequence(), applied.sequence());
    applied
}

/// The same list, read ten times more, makes no new version.
pub(crate) async fn ten_lists_say_nothing_new(world: &World) {
    let head = world.metric(HEAD).await;
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    for _ in 0..10 {
        read_list_again(world, &hub).await;
    }
    assert_eq!(world.metric(HEAD).await, head);
}

/// After a run in which no list could be read, so that nothing but the hub can have brought what was published: a list that
/// has just that says nothing new, the first time and ten times more.
pub(crate) async fn the_list_says_nothing_new(
    world: &World,
    server: &ListServer,
    published: &Published,
) {
    let head = world.metric(HEAD).await;
    let rows: Vec<_> = published.iter().collect();
    // Few at a time: a call takes no longer than who makes it waits.
    for rows in rows.chunks(1_000) {
        let rows = json!({ "identifiers": rows, "publish": false, "expiryTime": NEVER });
        world.standin_post("revocations", &rows).await;
    }
    server.set(Answer::Whole);
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    read_list_again(world, &hub).await;
    ten_lists_say_nothing_new(world).await;
    assert_eq!(world.metric(HEAD).await, head);
    Applied::everything(world).await.is_exactly(published);
}

/// Asks for the list by the event that is for that, and waits until it is read: the adapter leaves the control plane in peace
/// for as long as the last reading took, a minute at the most, and takes as long again.
pub(crate) async fn read_list_again(world: &World, hub: &Hub) {
    let before = world.lists_read().await;
    hub.publish(BATCH_EVENT).await;
    let ask = || world.lists_read();
    eventually(Duration::from_secs(180), ask, |read| *read > before).await;
}

/// "Fetch the whole list again."
pub(crate) const BATCH_EVENT: &[u8] = br#"{"event":{"payloadData":{"eventId":"5a1c8ad1-5a31-4ea0-8fae-9e6ad5a7e1a5","revokedToken":"","ttl":"0","expiryTime":0,"type":"token_revocation_batch","tenantId":-1234}}}"#;
