//! An enforcer of Choreo Connect at our adapter: what it sends, and what it must get.

use rescind_proto::{
    envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    google::protobuf::value::Kind,
    wso2::discovery::keymgt::RevokedToken,
};

use crate::{
    clients::xds::{TYPE_URL, XdsStream, first_request},
    suite::Suite,
    world::World,
};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "a_classic_enforcer_gets_everything_and_then_only_what_is_new",
        everything_then_news,
    );
    suite.shared(
        "a_classic_enforcer_resumes_from_the_version_it_echoes",
        resumes,
    );
    suite.shared(
        "a_classic_enforcer_with_a_version_of_another_adapter_gets_everything",
        foreign_version,
    );
}

async fn open(world: &World, version: &str) -> XdsStream {
    let channel = world.xds_channel().await;
    let instance = Kind::StringValue(format!("classic-{version}"));
    let first = DiscoveryRequest {
        version_info: version.into(),
        ..first_request(instance)
    };
    XdsStream::open(channel, first).await.unwrap()
}

fn tokens(response: &DiscoveryResponse) -> Vec<String> {
    let decode = |any: &rescind_proto::google::protobuf::Any| {
        assert_eq!(any.type_url, TYPE_URL);
        <RevokedToken as prost::Message>::decode(any.value.as_slice())
            .unwrap()
            .jti
    };
    response.resources.iter().map(decode).collect()
}

/// Revokes a fresh token and gives its `jti`.
async fn revoke_one(world: &World) -> String {
    let token = world.control_plane().token().await;
    world.control_plane().revoke(&token).await;
    world.refused_token(&token).await;
    crate::clients::control_plane::jti(&token)
}

/// Reads and ACKs until `jti` has come; gives all that came and the last version.
async fn read_until(stream: &mut XdsStream, jti: &str) -> (Vec<String>, String) {
    let mut seen = Vec::new();
    loop {
        let response = stream
            .next()
            .await
            .unwrap()
            .expect("a live stream never ends with OK");
        assert!(!response.nonce.is_empty());
        assert_eq!(response.type_url, TYPE_URL);
        stream.ack(&response).await;
        seen.extend(tokens(&response));
        if seen.iter().any(|token| token == jti) {
            return (seen, response.version_info);
        }
    }
}

async fn everything_then_news(world: &World) {
    let before = revoke_one(world).await;
    let mut stream = open(world, "").await;
    read_until(&mut stream, &before).await;

    let after = revoke_one(world).await;
    let (news, _) = read_until(&mut stream, &after).await;
    assert!(!news.contains(&before), "what was sent is not sent again");
}

async fn resumes(world: &World) {
    let before = revoke_one(world).await;
    let (_, version) = read_until(&mut open(world, "").await, &before).await;

    let between = revoke_one(world).await;
    let (news, _) = read_until(&mut open(world, &version).await, &between).await;
    assert!(!news.contains(&before), "a known version resumes");
}

async fn foreign_version(world: &World) {
    let before = revoke_one(world).await;
    read_until(&mut open(world, "652374093").await, &before).await;
}
