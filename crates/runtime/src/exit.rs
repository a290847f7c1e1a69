//! How a process ends: 0 good, 2 wrong configuration or usage, 1 the rest.

use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use thiserror::Error;

use crate::config::ConfigError;
use crate::tls::TlsError;

/// The code of a wrong configuration or usage, which is also clap's.
pub const MISCONFIGURED: u8 = 2;

/// The code of every other failure.
pub const FAILED: u8 = 1;

/// An error in what the operator wrote that shows only when it is used, such as a file that is not there: ends the process
/// with 2. With a key, [`Loaded::locate`](crate::config::Loaded::locate) finds its line.
#[derive(Debug, Error)]
#[error("{}{text}", key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
pub struct UsageError {
    pub(crate) key: Option<String>,
    pub(crate) text: String,
}

impl UsageError {
    /// An error that no key of the configuration is to blame for.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            key: None,
            text: text.into(),
        }
    }

    /// An error with the value at this dotted key, with all its causes.
    pub fn of(key: impl Into<String>, error: impl Into<anyhow::Error>) -> Self {
        Self {
            key: Some(key.into()),
            text: format!("{:#}", error.into()),
        }
    }
}

/// The code for an error: 2 if a [`ConfigError`], a [`TlsError`] (files that the configuration names) or a [`UsageError`]
/// stands anywhere in its chain, else 1.
pub fn code_for(error: &anyhow::Error) -> u8 {
    let misconfigured = error.chain().any(|cause| {
        cause.is::<ConfigError>() || cause.is::<TlsError>() || cause.is::<UsageError>()
    });
    if misconfigured { MISCONFIGURED } else { FAILED }
}

/// Says on stderr why the process ends, and gives the code for it. For errors before the log is there; a
/// [`ConfigError`] takes one line for each problem.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // Nobody may be left to read stderr; the code still says it.
    let _ = std::io::stderr().write_all(lines_of(error).as_bytes());
    ExitCode::from(code_for(error))
}

/// Runs a part on a runtime with all cores, reports its error, and does not wait at the end for threads that hang.
pub fn block_on(part: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime");
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report(&error),
    };
    let ended = runtime.block_on(part);
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| report(&error))
}

fn lines_of(error: &anyhow::Error) -> String {
    match error.downcast_ref::<ConfigError>() {
        Some(config) => config
            .problems()
            .iter()
            .map(|problem| format!("error: {problem}\n"))
            .collect(),
        None => format!("error: {error:#}\n"),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::config::Problem;
    use crate::tls::Trust;

    fn config_error() -> ConfigError {
        let problem = |key| Problem::new("a.toml:1", key, "missing");
        ConfigError::new(vec![problem("a"), problem("b")])
    }

    #[test]
    fn a_wrong_configuration_ends_with_2_wherever_it_stands_in_the_chain() {
        let trust = Trust::load("/nowhere").unwrap_err();
        for error in [
            anyhow!(config_error()).context("cannot start"),
            anyhow!(UsageError::new("no such part")),
            anyhow!(trust).context("xds"),
        ] {
            assert_eq!(code_for(&error), 2, "{error:#}");
        }
        assert_eq!(code_for(&anyhow!("disk full")), 1);
    }

    #[test]
    fn each_problem_has_its_line() {
        assert_eq!(
            lines_of(&anyhow!(config_error()).context("cannot start")),
            "error: a.toml:1: a: missing\nerror: a.toml:1: b: missing\n"
        );
        assert_eq!(
            lines_of(&anyhow!("refused").context("cannot connect")),
            "error: cannot connect: refused\n"
        );
    }
}
