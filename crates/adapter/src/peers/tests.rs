//! Against real adapters in this process.

use std::net::SocketAddr;

use prometheus_client::registry::Registry;
use rescind_ledger::Ledger;
use rescind_revocation::{Expiry, Identifier, Revocation};
use rescind_runtime::{
    config::{Port, Secret},
    metrics::encode,
    tls::{self, Identity, Trust},
};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    App,
    config::Config,
    testing::{certificates::Authority, soon, token},
};

const FAST: Pace = Pace {
    every: Duration::from_millis(10),
    again: Duration::from_millis(5),
    settle: Duration::from_millis(30),
    settle_ends: Duration::from_millis(30),
};

/// An adapter without a control plane, with these in its ledger.
struct Adapter {
    xds: SocketAddr,
    admin: SocketAddr,
    cancel: CancellationToken,
    running: JoinHandle<std::process::ExitCode>,
    _directory: TempDir,
}

async fn adapter(
    authority: &Authority,
    revocations: &[Revocation],
    change: impl FnOnce(&mut Config),
) -> Adapter {
    tls::install_crypto_provider();
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(revocations).unwrap();
    drop(ledger);
    let mut config = Config::default();
    let (cert_path, key_path) = authority.identity("adapter");
    config.adapter.keystore.cert_path = cert_path;
    config.adapter.keystore.key_path = key_path;
    config.adapter.truststore.location = authority.ca();
    config.adapter.xds.host = "127.0.0.1".into();
    config.adapter.xds.port = Port::FREE;
    config.adapter.xds.allowed_clients = vec!["*".into()];
    config.adapter.admin.port = Port::FREE;
    config.adapter.admin.read_token = Secret::new("reads");
    config.ledger.directory = directory.path().to_owned();
    config.control_plane.enabled = false;
    change(&mut config);
    let app = App::build(config).await.unwrap();
    Adapter {
        xds: app.addresses().xds,
        admin: app.addresses().admin,
        cancel: app.token(),
        running: tokio::spawn(app.run()),
        _directory: directory,
    }
}

/// The asking side alone, with a ledger that the test writes to.
struct Asking {
    ledger: Ledger,
    peers: Peers,
    registry: Registry,
    address: String,
    _directory: TempDir,
    _task: tokio_util::task::AbortOnDropHandle<anyhow::Result<()>>,
}

fn asking(authority: &Authority, of: &Adapter, revocations: &[Revocation]) -> Asking {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    ledger.append(revocations).unwrap();
    let trust = Trust::load(authority.ca()).unwrap();
    let (cert, key) = authority.identity("adapter-2");
    let tls = tls::client_config(&trust, Some(&Identity::new(cert, key)), tls::ALPN_H2).unwrap();
    let address = of.xds.to_string();
    let name = ServerName::try_from("localhost").unwrap();
    let (metrics, mut registry) = (Arc::new(PeerMetrics::default()), Registry::default());
    metrics.register(&mut registry);
    let peers = Peers::new(std::slice::from_ref(&address), metrics);
    let task = PeerTask {
        client: PeerClient::new(&address, tls, name),
        peers: peers.clone(),
        reader: ledger.reader(),
        pace: FAST,
    };
    let task = tokio::spawn(task.run(CancellationToken::new()));
    Asking {
        ledger,
        peers,
        registry,
        address,
        _directory: directory,
        _task: tokio_util::task::AbortOnDropHandle::new(task),
    }
}

