//! `rescind-enforcer`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use rescind_enforcer::Enforcer;
use rescind_runtime::cli::{self, CommonArgs};

/// Answers Envoy's ext_authz checks: refuses what is revoked, and verifies the rest
#[derive(Debug, Parser)]
#[command(name = "rescind-enforcer", version)]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    cli::main::<Enforcer>(&Arguments::parse().common)
}
