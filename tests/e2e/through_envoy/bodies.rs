//! Bodies of every size and framing: they reach the API whole, or not at all.

use http::Method;
use rescind_stack::Part;
use serde_json::Value;

use super::revoked_token;
use crate::{
    clients::{gateway::Gateway, raw},
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "bodies_of_every_size_reach_the_api_whole_or_not_at_all",
        every_way,
    );
    suite.alone(
        "bodies_larger_than_the_buffer_of_ext_authz_reach_the_api_whole_or_not_at_all",
        beyond_the_buffer,
    );
}

/// None, empty, small, and larger than what is read at once on the way.
fn bodies() -> Vec<Option<String>> {
    let long = |length: usize| {
        let letters = (b'a'..=b'z').cycle().take(length);
        String::from_utf8(letters.collect()).unwrap()
    };
    let small = r#"{"hello":"world"}"#.to_owned();
    vec![
        None,
        Some(String::new()),
        Some(small),
        Some(long(70_000)),
        Some(long(1_500_000)),
    ]
}

/// Over each of these a body goes through with a good token, and is answered by the refusal with a revoked one.
async fn both(world: &World, gateways: &[(&str, Gateway)]) {
    let good = world.control_plane().token().await;
    let revoked = revoked_token(world).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let (good, revoked) = (bearer(&good), bearer(&revoked));
    for (way, gateway) in gateways {
        for body in bodies() {
            let length = body.as_ref().map_or(0, String::len);
            let headers = [("authorization", good.as_str())];
            let answer = gateway
                .request(Method::POST, "/7", &headers, body.as_deref())
                .await;
            assert_eq!(answer.status, 200, "{way}, {length} bytes: {}", answer.body);
            let seen: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(seen["method"], "POST");
            assert_eq!(seen["path"], "/petstore/v1/pets/7");
            assert!(
                seen["body"] == body.clone().unwrap_or_default(),
                "{way}: another body of {length} bytes"
            );
            assert_eq!(seen["headers"]["authorization"], Value::Null, "{way}");

            let headers = [("authorization", revoked.as_str())];
            let answer = gateway
                .request(Method::POST, "/7", &headers, body.as_deref())
                .await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (401, REVOKED_TOKEN),
                "{way}, {length} bytes"
            );
        }
    }
}

/// The ways in: HTTP/1.1 and HTTP/2, with and without TLS.
fn ways(world: &World) -> [(&'static str, Gateway); 4] {
    let (plain, ca) = (world.plain_url(), world.var("CA_CERT"));
    [
        ("HTTP/1.1 over TLS", world.caller(false)),
        ("HTTP/2 over TLS", world.caller(true)),
        ("HTTP/1.1", Gateway::new(&plain, &ca)),
        ("HTTP/2", Gateway::http2(&plain, &ca)),
    ]
}

/// A chunked body, sent piece by piece on a connection that is used again.
async fn chunked(world: &World) {
    let good = world.control_plane().token().await;
    let revoked = revoked_token(world).await;
    for url in [world.var("API_URL"), world.plain_url()] {
        let mut connection = raw::connect(&url, &world.var("CA_CERT")).await;
        let request = |token: &str| {
            let pieces = ["fir".to_owned(), "s".repeat(40_000), "t".to_owned()];
            let pieces: String = pieces
                .iter()
                .map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()))
                .collect();
            format!(
                "POST /petstore/v1/pets HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n{pieces}0\r\n\r\n"
            )
        };
        for _ in 0..2 {
            let answer = raw::exchange(&mut *connection, request(&good).as_bytes()).await;
            assert_eq!(answer.status, "HTTP/1.1 200 OK");
            let seen: Value = serde_json::from_str(&answer.body).unwrap();
            let expected = format!("fir{}t", "s".repeat(40_000));
            assert!(seen["body"] == expected, "another body");
        }
        // What follows on this connection is Envoy's affair: it may not have read all of it.
        let answer = raw::exchange(&mut *connection, request(&revoked).as_bytes()).await;
        assert_eq!(answer.status, "HTTP/1.1 401 Unauthorized");
        assert_eq!(answer.body, REVOKED_TOKEN);
    }
}

async fn every_way(world: &World) {
    both(world, &ways(world)).await;
    chunked(world).await;
}

/// An Envoy that sends the beginning of each body to the enforcer.
async fn beyond_the_buffer(broker: &Broker) {
    let world = World::start(broker).await;
    world.edit_envoy(|text| {
        let filter = "              failure_mode_allow: false\n";
        assert!(text.contains(filter));
        let buffer = "with_request_body: { max_request_bytes: 16384, allow_partial_message: true }";
        text.replacen(filter, &format!("{filter}              {buffer}\n"), 1)
    });
    world.restart(Part::Envoy).await;
    both(&world, &ways(&world)).await;
    chunked(&world).await;
    world.stop().await;
}