impl Asking {
    /// Waits until what is known of the peer is so.
    async fn until(&self, is_so: impl Fn(&Peer) -> bool) -> Peer {
        soon(async {
            loop {
                let peer = self.peers.all()[&self.address].clone();
                if is_so(&peer) {
                    return peer;
                }
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await
    }

    fn metric(&self, name: &str) -> Option<i64> {
        let page = encode(&self.registry).unwrap();
        let begin = format!("{name}{{peer=\"{}\"}} ", self.address);
        let value = page.lines().find_map(|line| line.strip_prefix(&begin));
        value.map(|value| value.parse().unwrap())
    }
}

fn expired(identifier: &str, at: u64) -> Revocation {
    Revocation::Token {
        identifier: Identifier::new(identifier).unwrap(),
        expiry: Expiry::Known(UnixSeconds(at)),
    }
}

#[tokio::test]
async fn a_difference_that_stands_is_shown_and_so_is_its_end() {
    let authority = Authority::new();
    let other = adapter(&authority, &[token("a"), token("b")], |_| {}).await;
    let mut asking = asking(&authority, &other, &[token("b")]);
    let differs = asking.until(|peer| peer.differs_since.is_some()).await;
    let compared = differs.compared.unwrap();
    assert_eq!(
        (compared.equal, compared.ours, compared.theirs),
        (false, 1, 2)
    );
    assert!(compared.complete);
    assert_eq!(asking.metric("peer_reachable"), Some(1));
    assert_eq!(asking.metric("peer_sets_equal"), Some(0));
    assert_eq!(asking.metric("peer_entries_difference"), Some(-1));

    asking.ledger.append(&[token("a")]).unwrap();
    let equal = |peer: &Peer| {
        peer.compared
            .as_ref()
            .is_some_and(|compared| compared.equal)
    };
    let same = asking.until(equal).await;
    assert_eq!(same.differs_since, None);
    assert_eq!(asking.metric("peer_sets_equal"), Some(1));
    assert_eq!(asking.metric("peer_entries_difference"), Some(0));

    asking.ledger.append(&[token("c")]).unwrap();
    asking.until(|peer| peer.differs_since.is_some()).await;
    assert_eq!(asking.metric("peer_entries_difference"), Some(1));
}

#[tokio::test]
async fn as_many_entries_and_others_are_another_set() {
    let authority = Authority::new();
    let other = adapter(&authority, &[token("a"), token("b")], |_| {}).await;
    let asking = asking(&authority, &other, &[token("a"), token("c")]);
    let differs = asking.until(|peer| peer.differs_since.is_some()).await;
    assert!(!differs.compared.unwrap().equal);
    assert_eq!(asking.metric("peer_sets_equal"), Some(0));
    assert_eq!(asking.metric("peer_entries_difference"), Some(0));
}

fn entries(ours: u64, theirs: u64) -> Compared {
    Compared {
        at: 7,
        ledger: String::new(),
        cursor: String::new(),
        complete: true,
        horizon: UnixSeconds(0),
        ours,
        theirs,
        equal: false,
    }
}

#[test]
fn ends_that_move_with_each_ones_list_may_differ_for_longer() {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    for (retain, ends) in [(0, 10), (86_400, 600)] {
        let pace = Pace::of(&LedgerSection {
            retain_unknown: Seconds(retain),
            ..LedgerSection::default()
        });
        let mut seen = Seen::default();
        assert_eq!(seen.differs(&entries(2, 2), pace, at(0)), None);
        assert_eq!(seen.differs(&entries(2, 2), pace, at(ends - 1)), None);
        assert_eq!(seen.differs(&entries(2, 2), pace, at(ends)), Some(7));
    }
}

#[test]
fn an_entry_more_counts_as_soon_also_while_ends_move() {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    let (pace, mut seen) = (Pace::moving_ends(), Seen::default());
    for (second, ours, expected) in [
        (0, 2, None),
        // One more, under way from here to there.
        (100, 3, None),
        (102, 2, None),
        // One that stays.
        (200, 3, None),
        (209, 3, None),
        (210, 3, Some(7)),
    ] {
        let found = seen.differs(&entries(ours, 2), pace, at(second));
        assert_eq!(found, expected, "{second}");
    }
}

#[tokio::test]
async fn what_one_has_dropped_already_is_left_out_on_both_sides() {
    let authority = Authority::new();
    let held = [token("a"), expired("old", 9_000), expired("older", 3_000)];
    let other = adapter(&authority, &held, |_| {}).await;
    let mut asking = asking(&authority, &other, &held[..2]);
    asking.until(|peer| peer.differs_since.is_some()).await;
    asking.ledger.sweep(UnixSeconds(12_000)).unwrap();
    let equal = |peer: &Peer| {
        peer.compared
            .as_ref()
            .is_some_and(|compared| compared.equal)
    };
    let compared = asking.until(equal).await.compared.unwrap();
    assert_eq!(compared.horizon, UnixSeconds(12_000));
    assert_eq!((compared.ours, compared.theirs), (1, 1));
}

#[tokio::test]
async fn of_a_peer_that_is_away_nothing_is_claimed() {
    let authority = Authority::new();
    let other = adapter(&authority, &[token("a")], |_| {}).await;
    let asking = asking(&authority, &other, &[token("a")]);
    asking.until(|peer| peer.compared.is_some()).await;
    other.cancel.cancel();
    soon(other.running).await.unwrap();
    let away = asking.until(|peer| !peer.reachable).await;
    assert_eq!(away.compared, None);
    let error = away.error.unwrap();
    assert!(error.contains("not reachable"), "{error}");
    assert_eq!(asking.metric("peer_reachable"), Some(0));
    assert_eq!(asking.metric("peer_sets_equal"), None);
    assert_eq!(asking.metric("peer_entries_difference"), None);
}

#[tokio::test]
async fn who_may_not_subscribe_may_not_ask() {
    let authority = Authority::new();
    let closed = |config: &mut Config| {
        config.adapter.xds.allowed_clients = vec!["enforcer".to_owned()];
    };
    let other = adapter(&authority, &[], closed).await;
    let asking = asking(&authority, &other, &[]);
    let refused = asking.until(|peer| peer.error.is_some()).await;
    let error = refused.error.unwrap();
    assert!(error.contains("allowedClients"), "{error}");
}

#[tokio::test]
async fn two_adapters_show_each_other_to_who_asks() {
    let authority = Authority::new();
    let one = adapter(&authority, &[token("a")], |_| {}).await;
    let peer = format!("localhost:{}", one.xds.port());
    let named = vec![peer.clone()];
    let two = adapter(&authority, &[token("a")], |config| {
        config.adapter.peers.addresses = named;
    })
    .await;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(
            &tls::insecure_client_config(None, &[]).unwrap(),
        ))
        .build()
        .unwrap();
    let url = format!("https://{}/v1/peers", two.admin);
    let page = soon(async {
        loop {
            let request = client.get(&url).bearer_auth("reads");
            let page: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
            if page["peers"][0]["equal"].is_boolean() {
                return page;
            }
        }
    })
    .await;
    let shown = &page["peers"][0];
    assert_eq!(shown["peer"], peer);
    assert_eq!(shown["reachable"], true);
    assert_eq!(shown["equal"], true);
    assert_eq!(shown["entries_there"], 1);
    assert_ne!(shown["ledger"], page["ledger"]);
}
