//! Whose certificates may subscribe, and which of them several clients share.

use rescind_runtime::cli::Part as _;

use super::{connections::Written, *};
use crate::testing::Log;

/// An adapter with one token whose own certificate is called `adapter`.
async fn served(
    authority: &Authority,
    directory: &TempDir,
    change: impl FnOnce(&mut Config),
) -> (
    Addresses,
    CancellationToken,
    tokio::task::JoinHandle<ExitCode>,
) {
    tls::install_crypto_provider();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(&[token("token-a")]).unwrap();
    drop(ledger);
    let mut config = config(authority, directory);
    config.adapter.admin.read_token = rescind_runtime::config::Secret::new("reads");
    change(&mut config);
    let app = App::build(config).await.unwrap();
    let (addresses, stop) = (app.addresses(), app.token());
    (addresses, stop, tokio::spawn(app.run()))
}

/// How a stream of this client ends that is refused.
async fn refused(channel: &Channel, instance: &str) -> tonic::Status {
    let mut stream = Written::open(channel, instance).await;
    soon(stream.responses.message()).await.unwrap_err()
}

#[tokio::test]
async fn a_certificate_that_is_not_said_to_be_shared_has_one_client_at_a_time() {
    let mut log = Log::capture();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (addresses, stop, running) = served(&authority, &directory, |config| {
        config.adapter.xds.shared_certificates.clear();
    })
    .await;
    let (one, two) = (
        channel(&authority, addresses.xds).await,
        channel(&authority, addresses.xds).await,
    );
    let mut first = Written::open(&one, "gw-1").await;
    first.next().await;
    let status = refused(&two, "gw-2").await;
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("adapter.xds.sharedCertificates"));
    let line = log.line("xDS stream refused").await;
    assert!(line.contains("adapter.xds.sharedCertificates"), "{line}");
    log.line("shared certificates").await;
    let shown = read(addresses.admin, "/readyz").await;
    assert!(shown.contains("shared certificates"), "{shown}");
    // It is still the same one on another connection, and may be another one when it is gone.
    let mut again = Written::open(&two, "gw-1").await;
    again.next().await;
    drop((first, again, one));
    let next = async {
        loop {
            let mut next = Written::open(&two, "gw-2").await;
            if next.responses.message().await.is_ok() {
                return;
            }
        }
    };
    soon(next).await;
    stop.cancel();
    soon(running).await.unwrap();
}

#[tokio::test]
async fn where_nobody_is_named_who_shows_the_adapters_own_certificate_may_subscribe() {
    let mut log = Log::capture();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (addresses, stop, running) = served(&authority, &directory, |config| {
        config.adapter.xds.allowed_clients.clear();
        config.adapter.xds.shared_certificates.clear();
    })
    .await;
    let told = log.line("adapter.xds.allowedClients is not set").await;
    assert!(told.contains("adapter"), "{told}");
    let other = channel(&authority, addresses.xds).await;
    let mut client = RevokedTokenDiscoveryServiceClient::new(other);
    let refused = client.fetch_tokens(DiscoveryRequest::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("adapter.xds.allowedClients"));
    let line = log.line("xDS stream refused").await;
    assert!(line.contains("adapter.xds.allowedClients"), "{line}");

    let same = channel_of("adapter", &authority, addresses.xds)
        .await
        .unwrap();
    let mut both = [
        Written::open(&same, "gw-1").await,
        Written::open(&same, "gw-2").await,
    ];
    for stream in &mut both {
        stream.next().await;
    }
    let shown = read(addresses.admin, "/v1/enforcers").await;
    for part in [
        "\"allowed_clients\":[\"adapter\"]",
        "\"may_be_shared\":[\"adapter\"]",
        "\"shared_certificates\":[\"adapter\"]",
    ] {
        assert!(shown.contains(part), "{part} {shown}");
    }
    stop.cancel();
    soon(running).await.unwrap();
}

#[tokio::test]
async fn a_star_alone_lets_several_come_with_one_certificate_and_is_warned_of() {
    let mut log = Log::capture();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (addresses, stop, running) = served(&authority, &directory, |config| {
        config.adapter.xds.allowed_clients = vec!["*".into()];
        config.adapter.xds.shared_certificates.clear();
    })
    .await;
    let line = log.line("adapter.xds.sharedCertificates").await;
    assert!(line.contains("WARN"), "{line}");
    let channel = channel(&authority, addresses.xds).await;
    let mut both = [
        Written::open(&channel, "gw-1").await,
        Written::open(&channel, "gw-2").await,
    ];
    for stream in &mut both {
        stream.next().await;
    }
    stop.cancel();
    soon(running).await.unwrap();
}

#[test]
fn our_own_name_among_those_that_may_subscribe_and_shared_by_nobody_is_warned_of() {
    tls::install_crypto_provider();
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let warned = |clients: &[&str], shared: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut config = config(&authority, &directory);
        config.adapter.xds.allowed_clients = owned(clients);
        config.adapter.xds.shared_certificates = owned(shared);
        let told = crate::Adapter::prepare(&config).unwrap();
        told.iter()
            .any(|line| line.contains("adapter.xds.sharedCertificates"))
    };
    assert!(warned(&["adapt*"], &[]));
    assert!(warned(&["*"], &[]));
    assert!(!warned(&["adapter"], &["adapter"]));
    assert!(!warned(&["*"], &["*"]));
    // Who has said who shares may mean another adapter by our name.
    assert!(!warned(&["adapter", "enforcer"], &["enforcer"]));
    assert!(!warned(&["enforcer"], &[]));
    assert!(!warned(&[], &[]));
}
