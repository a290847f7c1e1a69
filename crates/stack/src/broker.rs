//! A private RabbitMQ: own ports, own folder, own Erlang cookie. A broker that the system runs is never touched.
//!
//! It is two programs: Erlang's port mapper, which would otherwise be left behind as a daemon, and the broker itself.

use std::{ffi::OsString, path::Path};

use anyhow::Result;

use crate::{certs::Certs, files, ports::Ports, provision::RabbitMq};

/// The account of a fresh RabbitMQ; it is taken over the loopback interface alone.
const ACCOUNT: &str = "guest:guest";

/// The hub as a client addresses it.
pub(crate) fn url(port: u16, vhost: Option<&str>) -> String {
    format!(
        "amqp://{ACCOUNT}@127.0.0.1:{port}/{}",
        vhost.unwrap_or("%2f")
    )
}

/// The name of one of the extra vhosts that tests share a broker by.
pub(crate) fn vhost(number: usize) -> String {
    format!("world-{number}")
}

/// The arguments of Erlang's port mapper, which make it stay in the foreground.
pub(crate) fn epmd(ports: &Ports) -> Vec<OsString> {
    ["-port", &ports.epmd.to_string(), "-address", "127.0.0.1"]
        .map(OsString::from)
        .to_vec()
}

/// What a broker is to be beyond the ordinary.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extras {
    /// So many vhosts beside the standard one.
    pub(crate) vhosts: usize,
    /// A TLS listener beside the plain one. It asks for a client certificate of the stack's CA.
    pub(crate) tls: bool,
}

/// Writes the broker's configuration into `folder` and gives the environment to start it in.
pub(crate) fn prepare(
    folder: &Path,
    rabbitmq: &RabbitMq,
    ports: &Ports,
    certs: &Certs,
    extras: Extras,
) -> Result<Vec<(String, OsString)>> {
    for part in ["home", "log", "schema"] {
        files::private_folder(&folder.join(part))?;
    }
    let configuration = configuration(folder, ports, certs, extras);
    files::replace(&folder.join("rabbitmq.conf"), &configuration)?;
    files::replace(&folder.join("enabled_plugins"), "[].\n")?;
    files::replace(
        &folder.join("definitions.json"),
        &definitions(extras.vhosts),
    )?;
    Ok(environment(folder, rabbitmq, ports))
}

fn configuration(folder: &Path, ports: &Ports, certs: &Certs, extras: Extras) -> String {
    let mut lines = vec![
        format!("listeners.tcp.1 = 127.0.0.1:{}", ports.broker),
        "distribution.listener.interface = 127.0.0.1".to_owned(),
        "log.file = false".to_owned(),
        "log.console = true".to_owned(),
        "log.console.level = info".to_owned(),
    ];
    if extras.vhosts > 0 {
        let definitions = folder.join("definitions.json");
        lines.push(format!("load_definitions = {}", definitions.display()));
    }
    if extras.tls {
        let identity = certs.identity("broker");
        lines.extend([
            format!("listeners.ssl.1 = 127.0.0.1:{}", ports.broker_tls),
            format!("ssl_options.cacertfile = {}", certs.ca().display()),
            format!("ssl_options.certfile = {}", identity.cert.display()),
            format!("ssl_options.keyfile = {}", identity.key.display()),
            "ssl_options.verify = verify_peer".to_owned(),
            "ssl_options.fail_if_no_peer_cert = true".to_owned(),
        ]);
    }
    lines.join("\n") + "\n"
}

/// RabbitMQ makes its standard account only where no definitions are loaded, so they name it too. The hash is SHA-256 of
/// four bytes of salt and the password, behind the salt.
fn definitions(vhosts: usize) -> String {
    let names: Vec<String> = std::iter::once("/".to_owned())
        .chain((0..vhosts).map(vhost))
        .collect();
    let listed: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({ "name": name }))
        .collect();
    let permissions: Vec<_> = names
        .iter()
        .map(|name| {
            serde_json::json!({ "user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*" })
        })
        .collect();
    serde_json::json!({
        "users": [{
            "name": "guest",
            "password_hash": "UkVTQySW3/eqPPtnYb7BloA8ItTs1nwDBaIdJT2MOji0/xDs",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "administrator",
        }],
        "vhosts": listed,
        "permissions": permissions,
    })
    .to_string()
}

/// The whole environment: nothing of the caller's reaches the broker but its PATH.
fn environment(folder: &Path, rabbitmq: &RabbitMq, ports: &Ports) -> Vec<(String, OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut tools: Vec<_> = std::env::split_paths(&path).collect();
    tools.extend(rabbitmq.epmd.parent().map(Path::to_owned));
    let path = std::env::join_paths(tools).unwrap_or(path);
    let at = |name: &str| folder.join(name).into_os_string();
    [
        ("PATH", path),
        ("LANG", "C.UTF-8".into()),
        ("HOME", at("home")),
        // `@localhost` needs no entry in /etc/hosts. The folder of the data carries this name.
        ("RABBITMQ_NODENAME", "rescind@localhost".into()),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".into()),
        ("RABBITMQ_CONFIG_FILE", at("rabbitmq")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config")),
        ("RABBITMQ_MNESIA_BASE", at("mnesia")),
        ("RABBITMQ_LOG_BASE", at("log")),
        ("RABBITMQ_SCHEMA_DIR", at("schema")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", at("schema")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins")),
        (
            "RABBITMQ_DIST_PORT",
            ports.broker_distribution.to_string().into(),
        ),
        ("ERL_EPMD_PORT", ports.epmd.to_string().into()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        // Erlang's schedulers would burn a core waiting for work.
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+sbwt none +sbwtdcpu none +sbwtdio none".into(),
        ),
        ("RABBITMQ_LOG", "info,-color".into()),
        // A crash leaves no dump of gigabytes.
        ("ERL_CRASH_DUMP_SECONDS", "0".into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
