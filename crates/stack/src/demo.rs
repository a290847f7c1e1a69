//! `make demo`: plays the walk-through and checks every step.

mod api_key;
mod play;
mod token;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};

use crate::{
    envfile, lock, logs::Terminal, procedure::Procedure, provision, run, signals::Signals,
    stack::StackBuilder,
};
use play::Play;

/// Plays on the stack that runs in the state folder of `plan`, or on one of its own. An error if any step differs from
/// what the documentation promises.
pub async fn demo(plan: StackBuilder, terminal: Terminal) -> Result<()> {
    let mut signals = Signals::catch()?;
    provision::ensure_curl(&|line| terminal.say(line)).await?;
    if let Some(pid) = lock::holder(plan.state_folder()) {
        terminal.say(&format!(
            "playing on the stack that runs already (pid {pid})"
        ));
        let env = plan.state_folder().join("env");
        return tokio::select! {
            outcome = play_on(&env, terminal) => outcome,
            signal = signals.any() => bail!("{signal}: the demo is broken off"),
        };
    }
    let Some(stack) = run::bring_up(plan, terminal, &mut signals).await? else {
        bail!("the demo is broken off");
    };
    let env = stack.state().join("env");
    let outcome = tokio::select! {
        outcome = play_on(&env, terminal) => outcome,
        signal = signals.any() => Err(anyhow::anyhow!("{signal}: the demo is broken off")),
    };
    run::take_down(stack, terminal, &mut signals).await;
    outcome
}

async fn play_on(env: &Path, terminal: Terminal) -> Result<()> {
    let announced = async {
        while !env.exists() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), announced)
        .await
        .context("the stack does not become ready")?;
    let procedure = Procedure::new(envfile::read(env)?)?;
    let mut play = Play::new(terminal);
    token::play(&mut play, &procedure).await?;
    api_key::play(&mut play, &procedure).await?;
    play.verdict()
}
