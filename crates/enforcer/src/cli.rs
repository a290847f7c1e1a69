//! The enforcer as a process.

use std::{path::Path, process::ExitCode};

use rescind_runtime::{
    cli::Part,
    config::{ConfigError, Loaded, ProcessEnvironment},
    telemetry::LogConfig,
};
use tracing::warn;

use crate::{
    App,
    config::{Config, DEFAULT_PATH, VerificationMode},
};

/// What the runtime needs to know of the enforcer.
#[derive(Debug)]
pub struct Enforcer;

impl Part for Enforcer {
    type Config = Config;

    const DEFAULT_PATH: &'static str = DEFAULT_PATH;

    fn load(path: &Path) -> Result<Loaded<Config>, ConfigError> {
        Config::load(path, &ProcessEnvironment)
    }

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    fn prepare(config: &Config) -> anyhow::Result<Vec<String>> {
        App::prepare(config)
    }

    async fn run(config: Config) -> anyhow::Result<ExitCode> {
        warn_of_what_opens_or_closes_everything(&config);
        Ok(App::build(&config).await?.run().await)
    }
}

fn warn_of_what_opens_or_closes_everything(config: &Config) {
    let security = &config.enforcer.security;
    match (security.verification, security.token_service.is_empty()) {
        (VerificationMode::Full, true) => warn!(
            "No token service is configured: nobody's signature can be verified, so EVERY request is refused. Name the \
             issuers in [[enforcer.security.tokenService]], or say verification = \"timeOnly\" where the gateway verifies"
        ),
        (VerificationMode::TimeOnly, _) => warn!(
            "Signatures are not verified here (verification = \"timeOnly\"): the gateway must do it before it asks"
        ),
        (VerificationMode::Full, false) | (VerificationMode::JwtAuthn, _) => {}
    }
}
