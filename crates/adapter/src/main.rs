//! `rescind-adapter`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use rescind_adapter::Adapter;
use rescind_runtime::cli::{self, CommonArgs};

/// Hears token revocations at the control plane's event hub, keeps them in a durable ledger, and pushes them to every
/// enforcer over xDS
#[derive(Debug, Parser)]
#[command(name = "rescind-adapter", version)]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    cli::main::<Adapter>(&Arguments::parse().common)
}
