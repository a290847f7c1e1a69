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
        if let Some(text) = warning(&config) {
            warn!("{text}");
        }
        Ok(App::build(&config).await?.run().await)
    }
}

/// What an operator must know of how credentials are verified here. Where the next enforcer does it there is nothing to say.
fn warning(config: &Config) -> Option<&'static str> {
    let (security, next) = (&config.enforcer.security, &config.next);
    if next.is_configured() && !next.verify {
        return None;
    }
    match (security.verification, security.token_service.is_empty()) {
        (VerificationMode::Full, true) => Some(
            "No token service is configured: nobody's signature can be verified, so EVERY request is refused. Name the \
             issuers in [[enforcer.security.tokenService]], or say verification = \"timeOnly\" where the gateway verifies",
        ),
        (VerificationMode::TimeOnly, _) => Some(
            "Signatures are not verified here (verification = \"timeOnly\"): the gateway must do it before it asks",
        ),
        (VerificationMode::Full, false) | (VerificationMode::JwtAuthn, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_verifies_nothing_is_told_unless_the_next_enforcer_does_it() {
        let told = |mode, next: &str, verify| {
            let mut config = Config::default();
            config.enforcer.security.verification = mode;
            config.next.address = next.to_owned();
            config.next.verify = verify;
            warning(&config).map(|text| text.contains("EVERY request"))
        };
        for mode in [VerificationMode::Full, VerificationMode::TimeOnly] {
            let all = mode == VerificationMode::Full;
            assert_eq!(told(mode, "", false), Some(all));
            assert_eq!(told(mode, "enforcer", true), Some(all));
            assert_eq!(told(mode, "enforcer", false), None);
        }
        assert_eq!(told(VerificationMode::JwtAuthn, "", false), None);
    }
}
