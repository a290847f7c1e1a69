//! The adapter is away, frozen, or has lost its disk.

use std::time::Duration;

use http::Method;
use rescind_stack::Part;

use super::becomes;
use crate::{
    clients::hub::{Hub, event},
    clients::{control_plane::jti, gateway::Answer},
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

const STALE: &str = r#"{"error_message":"Service Unavailable","code":"900900","error_description":"Revoked tokens have not been confirmed for longer than is allowed"}"#;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "an_adapter_away_longer_than_the_bound_leaves_it_to_the_policy_of_each_route",
        beyond_the_bound,
    );
    suite.alone(
        "a_frozen_adapter_is_left_after_15_s_and_the_age_grows_until_it_is_back",
        frozen,
    );
    suite.alone(
        "an_adapter_that_lost_its_disk_gets_its_enforcers_back_with_all_they_know",
        lost_disk,
    );
}

/// Routes whose stale policy is not the configured one.
const ROUTES: &str = r#"
              - match: { prefix: /petstore/v1/pets/allow }
                route: { cluster: upstream }
                typed_per_filter_config:
                  envoy.filters.http.ext_authz:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                    check_settings: { context_extensions: { rescind_stale_policy: allow } }
              - match: { prefix: /petstore/v1/pets/deny-writes }
                route: { cluster: upstream }
                typed_per_filter_config:
                  envoy.filters.http.ext_authz:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                    check_settings: { context_extensions: { rescind_stale_policy: deny-writes } }
"#;

async fn beyond_the_bound(broker: &Broker) {
    let world = World::start_with(broker, |builder| {
        builder.config(Part::Enforcer, "[enforcer.staleness]\nbound = 20\n")
    })
    .await;
    world.edit_envoy(|text| {
        let routes = "              routes:\n";
        assert!(text.contains(routes));
        let more = format!("{routes}{}", ROUTES.trim_start_matches('\n'));
        text.replacen(routes, &more, 1)
    });
    world.restart(Part::Envoy).await;
    let good = world.control_plane().token().await;
    let revoked = world.control_plane().token().await;
    world.control_plane().revoke(&revoked).await;
    world.refused_token(&revoked).await;

    let ask = async |method: Method, route: &str, token: &str| -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        world.gateway().request(method, route, &headers, None).await
    };
    let all = [
        (Method::GET, "", 503),
        (Method::POST, "", 503),
        (Method::GET, "/allow", 200),
        (Method::POST, "/allow", 200),
        (Method::GET, "/deny-writes", 200),
        (Method::HEAD, "/deny-writes", 200),
        (Method::OPTIONS, "/deny-writes", 200),
        (Method::POST, "/deny-writes", 503),
        (Method::DELETE, "/deny-writes", 503),
    ];
    world.kill_9_for_good(Part::Adapter).await;
    for (method, route, _) in all.clone() {
        assert_eq!(ask(method, route, &good).await.status, 200, "{route}");
    }

    let wait = || ask(Method::GET, "", &good);
    let stale = eventually(Duration::from_secs(40), wait, |answer| answer.status != 200).await;
    assert_eq!((stale.status, stale.body.as_str()), (503, STALE));
    assert_eq!(stale.content_type.as_deref(), Some("application/json"));
    assert_eq!(stale.challenge, None);
    for (method, route, status) in all {
        let answer = ask(method.clone(), route, &good).await;
        assert_eq!(answer.status, status, "{method} {route}");
        if status == 503 {
            assert_eq!(answer.body, STALE, "{method} {route}");
        }
        if method == Method::GET {
            let answer = ask(method, route, &revoked).await;
            assert_eq!((answer.status, answer.body.as_str()), (401, REVOKED_TOKEN));
        }
    }

    // What an operator sees.
    let look = || world.gauge("link_age_seconds");
    eventually(Duration::from_secs(30), look, |age| *age >= 20.0).await;
    assert_eq!(world.gauge("set_stale").await, 1.0);
    assert!(world.gauge("stale_passed_total").await >= 5.0);
    // Staleness is the policy's affair, not readiness's.
    let look = || world.admin("ENFORCER_ADMIN_URL", "/readyz");
    eventually(Duration::from_secs(30), look, |(status, page)| {
        *status == 200 && page.contains("link age: beyond its bound of 20s")
    })
    .await;

    world.begin(Part::Adapter).await;
    let wait = || ask(Method::GET, "", &good);
    eventually(Duration::from_secs(20), wait, |answer| answer.status == 200).await;
    let fresh = async || world.log(Part::Enforcer);
    eventually(Duration::from_secs(30), fresh, |log| {
        log.contains("The revoked set is fresh again")
    })
    .await;
    assert_eq!(world.gauge("set_stale").await, 0.0);
    world.stop().await;
}

