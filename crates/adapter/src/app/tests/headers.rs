//! Calls with more metadata than a server usually takes.

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
    for size in [100, 15_000, 40_000, 500_000] {
        let mut request = tonic::Request::new(CheckRequest::default());
        let value = "x".repeat(size).parse().unwrap();
        request.metadata_mut().insert("x-long", value);
        let refused = client.check(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{size}: {refused}");
        let carried = refused.message().contains("the original is away");
        assert!(carried, "{size}: {refused}");
    }
    token.cancel();
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
}
