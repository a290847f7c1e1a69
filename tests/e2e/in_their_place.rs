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
        let mut text = fs::read_to_string(&config).unwrap();
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
