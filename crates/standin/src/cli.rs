//! The stand-in as a process.

use std::path::Path;
use std::process::ExitCode;

use rescind_runtime::cli::Part;
use rescind_runtime::config::{ConfigError, Loaded, ProcessEnvironment};
use rescind_runtime::load;
use rescind_runtime::telemetry::LogConfig;

use crate::app::{App, Material};
use crate::config::{Config, DEFAULT_PATH, SCHEMA};

/// What the runtime needs to know of the stand-in.
#[derive(Debug)]
pub struct Standin;

impl Part for Standin {
    type Config = Config;

    const DEFAULT_PATH: &'static str = DEFAULT_PATH;

    fn load(path: &Path) -> Result<Loaded<Config>, ConfigError> {
        load::<Config>(path, &SCHEMA, &ProcessEnvironment)?.check(Config::check)
    }

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    fn prepare(config: &Config) -> anyhow::Result<Vec<String>> {
        Material::load(config).map(|_| Vec::new())
    }

    async fn run(config: Config) -> anyhow::Result<ExitCode> {
        Ok(App::build(config).await?.run().await)
    }
}
