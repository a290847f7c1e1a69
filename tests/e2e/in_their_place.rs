//! Our parts in the place of Choreo Connect's, from its own `config.toml` and with the one certificate that its parts
//! share: part D of `docs/choreo-connect.md`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rescind_stack::Part;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    clients::{control_plane::claim, gate::Gate, tls::Identity, xds::channel},
    eventually::eventually,
    next_enforcer::sides::{Api, Gate as Router, Wire, program_of},
    procedures::REVOKED_TOKEN,
    suite::Suite,
    world::{Broker, World},
};

#[path = "../data/choreo-connect/installed.rs"]
mod installed;

use installed::installed;

pub(crate) fn add(suite: &mut Suite) {
    suite.alone(
        "both_parts_run_from_their_configuration_and_their_shared_certificate",
        in_their_place,
    );
    suite.alone(
        "behind_their_router_the_cluster_is_that_of_the_key_type",
        behind_their_router,
    );
}

async fn in_their_place(broker: &Broker) {
    let hub = broker.fresh_url();
    let world = World::start_from(|builder| builder.hub(hub.clone()).only(&[Part::Standin])).await;
    let token = world.control_plane().token().await;
    let place = Place::new(&world, &hub, &claim(&token, "iss"));
    let _adapter = place.adapter();
    let _enforcer = place.enforcer();
    let gate = place.gate().await;

    let ask = || gate.token(&token);
    eventually(Duration::from_secs(30), ask, |answer| answer.status == 200).await;
    world.control_plane().revoke(&token).await;
    let refused = eventually(Duration::from_secs(30), ask, |answer| answer.status != 200).await;
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (401, REVOKED_TOKEN)
    );
    drop(place);
    world.stop().await;
}

/// Their router asks ours: good and revoked, production and sandbox, a client that wants to choose, and `OPTIONS`.
async fn behind_their_router(broker: &Broker) {
    let hub = broker.fresh_url();
    let parts = [Part::Standin, Part::Envoy];
    let world = World::start_from(|builder| builder.hub(hub.clone()).only(&parts)).await;
    let token = world.control_plane().token().await;
    let place = Place::new(&world, &hub, &claim(&token, "iss"));
    let _adapter = place.adapter();
    let _enforcer = place.enforcer();
    let direct = place.gate().await;
    let ready = || direct.token(&token);
    eventually(Duration::from_secs(30), ready, |answer| {
        answer.status == 200
    })
    .await;
    let (production, sandbox) = (Api::start().await, Api::start().await);
    let router = place.router(&production, &sandbox).await;

    let bearer = format!("Bearer {token}");
    let wants_sandbox = ("x-wso2-cluster-header", "clusterSand_pets");
    let certificate = ("x-wso2-client-certificate", "MIIB");
    for more in [
        vec![],
        vec![wants_sandbox],
        vec![wants_sandbox, certificate],
    ] {
        let headers = [vec![("authorization", &*bearer)], more].concat();
        let answer = router.ask(&wire("GET", headers)).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let [reached] = &production.take()[..] else {
            panic!("it did not reach production once");
        };
        let cluster = "x-wso2-cluster-header: clusterProd_pets\r\n";
        assert!(reached.contains(cluster), "{reached}");
        for gone in ["authorization", "x-wso2-client-certificate", "clusterSand"] {
            assert!(!reached.contains(gone), "{reached}");
        }
    }
    let key = world.control_plane().api_key_of("SANDBOX").await;
    let wants_production = ("x-wso2-cluster-header", "clusterProd_pets");
    let headers = vec![("apikey", &*key), wants_production];
    let answer = router.ask(&wire("GET", headers)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let [reached] = &sandbox.take()[..] else {
        panic!("it did not reach the sandbox once");
    };
    assert!(reached.contains("clusterSand_pets") && !reached.contains("apikey"));

    never_reaches_an_api(&router, &key).await;
    assert!(production.take().is_empty() && sandbox.take().is_empty());
    world.control_plane().revoke(&token).await;
    let wire = wire("GET", vec![("authorization", &bearer), wants_sandbox]);
    let ask = || router.ask(&wire);
    let is_refused = |answer: &String| !answer.starts_with("HTTP/1.1 200");
    let refused = eventually(Duration::from_secs(30), ask, is_refused).await;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.ends_with(REVOKED_TOKEN), "{refused}");
    let cluster = |request: &String| request.contains("clusterProd_pets");
    assert!(production.take().iter().all(cluster));
    assert_eq!(sandbox.take(), [] as [String; 0]);
    drop(place);
    world.stop().await;
}

/// Without a credential, without an endpoint for it, and `OPTIONS`, whatever cluster the client names.
async fn never_reaches_an_api(router: &Router, sandbox_key: &str) {
    let cluster = ("x-wso2-cluster-header", "clusterProd_pets");
    let answer = router.ask(&wire("OPTIONS", vec![cluster])).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(
        answer.contains("\r\nallow: OPTIONS, GET, POST\r\n"),
        "{answer}"
    );
    let answer = router.ask(&wire("GET", vec![cluster])).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let mut wire = wire("GET", vec![("apikey", sandbox_key), cluster]);
    wire.target = "/only-production/1";
    let answer = router.ask(&wire).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let words = "Sandbox key offered to an API with no sandbox endpoint. Make sure";
    assert!(answer.contains(words), "{answer}");
}

