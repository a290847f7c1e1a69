//! `rescind-enforcer`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use rescind_runtime::{cli::CommonArgs, exit, tls};

/// Answers Envoy's ext_authz checks: refuses what is revoked, and verifies the rest
#[derive(Debug, Parser)]
#[command(name = "rescind-enforcer", version)]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tls::install_crypto_provider();
    exit::block_on(rescind_enforcer::run(arguments.common))
}
