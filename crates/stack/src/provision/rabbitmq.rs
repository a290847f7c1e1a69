//! RabbitMQ's programs, as the distribution installs them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{apt, on_path};

/// The programs of a RabbitMQ. The system's own broker, if there is one, is not touched by using them.
#[derive(Debug, Clone)]
pub(crate) struct RabbitMq {
    /// The folder with `rabbitmq-server` itself, not the wrappers on the PATH: those insist on the system's user and
    /// folders.
    pub(crate) bin: PathBuf,
    /// Erlang's port mapper.
    pub(crate) epmd: PathBuf,
}

const DEBIAN: &str = "/usr/lib/rabbitmq/bin";

pub(super) async fn ensure(say: &(dyn Fn(&str) + Sync)) -> Result<RabbitMq> {
    if let Some(found) = find() {
        return Ok(found);
    }
    if let Err(error) = apt::install("RabbitMQ", "rabbitmq-server", say).await {
        bail!(
            "{error:#}; or use a broker that runs elsewhere: HUB_URL=amqp://user:password@host:5672"
        );
    }
    let Some(found) = find() else {
        bail!("rabbitmq-server was installed, but {DEBIAN}/rabbitmq-server or epmd is not there");
    };
    Ok(found)
}

pub(super) fn find() -> Option<RabbitMq> {
    let bin = Path::new(DEBIAN);
    bin.join("rabbitmq-server").is_file().then_some(())?;
    Some(RabbitMq {
        bin: bin.to_owned(),
        epmd: on_path("epmd")?,
    })
}
