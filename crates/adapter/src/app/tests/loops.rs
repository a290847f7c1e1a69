//! An original that is ourselves, at once or by way of another of ours.

use rescind_proto::envoy::service::auth::v3::{
    CheckRequest, authorization_client::AuthorizationClient,
};
use tokio::task::JoinHandle;

use super::*;

/// An adapter on one port, whose original is at another one.
async fn front(authority: &Authority, directory: &TempDir, port: u16, original: u16) -> App {
    let mut config = config(authority, directory);
    config.adapter.xds.port = Port::new(port).unwrap();
    // Whose certificate may not subscribe is refused, and so goes round nowhere.
    config.adapter.xds.allowed_clients.push("adapter".into());
    config.adapter.xds.passthrough.address = format!("127.0.0.1:{original}");
    config.adapter.xds.passthrough.server_name = "localhost".into();
    App::build(config).await.unwrap()
}

/// Waits until it says that it is its own original, and that calls of others are refused so.
async fn says_so(authority: &Authority, addresses: &Addresses) {
    let degraded = "its address leads back to where the call came from";
    let found = async {
        while !page(addresses.admin, "/readyz").await.1.contains(degraded) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon(found).await;
    let mut stranger = AuthorizationClient::new(channel(authority, addresses.xds).await);
    let refused = stranger.check(CheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains(degraded), "{refused}");
    // Revoked tokens are served all the same.
    stream(channel(authority, addresses.xds).await).await;
}

async fn end(token: CancellationToken, running: JoinHandle<ExitCode>) {
    token.cancel();
    assert_eq!(soon(running).await.unwrap(), ExitCode::SUCCESS);
}

#[tokio::test]
async fn an_adapter_that_is_its_own_original_carries_nothing_and_says_so() {
    tls::install_crypto_provider();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (_held, port) = reserved();
    let app = front(&authority, &directory, port, port).await;
    let (addresses, token) = (app.addresses(), app.token());
    let running = tokio::spawn(app.run());
    says_so(&authority, &addresses).await;
    end(token, running).await;
}

#[tokio::test]
async fn two_adapters_that_are_each_others_original_say_so() {
    tls::install_crypto_provider();
    let authority = Authority::new();
    let directories = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [(_first, first), (_second, second)] = [reserved(), reserved()];
    let apps = [
        front(&authority, &directories[0], first, second).await,
        front(&authority, &directories[1], second, first).await,
    ];
    let mut running = Vec::new();
    for app in apps {
        let (addresses, token) = (app.addresses(), app.token());
        running.push((addresses, token, tokio::spawn(app.run())));
    }
    for (addresses, ..) in &running {
        says_so(&authority, addresses).await;
    }
    for (_, token, running) in running {
        end(token, running).await;
    }
}
