//! Two adapters side by side, each with its own queue and ledger, and two enforcers that know both.

use std::time::Duration;

use rescind_stack::Part;

use crate::{
    clients::{
        control_plane::jti,
        gate::Gate,
        hub::{Hub, event},
    },
    eventually::eventually,
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "enforcers_go_to_the_next_adapter_when_theirs_is_killed_and_resume_on_their_way_back",
        killed,
    );
    suite.alone(
        "a_frozen_adapter_is_left_for_the_next_one_and_nothing_is_lost",
        frozen,
    );
}

/// Two sites of one world, with one enforcer each that goes to either adapter.
struct Sites {
    one: World,
    other: World,
}

const PARTS: [Part; 2] = [Part::Standin, Part::Adapter];

impl Sites {
    async fn start(broker: &Broker) -> Self {
        let one = World::start_with(broker, |builder| builder.only(&PARTS)).await;
        let other = one.beside(|builder| builder.only(&PARTS)).await;
        let sites = Self { one, other };
        let adapters = sites.both().map(|site| site.var("XDS_ADDR"));
        for (site, name) in sites.both().into_iter().zip(["enforcer-1", "enforcer-2"]) {
            let way = format!("[xds]\nadapters = {adapters:?}\ninstanceIdentifier = \"{name}\"\n");
            site.configure(Part::Enforcer, &way);
            site.begin(Part::Enforcer).await;
        }
        sites
    }

    fn both(&self) -> [&World; 2] {
        [&self.one, &self.other]
    }

    async fn gates(&self) -> [Gate; 2] {
        [self.one.gate().await, self.other.gate().await]
    }

    /// Waits until both enforcers hold streams to this site's adapter alone, and everything that it has.
    async fn all_at(&self, site: &World) {
        let ask = async || site.receipt("enforcers").await;
        eventually(Duration::from_secs(40), ask, |page| {
            let enforcers = page["enforcers"].as_array().unwrap();
            let here = |enforcer: &&serde_json::Value| {
                let address = enforcer["address"].as_str().unwrap();
                let known = address.parse::<std::net::SocketAddr>().is_ok();
                enforcer["connected"] == true && enforcer["behind"] == 0 && known
            };
            page["complete"] == true && enforcers.iter().filter(here).count() == 2
        })
        .await;
    }

    /// Revokes a fresh token at the control plane, and waits until both enforcers refuse it.
    async fn revoke_one(&self, gates: &[Gate; 2]) -> String {
        let token = self.one.control_plane().token().await;
        self.one.control_plane().revoke(&token).await;
        for gate in gates {
            refused(gate, &token).await;
        }
        token
    }

    async fn applied(&self) -> [f64; 2] {
        let [one, other] = self.both().map(|site| site.gauge("applied_entries_total"));
        [one.await, other.await]
    }

    async fn stop(self) {
        self.other.stop().await;
        self.one.stop().await;
    }
}

async fn refused(gate: &Gate, token: &str) {
    let ask = || gate.token(token);
    let verdict = eventually(Duration::from_secs(40), ask, |verdict| {
        verdict.status != 200
    })
    .await;
    assert_eq!(verdict.body, REVOKED_TOKEN);
}

const BEFORE: usize = 2_000;

