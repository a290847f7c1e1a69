//! `rescind-standin`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use rescind_runtime::cli::{self, CommonArgs};
use rescind_standin::Standin;

/// Stands in for the control plane of WSO2 API Manager, for demonstrations and tests
#[derive(Debug, Parser)]
#[command(name = "rescind-standin", version)]
struct Arguments {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    cli::main::<Standin>(&Arguments::parse().common)
}
