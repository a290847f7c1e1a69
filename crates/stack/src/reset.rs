//! `make reset`: forgets all that runs have left.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use crate::{journal, lock::StateLock, logs::Terminal};

/// Removes the state folder. Refuses while a stack runs in it; ends what a killed one left.
pub async fn reset(state: &Path, terminal: Terminal) -> Result<()> {
    if !state.exists() {
        terminal.say(&format!(
            "nothing to forget: there is no {}",
            state.display()
        ));
        return Ok(());
    }
    let state =
        fs::canonicalize(state).with_context(|| format!("cannot find {}", state.display()))?;
    let lock = StateLock::take(&state)?;
    let left = journal::end_leftovers(&state).await?;
    if !left.is_empty() {
        terminal.say(&format!(
            "ended what an earlier stack left: {}",
            left.join(", ")
        ));
        // What has just ended may still be closing its files.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    fs::remove_dir_all(&state).with_context(|| format!("cannot remove {}", state.display()))?;
    drop(lock);
    terminal.say(&format!("forgot {}", state.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_refuses_while_a_stack_runs_and_forgets_all_afterwards() {
        let parent = tempfile::tempdir().unwrap();
        let state = parent.path().join("run");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("env"), "").unwrap();

        let running = StateLock::take(&state).unwrap();
        assert!(reset(&state, Terminal::stdout()).await.is_err());
        assert!(state.join("env").exists());

        drop(running);
        reset(&state, Terminal::stdout()).await.unwrap();
        assert!(!state.exists());
        reset(&state, Terminal::stdout()).await.unwrap();
    }
}
