//! `make bench`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use rescind_bench::{
    docs,
    run::{self, Files, Plan},
    table,
    targets::{self, Workspace},
};

/// Runs the benchmarks and holds their figures against the goals.
#[derive(Debug, Parser)]
struct Arguments {
    /// Benchmarks (set), packages (ledger) or figures of the whole system (e2e.idle); all where none is named
    #[arg(value_delimiter = ',')]
    only: Vec<String>,
    /// With the slow rows: a ledger of 10 million entries
    #[arg(long)]
    full: bool,
    /// Writes the figures into docs/benchmarks.md too
    #[arg(long)]
    docs: bool,
    /// Measures nothing: writes the last run's figures into docs/benchmarks.md
    #[arg(long)]
    docs_alone: bool,
}

fn main() -> ExitCode {
    match bench(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rescind-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: Arguments) -> Result<ExitCode> {
    let Arguments {
        only,
        full,
        docs,
        docs_alone,
    } = arguments;
    let workspace = targets::workspace()?;
    if docs_alone {
        return publish(&workspace).map(|()| ExitCode::SUCCESS);
    }
    let is_whole = only.is_empty();
    let outcome = run::run(&workspace, &Plan { only, full }, &|line| {
        eprintln!("{line}")
    })?;
    println!(
        "\n{}\n\n{}",
        outcome.machine.line(),
        table::text(&outcome.rows)
    );
    if is_whole {
        print!("{}", table::missing(&outcome.rows));
    }
    println!("{}", table::summary(&outcome.rows));
    if !outcome.failed.is_empty() {
        eprintln!("\nfailed:\n{}", outcome.failed.join("\n"));
        return Ok(ExitCode::FAILURE);
    }
    if docs {
        publish(&workspace)?;
    }
    // A goal that is not met is shown, and is no failure of the run.
    Ok(ExitCode::SUCCESS)
}

/// From the files of the last run, whichever it was.
fn publish(workspace: &Workspace) -> Result<()> {
    let (machine, rows) = Files::below(&workspace.target).read()?;
    let path = workspace.root.join("docs/benchmarks.md");
    let page =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let page = docs::publish(&page, &machine, &rows)?;
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}
