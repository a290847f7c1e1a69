//! Many revocations at once.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use crate::{
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

const BURST: usize = 1_000;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "a_burst_of_1000_revocations_while_the_enforcer_is_busy_loses_none",
        burst,
    );
}

async fn burst(broker: &Broker) {
    let world = Arc::new(World::start(broker).await);
    let tokens: Vec<String> = stream::iter(0..BURST)
        .map(|_| {
            let world = Arc::clone(&world);
            async move { world.control_plane().token().await }
        })
        .buffered(8)
        .collect()
        .await;

    // Callers who keep the enforcer busy with a good token, until the burst is over.
    let (over, watched) = watch::channel(false);
    let good = world.control_plane().token().await;
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (world, good, watched) = (Arc::clone(&world), good.clone(), watched.clone());
            tokio::spawn(async move {
                let gateway = world.gateway();
                let mut answers = 0;
                while !*watched.borrow() {
                    assert_eq!(gateway.with_token(&good).await.status, 200);
                    answers += 1;
                }
                answers
            })
        })
        .collect();

    stream::iter(&tokens)
        .for_each_concurrent(16, |token| async {
            assert_eq!(world.control_plane().revoke(token).await.status(), 200);
        })
        .await;
    world.refused_token(&tokens[BURST - 1]).await;
    over.send_replace(true);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }

    for (at, token) in tokens.iter().enumerate() {
        let answer = world.refused_token(token).await;
        assert_eq!(answer.body, REVOKED_TOKEN, "token {at}");
    }
    assert_eq!(world.gateway().with_token(&good).await.status, 200);
    Arc::into_inner(world).unwrap().stop().await;
}