async fn killed(broker: &Broker) {
    let sites = Sites::start(broker).await;
    let (one, other) = (&sites.one, &sites.other);
    one.revoke_many(BEFORE).await;
    for site in sites.both() {
        let ask = || site.metric_of("ADAPTER_ADMIN_URL", "rescind_ledger_entries");
        eventually(Duration::from_secs(20), ask, |held| {
            *held as usize == BEFORE
        })
        .await;
        let ask = || site.gauge("set_entries");
        eventually(Duration::from_secs(20), ask, |held| {
            *held as usize == BEFORE
        })
        .await;
    }
    let gates = sites.gates().await;
    let good = one.control_plane().token().await;
    let mut revoked = vec![sites.revoke_one(&gates).await];
    let hub = Hub::connect(&one.var("AMQP_URL")).await;

    // Each adapter is killed in turn, and comes back: from the third time on each enforcer knows both.
    for (number, (dead, alive)) in [(one, other), (other, one), (one, other), (other, one)]
        .into_iter()
        .enumerate()
    {
        let knows_it = number >= 2;
        let before = sites.applied().await;
        dead.kill_9_for_good(Part::Adapter).await;
        sites.all_at(alive).await;
        if number == 0 {
            // The control plane's list does not have this one: only the adapter that lives hears of it, ever.
            let unlisted = one.control_plane().token().await;
            hub.publish(&event("JWT", &jti(&unlisted))).await;
            for gate in &gates {
                refused(gate, &unlisted).await;
            }
            revoked.push(unlisted);
        }
        revoked.push(sites.revoke_one(&gates).await);
        let news = revoked.len();
        for gate in &gates {
            assert_eq!(gate.token(&good).await.status, 200);
            for token in &revoked {
                assert_eq!(gate.token(token).await.body, REVOKED_TOKEN);
            }
        }
        if knows_it {
            for (before, after) in before.into_iter().zip(sites.applied().await) {
                let came = after - before;
                assert!(
                    came <= news as f64,
                    "{came} entries for at most {news} new ones"
                );
            }
        }

        // Whom you ask matters, and the answer says so.
        let page = format!("revocations?jti={}", jti(revoked.last().unwrap()));
        let answer = async || alive.receipt(&page).await;
        let answer = eventually(Duration::from_secs(30), answer, |answer| {
            answer["by"][0]["everywhere"] == true
        })
        .await;
        assert_eq!(answer["scope"], "this adapter only");
        assert_eq!(answer["by"][0]["acked"], 2, "{answer}");
        dead.begin(Part::Adapter).await;
        let ask = || dead.metric_of("ADAPTER_ADMIN_URL", "rescind_ledger_complete");
        eventually(Duration::from_secs(20), ask, |complete| *complete == 1.0).await;
    }

    // The ledgers are two, and what they hold is the same but for what one of them could not hear.
    let [first, second] = [
        one.receipt("enforcers").await,
        other.receipt("enforcers").await,
    ];
    assert_ne!(first["ledger"], second["ledger"]);
    let entries = |site| World::metric_of(site, "ADAPTER_ADMIN_URL", "rescind_ledger_entries");
    let listed = (BEFORE + revoked.len() - 1) as f64;
    eventually(
        Duration::from_secs(60),
        || entries(one),
        |held| *held == listed,
    )
    .await;
    eventually(
        Duration::from_secs(60),
        || entries(other),
        |held| *held == listed + 1.0,
    )
    .await;
    for site in sites.both() {
        let ask = || site.gauge("set_entries");
        eventually(Duration::from_secs(60), ask, |held| *held == listed + 1.0).await;
    }
    sites.stop().await;
}

async fn frozen(broker: &Broker) {
    let sites = Sites::start(broker).await;
    let gates = sites.gates().await;
    let good = sites.one.control_plane().token().await;
    let first = sites.revoke_one(&gates).await;

    sites.one.freeze(Part::Adapter);
    let meanwhile = sites.one.control_plane().token().await;
    sites.one.control_plane().revoke(&meanwhile).await;
    sites.all_at(&sites.other).await;
    for gate in &gates {
        refused(gate, &meanwhile).await;
        assert_eq!(gate.token(&first).await.body, REVOKED_TOKEN);
        let verdict = gate.token(&good).await;
        assert_eq!((verdict.status, verdict.stale), (200, false));
    }
    sites.one.thaw(Part::Adapter);
    let last = sites.revoke_one(&gates).await;

    // It heard all of it after all: whoever comes to it finds what the other one has.
    for token in [&first, &meanwhile, &last] {
        let page = format!("revocations?jti={}", jti(token));
        let ask = async || sites.one.receipt(&page).await["revoked"] == true;
        eventually(Duration::from_secs(30), ask, |revoked| *revoked).await;
    }
    sites.stop().await;
}
