//! The adapter's process.

use std::process::ExitCode;

use clap::Parser as _;
use rescind_adapter::cli::{self, Arguments};

fn main() -> ExitCode {
    cli::main(&Arguments::parse())
}
