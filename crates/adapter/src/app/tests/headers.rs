//! Calls with more metadata than a server usually takes, and with too much.

use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, authorization_client::AuthorizationClient,
};

use super::*;

#[tokio::test]
async fn a_call_with_much_metadata_is_carried_as_any_other() {
    tls::install_crypto_provider();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let mut config = config(&authority, &directory);
    // Nobody listens there, and who carries says so.
    let (_held, port) = reserved();
    config.adapter.xds.passthrough.address = format!("127.0.0.1:{port}");
    config.adapter.xds.passthrough.server_name = "localhost".into();
    let app = App::build(config).await.unwrap();
    let (addresses, token) = (app.addresses(), app.token());
    let running = tokio::spawn(app.run());
    let mut client = AuthorizationClient::new(channel(&authority, addresses.xds).await);
    let call = |size: usize| {
        let mut request = tonic::Request::new(CheckRequest::default());
        let value = "x".repeat(size).parse().unwrap();
        request.metadata_mut().insert("x-long", value);
        request
    };
    for size in [100, 15_000, 40_000, 60_000] {
        let refused = client.check(call(size)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{size}: {refused}");
        let carried = refused.message().contains("the original is away");
        assert!(carried, "{size}: {refused}");
    }
    // Each call on the port may bring so much, also one that is not carried.
    for size in [70_000, 500_000] {
        let refused = client.check(call(size)).await.unwrap_err();
        let carried = refused.message().contains("the original is away");
        assert!(!carried, "{size}: {refused}");
    }
    let carried = client.check(call(100)).await.unwrap_err();
    assert_eq!(carried.code(), Code::Unavailable, "{carried}");
    token.cancel();
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
}
