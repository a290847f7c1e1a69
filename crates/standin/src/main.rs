//! `rescind-standin`: reads its configuration and runs the stand-in.

use std::process::ExitCode;

use clap::Parser;
use rescind_runtime::config::ProcessEnvironment;
use rescind_runtime::{cli::CommonArgs, exit, load, telemetry, tls};
use rescind_standin::app::{App, Material};
use rescind_standin::config::{Config, DEFAULT_PATH, SCHEMA};

/// Stands in for the control plane of WSO2 API Manager, for demonstrations and tests
#[derive(Debug, Parser)]
#[command(name = "rescind-standin", version)]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tls::install_crypto_provider();
    exit::block_on(run(arguments))
}

async fn run(Arguments { common }: Arguments) -> anyhow::Result<ExitCode> {
    let path = common.config_or(DEFAULT_PATH);
    let loaded = load::<Config>(path, &SCHEMA, &ProcessEnvironment)?.check(Config::check)?;
    if common.check {
        Material::load(&loaded.config)?;
        return Ok(ExitCode::SUCCESS);
    }
    telemetry::init(&loaded.config.log)?;
    loaded.log();
    Ok(App::build(loaded.config).await?.run().await)
}
