//! The command line: from arguments to an exit code.

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::Parser;
use rescind_runtime::{
    cli::CommonArgs,
    config::{Loaded, ProcessEnvironment, load},
    exit, telemetry, tls,
};

use crate::{
    App,
    config::{self, Config, DEFAULT_PATH, SCHEMA},
    prepare::prepare,
};

/// Hears token revocations at the control plane's event hub, keeps them in a durable ledger, and pushes them to every
/// enforcer over xDS.
#[derive(Debug, Parser)]
#[command(name = "rescind-adapter", version)]
pub struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
}

/// Runs the process: 0 good, 2 wrong configuration or usage, 1 the rest.
pub fn main(arguments: &Arguments) -> ExitCode {
    tls::install_crypto_provider();
    let path = arguments.common.config_or(DEFAULT_PATH);
    let loaded = load(path, &SCHEMA, &ProcessEnvironment)
        .and_then(|loaded: Loaded<Config>| loaded.check(config::check));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return exit::report(&error.into()),
    };
    if arguments.common.check {
        return match check(&loaded) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit::report(&error),
        };
    }
    exit::block_on(run(loaded))
}

/// Says what would be used, and reads every file that is named.
fn check(loaded: &Loaded<Config>) -> anyhow::Result<()> {
    prepare(&loaded.config)?;
    let mut page = String::new();
    for line in loaded.describe() {
        page.push_str(&line);
        page.push('\n');
    }
    for key in &loaded.unused {
        page.push_str(&format!("not used here: {key}\n"));
    }
    for key in &loaded.overridden {
        page.push_str(&format!("from the environment: {key}\n"));
    }
    page.push_str("the configuration is good\n");
    std::io::stdout()
        .write_all(page.as_bytes())
        .context("cannot write to stdout")
}

async fn run(loaded: Loaded<Config>) -> anyhow::Result<ExitCode> {
    telemetry::init(&loaded.config.log)?;
    loaded.log();
    let app = App::build(loaded.config).await?;
    Ok(app.run().await)
}
