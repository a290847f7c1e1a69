//! The adapter as a process.

use std::{path::Path, process::ExitCode};

use rescind_runtime::{
    cli::Part,
    config::{ConfigError, Loaded, ProcessEnvironment, load},
    telemetry::LogConfig,
};

use crate::{
    App,
    config::{self, Config, DEFAULT_PATH, SCHEMA},
    peer::Allowed,
    prepare::prepare,
};

/// What the runtime needs to know of the adapter.
#[derive(Debug)]
pub struct Adapter;

impl Part for Adapter {
    type Config = Config;

    const DEFAULT_PATH: &'static str = DEFAULT_PATH;

    fn load(path: &Path) -> Result<Loaded<Config>, ConfigError> {
        load(path, &SCHEMA, &ProcessEnvironment)?.check(config::check)
    }

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    fn prepare(config: &Config) -> anyhow::Result<Vec<String>> {
        let prepared = prepare(config)?;
        let allowed = Allowed::new(&config.adapter.xds, prepared.own);
        Ok([prepared.certificates.concerns(), allowed.concerns()].concat())
    }

    async fn run(config: Config) -> anyhow::Result<ExitCode> {
        Ok(App::build(config).await?.run().await)
    }
}
