//! What knocks at 18000 and 8081 and must not get in, nor harm who is inside.

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use rescind_proto::google::protobuf::value::Kind;
use rescind_stack::Part;
use tonic::Code;

use crate::{
    clients::{
        ext_authz::{check, check_request, denial},
        tls::Identity,
        xds::{XdsStream, channel, first_request},
    },
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::World,
};

pub(crate) fn add(suite: &mut Suite) {
    suite.shared(
        "an_xds_client_without_a_certificate_gets_nothing",
        no_certificate,
    );
    suite.shared("an_xds_client_of_another_ca_gets_nothing", other_ca);
    suite.shared(
        "a_number_as_instance_identifier_harms_nothing",
        numeric_instance,
    );
    suite.shared("a_first_request_without_a_node_is_refused", no_node);
    suite.shared(
        "a_check_with_garbage_is_refused_and_the_next_one_is_answered",
        garbage_check,
    );
    suite.shared(
        "an_ext_authz_client_without_a_certificate_gets_nothing",
        unknown_envoy,
    );
}

/// Whether an xDS stream with this identity gets an answer.
async fn is_served(world: &World, identity: Option<&Identity>) -> bool {
    let (address, name, ca) = (
        world.var("XDS_ADDR"),
        world.var("XDS_SERVER_NAME"),
        world.var("CA_CERT"),
    );
    let Ok(channel) = channel(&address, &name, &ca, identity).await else {
        return false;
    };
    match XdsStream::open(channel, first_request(Kind::StringValue("stranger".into()))).await {
        Ok(mut stream) => stream.next().await.is_ok(),
        Err(_) => false,
    }
}

async fn no_certificate(world: &World) {
    assert!(!is_served(world, None).await);
    assert!(is_served(world, Some(&world.xds_identity())).await);
}

async fn other_ca(world: &World) {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["enforcer".to_owned()]).unwrap();
    let file = |name: &str, pem: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let stranger = Identity {
        cert: file("cert.pem", made.cert.pem()),
        key: file("key.pem", made.signing_key.serialize_pem()),
    };
    assert!(!is_served(world, Some(&stranger)).await);
    assert!(is_served(world, Some(&world.xds_identity())).await);
}

async fn numeric_instance(world: &World) {
    let pid = world.pid(Part::Adapter);
    for instance in [
        Kind::NumberValue(7.0),
        Kind::NullValue(0),
        Kind::BoolValue(true),
    ] {
        let mut stream = XdsStream::open(world.xds_channel().await, first_request(instance))
            .await
            .unwrap();
        assert!(stream.next().await.unwrap().is_some());
    }
    assert_eq!(world.pid(Part::Adapter), pid);
}

async fn no_node(world: &World) {
    let mut first = first_request(Kind::StringValue("no-node".into()));
    first.node = None;
    let refused = match XdsStream::open(world.xds_channel().await, first).await {
        Ok(mut stream) => stream.next().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
}

async fn garbage_check(world: &World) {
    let channel = world
        .ext_authz_channel(Some(&world.router_identity()))
        .await
        .unwrap();
    let long = format!(
        "Bearer {}.{}.{}",
        "a".repeat(50_000),
        "b".repeat(40_000),
        "c".repeat(10_000)
    );
    let bad = [
        CheckRequest::default(),
        check_request(&[]),
        check_request(&[("authorization", "\u{0}\u{1}\u{fffd}")]),
        check_request(&[("authorization", &long)]),
        check_request(&[("apikey", &long)]),
        check_request(&[("authorization", "Bearer a.b.c,Bearer d.e.f")]),
    ];
    for request in bad {
        let answer = check(channel.clone(), request).await.unwrap();
        assert!(
            denial(&answer).is_some_and(|(status, _)| status == 401),
            "{answer:?}"
        );
    }

    let token = world.control_plane().token().await;
    let request = check_request(&[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(
        denial(&check(channel.clone(), request.clone()).await.unwrap()),
        None
    );
    world.control_plane().revoke(&token).await;
    world.refused_token(&token).await;
    assert_eq!(
        denial(&check(channel, request).await.unwrap()),
        Some((401, REVOKED_TOKEN))
    );
}

async fn unknown_envoy(world: &World) {
    let answer = match world.ext_authz_channel(None).await {
        Ok(channel) => check(channel, check_request(&[])).await.map(|_| ()),
        Err(_) => return,
    };
    assert!(answer.is_err());
}
