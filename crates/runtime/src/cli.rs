//! The arguments that every part takes, and the way from them to an exit code.

use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use crate::config::{ConfigError, Loaded};
use crate::telemetry::LogConfig;
use crate::{exit, telemetry, tls};

/// `--config` and `--check`, to be flattened into a part's own arguments; `--version` comes from clap's
/// `#[command(version)]`, and a wrong argument ends the process with 2, which is clap's own code for it.
#[derive(Debug, Clone, Default, Args)]
pub struct CommonArgs {
    /// Path of the configuration file
    #[arg(long, value_name = "PATH", env = "RESCIND_CONFIG")]
    pub config: Option<PathBuf>,

    /// Check the configuration, say what is wrong with it, and end
    #[arg(long)]
    pub check: bool,
}

impl CommonArgs {
    /// The configuration file: the one named, else `default`.
    pub fn config_or<'a>(&'a self, default: &'a str) -> &'a Path {
        self.config.as_deref().unwrap_or(Path::new(default))
    }
}

/// A part of the system as a process: what [`main`] needs to know of it.
pub trait Part {
    /// Its configuration.
    type Config: Clone + Serialize;

    /// Where its configuration is, unless `--config` names another file.
    const DEFAULT_PATH: &'static str;

    /// Reads and checks the configuration at `path`.
    fn load(path: &Path) -> Result<Loaded<Self::Config>, ConfigError>;

    /// How it logs.
    fn log(config: &Self::Config) -> &LogConfig;

    /// Reads every file that the configuration names, and binds nothing. What is to be said although all of it can be used,
    /// such as that a certificate expires soon.
    fn prepare(config: &Self::Config) -> anyhow::Result<Vec<String>>;

    /// Runs until it is told to end. The log has been started.
    fn run(config: Self::Config) -> impl Future<Output = anyhow::Result<ExitCode>>;
}

/// Runs a part from its arguments to its exit code: 0 good, 2 wrong configuration or usage, 1 the rest.
pub fn main<P: Part>(arguments: &CommonArgs) -> ExitCode {
    tls::install_crypto_provider();
    let loaded = match P::load(arguments.config_or(P::DEFAULT_PATH)) {
        Ok(loaded) => loaded,
        Err(error) => return exit::report(&error.into()),
    };
    if arguments.check {
        return match check::<P>(&loaded) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit::report(&error),
        };
    }
    exit::block_on(async {
        telemetry::init(P::log(&loaded.config))?;
        loaded.log();
        let ended = P::run(loaded.config.clone()).await;
        ended.map_err(|error| loaded.locate(error))
    })
}

/// Reads every file that is named, and says what would be used.
fn check<P: Part>(loaded: &Loaded<P::Config>) -> anyhow::Result<()> {
    let warnings = P::prepare(&loaded.config).map_err(|error| loaded.locate(error))?;
    std::io::stdout()
        .write_all(page(loaded, &warnings).as_bytes())
        .context("cannot write to stdout")
}

fn page<T: Serialize>(loaded: &Loaded<T>, warnings: &[String]) -> String {
    let unused = loaded.unused.iter();
    let variables = loaded.unused_variables.iter();
    let overridden = loaded.overridden.iter();
    let written = loaded.written().into_iter();
    let lines = loaded
        .describe()
        .into_iter()
        .chain(written.map(|key| format!("used of the file: {key}")))
        .chain(unused.map(|key| format!("not used here: {key}")))
        .chain(variables.map(|name| format!("not used here: {name} (a variable)")))
        .chain(overridden.map(|key| format!("from the environment: {key}")))
        .chain(warnings.iter().map(|text| format!("warning: {text}")))
        .chain(["the configuration is good".to_owned()]);
    lines.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        common: CommonArgs,
    }

    #[test]
    fn the_configuration_file_has_a_default() {
        let arguments = Arguments::parse_from(["part"]);
        let default = arguments.common.config_or("/etc/rescind/part.toml");
        assert_eq!(default, Path::new("/etc/rescind/part.toml"));
        assert!(!arguments.common.check);

        let arguments = Arguments::parse_from(["part", "--config", "here.toml", "--check"]);
        assert_eq!(arguments.common.config_or("-"), Path::new("here.toml"));
        assert!(arguments.common.check);
    }

    #[test]
    fn a_wrong_argument_is_a_matter_of_usage() {
        let error = Arguments::try_parse_from(["part", "--confg", "x"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
