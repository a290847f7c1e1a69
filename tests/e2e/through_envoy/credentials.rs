//! Every kind of credential in every place, through Envoy: what passes, what is refused, and what of it the API sees.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};

use crate::{
    clients::{
        control_plane::jti,
        gateway::{Answer, Gateway},
        hub::{Hub, event},
    },
    eventually::eventually,
    procedures::{REVOKED_KEY, REVOKED_TOKEN},
    suite::Suite,
    world::World,
};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "each_kind_of_credential_in_each_place_is_refused_once_revoked",
        each,
    );
    suite.shared(
        "a_revoked_credential_beside_a_good_one_of_another_kind_is_refused",
        beside,
    );
}

/// A credential in a place: headers, and what is put behind the path.
struct Place {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    query: String,
}

/// A key of the Publisher's test console, signed as an API Manager signs it.
fn internal_key(world: &World) -> String {
    let signer = world.identity("api-key-signing");
    let key = KeyPair::from_pem(&std::fs::read_to_string(signer.key).unwrap()).unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let number: u64 = u64::from(std::process::id()) << 32 | now;
    let id = format!("0b0b0b0b-0000-4000-8000-{:012x}", number & 0xffff_ffff_ffff);
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({ "typ": "JWT", "alg": "RS256" }));
    let claims = part(json!({
        "jti": id, "iss": "https://localhost/publisher", "token_type": "InternalKey", "iat": now, "exp": now + 3_600,
    }));
    let signed = format!("{head}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

async fn ask(gateway: &Gateway, place: &Place) -> Answer {
    let headers: Vec<_> = place
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    gateway
        .request(Method::GET, &place.query, &headers, None)
        .await
}

async fn each(world: &World) {
    let control_plane = world.control_plane();
    let hub = Hub::connect(&world.var("AMQP_URL")).await;
    let token = control_plane.token().await;
    let internal = internal_key(world);
    let keys = [control_plane.api_key().await, control_plane.api_key().await];
    let place = |name, header: Option<(&'static str, &str)>, query: String| Place {
        name,
        headers: header
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        query,
    };
    let bearer = format!("Bearer {token}");
    let places = [
        (
            place(
                "bearer token",
                Some(("authorization", &bearer)),
                String::new(),
            ),
            &token,
            REVOKED_TOKEN,
        ),
        (
            place(
                "API key in its header",
                Some(("apikey", &keys[0])),
                String::new(),
            ),
            &keys[0],
            REVOKED_KEY,
        ),
        (
            place(
                "API key in the query",
                None,
                format!("?page=2&apikey={}", keys[1]),
            ),
            &keys[1],
            REVOKED_KEY,
        ),
        (
            place(
                "internal key",
                Some(("internal-key", &internal)),
                String::new(),
            ),
            &internal,
            REVOKED_KEY,
        ),
    ];
    let ca = world.var("CA_CERT");
    let gateways = [
        world.caller(false),
        world.caller(true),
        Gateway::new(&world.plain_url(), &ca),
    ];
    for (place, credential, refusal) in &places {
        for gateway in &gateways {
            let answer = ask(gateway, place).await;
            assert_eq!(answer.status, 200, "{}: {}", place.name, answer.body);
            for piece in credential.split('.') {
                assert!(
                    !answer.body.contains(piece),
                    "the API sees the {}",
                    place.name
                );
            }
        }
        hub.publish(&event("JWT", &jti(credential))).await;
        let refused = || ask(&gateways[0], place);
        eventually(Duration::from_secs(30), refused, |answer| {
            answer.status != 200
        })
        .await;
        for gateway in &gateways {
            let answer = ask(gateway, place).await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (401, *refusal),
                "{}",
                place.name
            );
            assert_eq!(answer.content_type.as_deref(), Some("application/json"));
        }
    }
}

async fn beside(world: &World) {
    let control_plane = world.control_plane();
    let token = format!("Bearer {}", control_plane.token().await);
    let key = control_plane.api_key().await;
    let both = Place {
        name: "both",
        headers: vec![("authorization", token), ("apikey", key.clone())],
        query: String::new(),
    };
    assert_eq!(ask(world.gateway(), &both).await.status, 200);
    control_plane.revoke_api_key(&key).await;
    let refused = || ask(world.gateway(), &both);
    let answer = eventually(Duration::from_secs(30), refused, |answer| {
        answer.status != 200
    })
    .await;
    assert_eq!(answer.status, 401);
}
