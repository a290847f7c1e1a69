//! The real Envoy between a caller and the API: every way in, every kind of body and credential, and what each side sees.

mod bodies;
mod credentials;
mod websockets;

use std::time::Duration;

use rescind_stack::Part;

use crate::{
    clients::raw::{self, RawAnswer},
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::World,
};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "a_refusal_is_the_same_to_the_byte_on_every_listener",
        refusals,
    );
    bodies::add(suite);
    credentials::add(suite);
    websockets::add(suite);
}

/// Revokes a fresh token, and gives it once it is refused.
async fn revoked_token(world: &World) -> String {
    let token = world.control_plane().token().await;
    world.control_plane().revoke(&token).await;
    world.refused_token(&token).await;
    token
}

async fn refusals(world: &World) {
    let token = revoked_token(world).await;
    let ca = world.var("CA_CERT");
    let length = format!("content-length: {}", REVOKED_TOKEN.len());
    let expected = [
        "content-type: application/json",
        r#"www-authenticate: Bearer realm="Choreo Connect", error="invalid_token", error_description="The provided token is invalid""#,
        length.as_str(),
        "date",
        "server: envoy",
    ];
    for url in [world.var("API_URL"), world.plain_url()] {
        let mut connection = raw::connect(&url, &ca).await;
        for method in ["GET", "DELETE", "OPTIONS", "PATCH"] {
            let request = format!(
                "{method} /petstore/v1/pets HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
            );
            let answer: RawAnswer = raw::exchange(&mut *connection, request.as_bytes()).await;
            assert_eq!(answer.status, "HTTP/1.1 401 Unauthorized", "{method}");
            assert_eq!(answer.dateless(), expected, "{method}");
            assert_eq!(answer.body, REVOKED_TOKEN, "{method}");
        }
    }

    // HTTP/2 has no status line and no order, but the same names, values and body.
    let (status, headers, body) = world.caller(true).whole_answer(&token).await;
    assert_eq!((status, body.as_str()), (401, REVOKED_TOKEN));
    let mut listed: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
    listed.sort();
    assert_eq!(headers, listed);

    // And in the access log, why and by which version.
    let ask = async || {
        let log = world.log(Part::Envoy);
        let line =
            |line: &&str| line.contains(" 401 ") && line.contains("rescind_reason=token_revoked");
        log.lines().find(line).map(str::to_owned)
    };
    // Envoy writes its log each 10 s.
    let line = eventually(Duration::from_secs(20), ask, Option::is_some).await;
    let line = line.unwrap();
    let version = line.split_once("rescind_version=").unwrap().1;
    assert!(version.split(' ').next().unwrap().contains('-'), "{line}");
}
