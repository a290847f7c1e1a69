//! `rescind-stack`: runs the whole of it on this machine.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use rescind_stack::{Ports, Stack, Terminal, World};

/// Runs a whole Rescind on this machine: broker, control plane stand-in, adapter, enforcer, Envoy, and an API behind.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Folder for certificates, data, logs, and the file `env`
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "target/run",
        global = true
    )]
    state: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything, print the walk-through, show the logs, until Ctrl-C
    Run {
        /// Added to every port
        #[arg(long, env = "PORT_OFFSET", default_value = "0", value_parser = port_offset)]
        port_offset: u16,
    },
    /// Play the walk-through on a running stack or one of its own; fail if a step differs
    Demo {
        /// Added to every port
        #[arg(long, env = "PORT_OFFSET", default_value = "0", value_parser = port_offset)]
        port_offset: u16,
    },
    /// Forget the state folder
    Reset,
    /// Install what run and the tests need: RabbitMQ, Envoy and libfaketime
    Provision,
    /// The API behind Envoy
    #[command(hide = true)]
    Upstream {
        #[arg(long)]
        port: u16,
    },
    /// Ends what its parent leaves behind
    #[command(hide = true)]
    Warden {
        #[arg(long)]
        env: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let world = match World::from_variables(|name| std::env::var(name).ok()) {
        Ok(world) => world,
        Err(error) => return fail(&error, 2),
    };
    match start(arguments, world) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

#[tokio::main]
async fn start(arguments: Arguments, world: World) -> Result<()> {
    let terminal = Terminal::stdout();
    let plan = Stack::builder().state(&arguments.state).world(world);
    match arguments.command {
        Command::Run { port_offset } => {
            rescind_stack::run(plan.port_offset(port_offset), terminal).await
        }
        Command::Demo { port_offset } => {
            rescind_stack::demo(plan.port_offset(port_offset), terminal).await
        }
        Command::Reset => rescind_stack::reset(&arguments.state, terminal).await,
        Command::Provision => rescind_stack::install(&plan, terminal).await,
        Command::Upstream { port } => rescind_stack::serve_upstream(port).await,
        Command::Warden { env } => {
            rescind_stack::watch_as_warden(io::stdin().lock(), &env).await;
            Ok(())
        }
    }
}

/// A variable that is set to nothing is as good as none.
fn port_offset(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let offset = text.parse().map_err(|_| "expected a number".to_owned())?;
    match Ports::standard(offset) {
        Ok(_) => Ok(offset),
        Err(error) => Err(error.to_string()),
    }
}

/// A terminal that was closed must not turn an error into a panic.
fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "rescind-stack: {error:#}");
    ExitCode::from(code)
}
