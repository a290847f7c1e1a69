//! `make run`: a whole stack until a signal comes.

use anyhow::{Result, bail};
use futures_util::FutureExt as _;

use crate::{
    lock,
    logs::Terminal,
    procedure::Procedure,
    provision,
    signals::Signals,
    stack::{Stack, StackBuilder},
    walkthrough,
};

/// Installs what is missing, starts the stack, prints the walk-through, shows the logs, and ends all of it at a signal.
pub async fn run(plan: StackBuilder, terminal: Terminal) -> Result<()> {
    let mut signals = Signals::catch()?;
    let Some(stack) = bring_up(plan, terminal, &mut signals).await? else {
        return Ok(());
    };
    tokio::select! {
        () = greet(&stack, terminal) => {
            stack.show_logs(terminal);
            let signal = signals.any().await;
            terminal.say(&format!("{signal}: ending all parts"));
        }
        signal = signals.any() => terminal.say(&format!("{signal}: ending all parts")),
    }
    take_down(stack, terminal, &mut signals).await;
    Ok(())
}

/// Installs what is missing, for a stack and for the tests, and no more. A signal is heard when the package manager has come to its end.
pub async fn install(plan: &StackBuilder, terminal: Terminal) -> Result<()> {
    let mut signals = Signals::catch()?;
    plan.provision(&|line| terminal.say(line)).await?;
    provision::ensure_test_tools(&|line| terminal.say(line)).await?;
    match signals.any().now_or_never() {
        Some(signal) => bail!("{signal} came meanwhile"),
        None => Ok(()),
    }
}

/// Starts a stack. None where a signal came first.
pub(crate) async fn bring_up(
    plan: StackBuilder,
    terminal: Terminal,
    signals: &mut Signals,
) -> Result<Option<Stack>> {
    if let Some(pid) = lock::holder(plan.state_folder()) {
        bail!(
            "a stack runs here already, pid {pid}; end it first (its state is in {})",
            plan.state_folder().display()
        );
    }
    // A package manager is let come to its end, so the signal is looked at only afterwards.
    let say = |line: &str| terminal.say(line);
    plan.provision(&say).await?;
    if let Err(error) = provision::ensure_curl(&say).await {
        terminal.say(&format!("no walk-through: {error:#}"));
    }
    terminal.say(&format!(
        "starting; state and logs are in {}",
        plan.state_folder().display()
    ));
    tokio::select! {
        biased;
        signal = signals.any() => {
            terminal.say(&format!("{signal}: the start is broken off"));
            Ok(None)
        }
        stack = plan.tell(terminal).start() => stack.map(Some),
    }
}

/// Ends a stack; a second signal ends it at once.
pub(crate) async fn take_down(stack: Stack, terminal: Terminal, signals: &mut Signals) {
    tokio::select! {
        () = stack.stop() => terminal.say("all parts have ended"),
        signal = signals.another() => terminal.say(&format!("{signal} again: all parts are killed")),
    }
}

async fn greet(stack: &Stack, terminal: Terminal) {
    let procedure = Procedure::new(stack.variables().to_map());
    let text = match procedure {
        Ok(procedure) => walkthrough::write(&procedure).await,
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => {
            terminal.plain(&text);
            stack.keep_walkthrough(&text);
        }
        Err(error) => terminal.say(&format!("no walk-through: {error:#}")),
    }
    terminal.say(&format!(
        "all is ready; for scripts: . {}; Ctrl-C ends all of it; the logs follow",
        stack.state().join("env").display()
    ));
}
