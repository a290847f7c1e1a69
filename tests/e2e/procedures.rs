//! The two procedures that the documentation promises.

use std::time::Duration;

use http::Method;
use rescind_stack::Part;
use tokio::process::Command;

use crate::{eventually::eventually, suite::Suite, world::World};

/// The body for a revoked access token, to the byte.
pub(crate) const REVOKED_TOKEN: &str = r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid JWT token. Make sure you have provided the correct security credentials"}"#;

/// The body for a revoked API key, to the byte.
pub(crate) const REVOKED_KEY: &str = r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid Credentials. Make sure you have provided the correct security credentials"}"#;

pub(crate) fn add(suite: &mut Suite) {
    suite.shared("the_demo_plays_both_procedures", demo);
    suite.shared(
        "a_revoked_access_token_is_refused_with_the_documented_body",
        access_token,
    );
    suite.shared("a_revoked_api_key_is_refused_in_header_and_query", api_key);
    suite.shared(
        "a_query_reaches_the_api_as_it_was_sent_but_for_its_api_key",
        queries,
    );
    suite.shared(
        "a_second_token_of_the_same_application_still_passes",
        second_token,
    );
    suite.shared("a_wrong_client_secret_revokes_nothing", wrong_secret);
    suite.shared(
        "the_adapter_logs_the_two_lines_with_rising_versions",
        log_lines,
    );
    suite.shared(
        "step_four_with_its_body_is_refused_two_hundred_times",
        two_hundred_times,
    );
}

async fn demo(world: &World) {
    let output = Command::new(world.binary("rescind-stack"))
        .args(["demo", "--state"])
        .arg(world.state())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn access_token(world: &World) {
    let token = world.control_plane().token().await;
    assert_eq!(world.gateway().with_token(&token).await.status, 200);

    let answer = world.control_plane().revoke(&token).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["revokedaccesstoken"].to_str().unwrap(),
        token
    );

    let refused = world.refused_token(&token).await;
    assert_eq!(refused.body, REVOKED_TOKEN);
    assert_eq!(refused.content_type.as_deref(), Some("application/json"));
    assert_eq!(
        refused.challenge.as_deref(),
        Some(
            r#"Bearer realm="Choreo Connect", error="invalid_token", error_description="The provided token is invalid""#
        )
    );
}

async fn api_key(world: &World) {
    let key = world.control_plane().api_key().await;
    let query = format!("?apikey={key}&page=2");
    let gateway = world.gateway();
    assert_eq!(gateway.with_api_key(&key).await.status, 200);
    let echoed = gateway.request(Method::GET, &query, &[], None).await;
    assert_eq!(echoed.status, 200);
    assert!(
        !echoed.body.contains(&key),
        "the upstream must not see the key"
    );
    assert!(
        echoed.body.contains("page=2"),
        "the rest of the query must reach the upstream: {}",
        echoed.body
    );

    let answer = world.control_plane().revoke_api_key(&key).await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.text().await.unwrap().as_str()
        ),
        (200, "")
    );

    let ask = || gateway.with_api_key(&key);
    let refused = eventually(Duration::from_secs(30), ask, |answer| answer.status != 200).await;
    assert_eq!((refused.status, refused.body.as_str()), (401, REVOKED_KEY));
    let refused = gateway.request(Method::GET, &query, &[], None).await;
    assert_eq!((refused.status, refused.body.as_str()), (401, REVOKED_KEY));
}

async fn queries(world: &World) {
    let bearer = format!("Bearer {}", world.control_plane().token().await);
    let key = world.control_plane().api_key().await;
    let encoded_key = key.replace('=', "%3D");
    for query in [
        "a=%26&b=%3D",
        "u=http%3A%2F%2Fx%3Fa%3D1%26b%3D2",
        "q=a%23b&b=%20x",
        "q=a%2Bb+c",
        "a=1&&y&q=%E2%82%AC",
    ] {
        for (sent, headers) in [
            (
                format!("?{query}"),
                &[("authorization", bearer.as_str())][..],
            ),
            (format!("?apikey={encoded_key}&{query}"), &[][..]),
            (format!("?{query}&%61pikey={encoded_key}"), &[][..]),
        ] {
            let answer = world
                .gateway()
                .request(Method::GET, &sent, headers, None)
                .await;
            assert_eq!(answer.status, 200, "{query}");
            let echoed: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(echoed["query"], query);
        }
    }
}

async fn second_token(world: &World) {
    let (first, second) = (
        world.control_plane().token().await,
        world.control_plane().token().await,
    );
    world.control_plane().revoke(&first).await;
    world.refused_token(&first).await;
    assert_eq!(world.gateway().with_token(&second).await.status, 200);
}

async fn wrong_secret(world: &World) {
    let token = world.control_plane().token().await;
    let answer = world
        .control_plane()
        .revoke_as(&world.var("CLIENT_ID"), "wrong", &token)
        .await;
    assert_eq!(answer.status(), 401);

    // What was revoked after it has arrived, so it would have arrived too.
    let marker = world.control_plane().token().await;
    world.control_plane().revoke(&marker).await;
    world.refused_token(&marker).await;
    assert_eq!(world.gateway().with_token(&token).await.status, 200);
}

async fn log_lines(world: &World) {
    for _ in 0..3 {
        let token = world.control_plane().token().await;
        world.control_plane().revoke(&token).await;
        world.refused_token(&token).await;
    }
    let log = world.log(Part::Adapter);
    assert!(
        log.lines()
            .any(|line| line.contains("INFO") && line.contains("] Event JWT is received")),
        "{log}"
    );
    let versions = published_versions(&log);
    assert!(versions.len() >= 3, "{log}");
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
}

/// The versions in the log lines that operators know.
pub(crate) fn published_versions(log: &str) -> Vec<u64> {
    const LINE: &str =
        "New Revoked token cache update for the label: commonEnforcerLabel version: ";
    log.lines()
        .filter_map(|line| line.split_once(LINE))
        .map(|(_, rest)| rest.split_whitespace().next().unwrap().parse().unwrap())
        .collect()
}

async fn two_hundred_times(world: &World) {
    let token = world.control_plane().token().await;
    world.control_plane().revoke(&token).await;
    world.refused_token(&token).await;
    for round in 0..200 {
        // curl, as the document has it, on a connection of its own each time.
        let output = Command::new("curl")
            .args([
                "-s",
                "-k",
                "-X",
                "POST",
                &world.var("API_URL"),
                "-H",
                "accept: application/json",
            ])
            .args([
                "-H",
                "Content-Type: application/json",
                "-H",
                &format!("Authorization: Bearer {token}"),
            ])
            .args(["-d", r#"{"hello":"world"}"#, "-w", " %{http_code}"])
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "round {round}: curl: {}",
            output.status
        );
        assert_eq!(said, format!("{REVOKED_TOKEN} 401"), "round {round}");
    }
}
