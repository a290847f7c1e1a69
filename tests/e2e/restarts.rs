//! Parts that die, and what holds meanwhile and afterwards.

use std::{sync::Arc, time::Duration};

use rescind_stack::{ListForm, Part};
use tokio::sync::watch;

use crate::{
    clients::control_plane::jti,
    eventually::eventually,
    procedures::{REVOKED_TOKEN, published_versions},
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "an_enforcer_started_after_ten_revocations_refuses_all_ten",
        late_enforcer,
    );
    suite.alone(
        "an_enforcer_without_an_adapter_refuses_with_503_until_it_holds_the_set",
        no_adapter,
    );
    suite.alone(
        "an_enforcer_killed_while_the_adapter_is_down_refuses_from_its_own_log",
        own_log,
    );
    suite.alone(
        "the_adapter_knows_who_has_applied_a_revocation_and_who_has_not",
        receipts,
    );
    suite.alone(
        "a_token_revoked_while_the_adapter_is_dead_is_refused_within_10_s_of_its_return",
        dead_adapter,
    );
    suite.alone(
        "kill_9_of_adapter_and_enforcer_in_the_middle_opens_nothing",
        kill_9,
    );
    suite.own_broker(
        "a_broker_that_died_is_found_again_and_the_list_brings_what_was_missed",
        dead_broker,
    );
    suite.alone("a_list_of_the_old_form_is_read_at_start", old_list_form);
}

async fn revoked_tokens(world: &World, count: usize) -> Vec<String> {
    let mut tokens = Vec::new();
    for _ in 0..count {
        let token = world.control_plane().token().await;
        assert_eq!(world.control_plane().revoke(&token).await.status(), 200);
        tokens.push(token);
    }
    tokens
}

async fn late_enforcer(broker: &Broker) {
    let world = World::start(broker).await;
    world.end(Part::Enforcer).await;
    world.forget_enforcer();
    let tokens = revoked_tokens(&world, 10).await;
    world.begin(Part::Enforcer).await;
    for token in &tokens {
        let answer = world.gateway().with_token(token).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, REVOKED_TOKEN));
    }
    world.stop().await;
}

async fn no_adapter(broker: &Broker) {
    let world = World::start(broker).await;
    let good = world.control_plane().token().await;
    let revoked = revoked_tokens(&world, 1).await.remove(0);
    world.refused_token(&revoked).await;

    world.end(Part::Enforcer).await;
    world.end(Part::Adapter).await;
    world.forget_enforcer();
    world.begin_unready(Part::Enforcer).await;
    let ask = || world.gateway().with_token(&good);
    let answer = eventually(Duration::from_secs(30), ask, |answer| {
        answer.body.contains("not loaded")
    })
    .await;
    assert_eq!(answer.status, 503);
    assert_eq!(world.gateway().with_token(&revoked).await.status, 503);

    world.begin(Part::Adapter).await;
    let ask = || world.gateway().with_token(&good);
    eventually(Duration::from_secs(40), ask, |answer| answer.status == 200).await;
    assert_eq!(
        world.gateway().with_token(&revoked).await.body,
        REVOKED_TOKEN
    );
    world.stop().await;
}

async fn receipts(broker: &Broker) {
    let world = World::start(broker).await;
    let token = revoked_tokens(&world, 1).await.remove(0);
    world.refused_token(&token).await;
    let page = format!("revocations?token={token}");
    let ask = || world.receipt(&page);
    let known = eventually(Duration::from_secs(30), ask, |page| {
        page["by"][0]["everywhere"] == true
    })
    .await;
    assert_eq!(known["by"][0]["acked"], 1, "{known}");
    assert!(!known.to_string().contains(&jti(&token)), "{known}");
    let whence = known["by"][0]["from"].as_str().unwrap();
    assert!(whence.starts_with("event hub amqp"), "{known}");
    assert!(!whence.contains('@'), "{known}");
    let when = known["by"][0]["committed_at"].as_str().unwrap();
    assert!(when.starts_with("20") && when.ends_with('Z'), "{known}");

    world.end(Part::Enforcer).await;
    let missed = revoked_tokens(&world, 1).await.remove(0);
    let page = format!("revocations?jti={}", jti(&missed));
    let ask = || world.receipt(&page);
    let known = eventually(Duration::from_secs(30), ask, |page| page["revoked"] == true).await;
    assert_eq!(known["by"][0]["everywhere"], false, "{known}");
    assert_eq!(known["by"][0]["missing"], 1, "{known}");
    let page = format!(
        "revocations?jti={}",
        jti(&world.control_plane().token().await)
    );
    assert_eq!(world.receipt(&page).await["revoked"], false);
    world.stop().await;
}