fn wire<'a>(method: &'a str, headers: Vec<(&'a str, &'a str)>) -> Wire<'a> {
    Wire {
        method,
        target: "/pets/1",
        headers,
        body: String::new(),
    }
}

/// An installation of Choreo Connect's whose control plane is a world's stand-in.
struct Place<'a> {
    world: &'a World,
    folder: TempDir,
    config: PathBuf,
}

impl<'a> Place<'a> {
    fn new(world: &'a World, hub: &str, issuer: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = installed(folder.path(), "wso2carbon.pem");
        let signer = world.identity("token-signing").cert;
        fs::copy(signer, folder.path().join("truststore/wso2carbon.pem")).unwrap();
        let keys = world.identity("api-key-signing").cert;
        let mut text = fs::read_to_string(&config).unwrap();
        text.push_str(&format!(
            "\n[[enforcer.security.tokenService]]\nname = 'APIM APIkey'\ncertificateFilePath = '{}'\n",
            keys.display()
        ));
        for (theirs, here) in [
            ("amqp://admin:$env{cp_admin_pwd}@apim:5672", hub),
            ("https://apim.example.com:9443/oauth2/token", issuer),
        ] {
            assert!(text.contains(theirs), "{theirs}");
            text = text.replace(theirs, here);
        }
        fs::write(&config, text).unwrap();
        Self {
            world,
            folder,
            config,
        }
    }

    fn adapter(&self) -> Child {
        let ports = self.world.ports();
        let control_plane = format!("https://localhost:{}/", ports.standin);
        self.program("rescind-adapter")
            .env("cp_admin_pwd", self.world.var("ADMIN_PASSWORD"))
            .env("ADAPTER_XDS_PORT", ports.xds.to_string())
            .env(
                "RESCIND_ADAPTER__ADMIN__PORT",
                ports.adapter_admin.to_string(),
            )
            .env(
                "RESCIND_LEDGER__DIRECTORY",
                self.folder.path().join("ledger"),
            )
            .env("RESCIND_CONTROLPLANE__SERVICEURL", control_plane)
            .env("RESCIND_CONTROLPLANE__EMPTYLISTWAIT", "1")
            .spawn()
            .unwrap()
    }

    fn enforcer(&self) -> Child {
        let ports = self.world.ports();
        let folder = self.folder.path();
        self.program("rescind-enforcer")
            .env("enforcer_admin_pwd", "secret")
            .env("ENFORCER_PUBLIC_CERT_PATH", folder.join("keystore/mg.pem"))
            .env("ENFORCER_PRIVATE_KEY_PATH", folder.join("keystore/mg.key"))
            .env("TRUSTED_CA_CERTS_PATH", folder.join("truststore"))
            .env("ADAPTER_HOST", "localhost")
            .env("ADAPTER_XDS_PORT", ports.xds.to_string())
            .env("ADAPTER_HOST_NAME", "adapter")
            .env(
                "RESCIND_ENFORCER__AUTHSERVICE__PORT",
                ports.ext_authz.to_string(),
            )
            .env(
                "RESCIND_ENFORCER__RESTSERVER__PORT",
                ports.enforcer_admin.to_string(),
            )
            .env(
                "RESCIND_ENFORCER__STATE__DIRECTORY",
                folder.join("enforcer"),
            )
            .spawn()
            .unwrap()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.world.binary(name));
        command.env_clear().arg("--config").arg(&self.config);
        let log = fs::File::create(self.log(name)).unwrap();
        command.stderr(log.try_clone().unwrap()).stdout(log);
        command.kill_on_drop(true);
        command
    }

    /// Their router, with one API that has both endpoints and one that has no sandbox.
    async fn router(&self, production: &Api, sandbox: &Api) -> Router {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let mut text = include_str!("../data/choreo-connect/router.yaml").to_owned();
        for (name, value) in [
            ("@certificate@", path("keystore/mg.pem")),
            ("@key@", path("keystore/mg.key")),
            ("@enforcer@", self.world.ports().ext_authz.to_string()),
            ("@production@", production.port.to_string()),
            ("@sandbox@", sandbox.port.to_string()),
        ] {
            assert!(text.contains(name), "{name}");
            text = text.replace(name, &value);
        }
        let envoy = self.world.pid(Part::Envoy).unwrap();
        Router::run(&program_of(envoy), self.folder.path(), "router", &text).await
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(name).with_extension("log")
    }

    /// Checks as their router asks them, once somebody listens.
    async fn gate(&self) -> Gate {
        let path = |name: &str| self.folder.path().join(name);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let shared = text(&path("keystore/mg.pem"));
        let identity = Identity {
            cert: shared.clone(),
            key: text(&path("keystore/mg.key")),
        };
        let address = format!("127.0.0.1:{}", self.world.ports().ext_authz);
        let connect = || channel(&address, "enforcer", &shared, Some(&identity));
        let connected = eventually(Duration::from_secs(20), connect, Result::is_ok).await;
        Gate::new(connected.unwrap())
    }
}

impl Drop for Place<'_> {
    #[allow(clippy::print_stderr, reason = "what a test that failed shows")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["rescind-adapter", "rescind-enforcer"] {
                let log = fs::read_to_string(self.log(name));
                eprintln!("{name}: {}", log.unwrap_or_default());
            }
        }
    }
}