async fn frozen(broker: &Broker) {
    let parts = [Part::Standin, Part::Adapter, Part::Enforcer];
    let world = World::start_with(broker, |builder| builder.only(&parts)).await;
    let gate = world.gate().await;
    let good = world.control_plane().token().await;
    let revoked = world.control_plane().token().await;
    world.control_plane().revoke(&revoked).await;
    assert_eq!(becomes(&gate, &revoked, 401).await.body, REVOKED_TOKEN);
    assert_eq!(world.gauge("adapter_connected").await, 1.0);

    world.freeze(Part::Adapter);
    is_left(&world).await;
    // By the silence or by a ping without an answer, whichever is over first: neither is before 15 s.
    let log = world.log(Part::Enforcer);
    assert!(log.contains("no link to the adapter"), "{log}");
    // Connections that stand prove nothing: what was not said does not count.
    let verdict = gate.token(&good).await;
    assert_eq!((verdict.status, verdict.stale), (200, false));
    assert!(verdict.age.is_some_and(|age| age >= 14), "{verdict:?}");
    assert_eq!(gate.token(&revoked).await.body, REVOKED_TOKEN);
    let before = world.gauge("link_age_seconds").await;
    let ask = || world.gauge("link_age_seconds");
    eventually(Duration::from_secs(30), ask, |age| *age >= before + 1.0).await;
    let (status, page) = world.admin("ENFORCER_ADMIN_URL", "/readyz").await;
    assert_eq!(status, 200);
    assert!(page.contains("no stream to an adapter is open"), "{page}");

    world.thaw(Part::Adapter);
    let ask = || world.gauge("link_age_seconds");
    eventually(Duration::from_secs(20), ask, |age| *age < 6.0).await;
    assert_eq!(world.gauge("adapter_connected").await, 1.0);
    let missed = world.control_plane().token().await;
    world.control_plane().revoke(&missed).await;
    becomes(&gate, &missed, 401).await;
    world.stop().await;
}

/// Waits until the enforcer has left its adapter. No clock of ours says whether that is soon enough: the enforcer may not go on
/// answering that it is connected while its own age, on the same page, is well beyond the 15 s.
async fn is_left(world: &World) {
    let mut overdue = 0;
    let ask = || world.gauges(["adapter_connected", "link_age_seconds"]);
    let left = |&[connected, age]: &[f64; 2]| {
        overdue += u32::from(connected != 0.0 && age > 20.0);
        assert!(overdue < 50, "connected at an age of {age} s");
        connected == 0.0
    };
    eventually(Duration::from_secs(60), ask, left).await;
}

async fn lost_disk(broker: &Broker) {
    let parts = [Part::Standin, Part::Adapter, Part::Enforcer];
    let world = World::start_with(broker, |builder| builder.only(&parts)).await;
    let gate = world.gate().await;
    let good = world.control_plane().token().await;
    let listed = world.control_plane().token().await;
    world.control_plane().revoke(&listed).await;
    // An event alone: the control plane's list does not have it, so nobody but the adapter's ledger and its enforcers.
    let unlisted = world.control_plane().token().await;
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    hub.publish(&event("JWT", &jti(&unlisted))).await;
    for token in [&listed, &unlisted] {
        becomes(&gate, token, 401).await;
    }
    let first = world.receipt("enforcers").await["ledger"].clone();

    world.end(Part::Adapter).await;
    world.lose_disk(Part::Adapter);
    world.begin(Part::Adapter).await;
    let always = async || {
        assert_eq!(gate.token(&good).await.status, 200);
        for token in [&listed, &unlisted] {
            assert_eq!(gate.token(token).await.body, REVOKED_TOKEN);
        }
        world.gauge("surplus_entries").await
    };
    // The walk over the new ledger shows what it does not have; that stays, marked and enforced.
    eventually(Duration::from_secs(20), always, |surplus| *surplus == 1.0).await;
    let now = world.receipt("enforcers").await;
    assert_ne!(now["ledger"], first);
    assert_eq!(now["complete"], true);
    let page = format!("revocations?jti={}", jti(&unlisted));
    assert_eq!(world.receipt(&page).await["revoked"], false);
    let ask = async || world.receipt("enforcers").await["enforcers"][0]["state"].clone();
    eventually(Duration::from_secs(30), ask, |state| state == "SYNCED").await;

    let news = world.control_plane().token().await;
    world.control_plane().revoke(&news).await;
    becomes(&gate, &news, 401).await;
    world.kill_9(Part::Enforcer).await;
    let gate = world.gate().await;
    for token in [&listed, &unlisted, &news] {
        assert_eq!(gate.token(token).await.body, REVOKED_TOKEN);
    }
    assert_eq!(gate.token(&good).await.status, 200);
    world.stop().await;
}