async fn own_log(broker: &Broker) {
    let world = World::start(broker).await;
    let good = world.control_plane().token().await;
    let revoked = revoked_tokens(&world, 1).await.remove(0);
    world.refused_token(&revoked).await;

    world.end(Part::Adapter).await;
    world.kill_9(Part::Enforcer).await;
    assert_eq!(
        world.gateway().with_token(&revoked).await.body,
        REVOKED_TOKEN
    );
    assert_eq!(world.gateway().with_token(&good).await.status, 200);
    world.stop().await;
}

async fn dead_adapter(broker: &Broker) {
    let world = World::start(broker).await;
    let before = revoked_tokens(&world, 1).await.remove(0);
    world.refused_token(&before).await;
    let versions = published_versions(&world.log(Part::Adapter));

    world.end(Part::Adapter).await;
    let missed = revoked_tokens(&world, 1).await.remove(0);
    assert_eq!(
        world.gateway().with_token(&before).await.status,
        401,
        "the enforcer keeps its set"
    );
    world.begin(Part::Adapter).await;
    let ask = || world.gateway().with_token(&missed);
    let refused = eventually(Duration::from_secs(30), ask, |answer| answer.status != 200).await;
    assert_eq!(refused.body, REVOKED_TOKEN);

    let later = published_versions(&world.log(Part::Adapter));
    assert!(
        later.len() > versions.len() && later.is_sorted_by(|a, b| a < b),
        "{versions:?}, then {later:?}"
    );
    world.stop().await;
}

async fn kill_9(broker: &Broker) {
    let world = Arc::new(World::start(broker).await);
    let revoked = revoked_tokens(&world, 1).await.remove(0);
    world.refused_token(&revoked).await;

    // A caller who never stops trying.
    let (over, watched) = watch::channel(false);
    let caller = tokio::spawn({
        let (world, revoked) = (Arc::clone(&world), revoked.clone());
        async move {
            let mut answers = Vec::new();
            while !*watched.borrow() {
                answers.push(world.gateway().with_token(&revoked).await.status);
            }
            answers
        }
    });

    for part in [Part::Adapter, Part::Enforcer, Part::Adapter, Part::Enforcer] {
        world.kill_9(part).await;
        let good = world.control_plane().token().await;
        let ask = || world.gateway().with_token(&good);
        eventually(Duration::from_secs(40), ask, |answer| answer.status == 200).await;
        let another = revoked_tokens(&world, 1).await.remove(0);
        world.refused_token(&another).await;
    }
    over.send_replace(true);
    let answers = caller.await.unwrap();
    assert!(answers.contains(&401));
    assert!(
        answers.iter().all(|status| [401, 503].contains(status)),
        "{answers:?}"
    );
    Arc::into_inner(world).unwrap().stop().await;
}

async fn dead_broker() {
    let world = World::start_with_own_broker().await;
    world.kill_9_for_good(Part::Broker).await;
    let missed = revoked_tokens(&world, 1).await.remove(0);
    world.begin(Part::Broker).await;
    let ask = || world.gateway().with_token(&missed);
    eventually(Duration::from_secs(60), ask, |answer| {
        answer.body == REVOKED_TOKEN
    })
    .await;

    // And what is published from now on is heard at once, when the control plane has found its broker again too.
    let ask = async || world.standin_page("/readyz").await;
    eventually(Duration::from_secs(30), ask, |page| page == "ready\n").await;
    let ask = async || {
        world
            .log(Part::Adapter)
            .matches("Event JWT is received")
            .count()
    };
    let heard = ask().await;
    let live = revoked_tokens(&world, 1).await.remove(0);
    world.refused_token(&live).await;
    eventually(Duration::from_secs(30), ask, |count| *count > heard).await;
    world.stop().await;
}

async fn old_list_form(broker: &Broker) {
    let world = World::start_with(broker, |builder| builder.list_form(ListForm::Array)).await;
    world.end(Part::Adapter).await;
    let missed = revoked_tokens(&world, 3).await;
    world.begin(Part::Adapter).await;
    for token in &missed {
        world.refused_token(token).await;
    }
    world.stop().await;
}
