//! Runs a command, shows it and what came back, and holds that against what is promised.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    curl::{Answer, Curl},
    logs::Terminal,
};

/// One playing of the walk-through.
#[derive(Debug)]
pub(super) struct Play {
    terminal: Terminal,
    checks: u32,
    differences: Vec<String>,
}

/// How long a promise that is kept "in under a second" is waited for before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

impl Play {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            checks: 0,
            differences: Vec::new(),
        }
    }

    pub(super) fn chapter(&self, title: &str) {
        self.terminal
            .plain(&format!("\n\n{title}\n{}\n", "=".repeat(title.len())));
    }

    pub(super) fn step(&self, text: &str) {
        self.terminal.plain(&format!("\n{text}\n"));
    }

    /// Runs and shows a command.
    pub(super) async fn run(&self, curl: &Curl) -> Result<Answer> {
        self.terminal.plain(&format!("\n  $ {}\n", curl.as_run()));
        let answer = curl.run().await?;
        self.show(&answer);
        Ok(answer)
    }

    /// Runs a command until it is answered with `status`, and shows the last answer.
    pub(super) async fn run_until(&mut self, curl: &Curl, status: u16) -> Result<Answer> {
        self.terminal.plain(&format!("\n  $ {}\n", curl.as_run()));
        let begun = Instant::now();
        loop {
            let answer = curl.run().await?;
            if answer.status == status || begun.elapsed() > PATIENCE {
                self.show(&answer);
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Says whether a promise holds.
    pub(super) fn check(&mut self, promise: &str, holds: bool) {
        self.checks += 1;
        let mark = if holds { "ok " } else { "DIFFERS" };
        self.terminal.plain(&format!("  [{mark}] {promise}\n"));
        if !holds {
            self.differences.push(promise.to_owned());
        }
    }

    pub(super) fn check_status(&mut self, answer: &Answer, status: u16) {
        let seen = answer.status;
        self.check(&format!("the answer is {status}"), seen == status);
        if seen != status {
            self.terminal.plain(&format!("        but it was {seen}\n"));
        }
    }

    /// Waits for a line that holds `text` in what was added to a log, and shows it.
    pub(super) async fn check_log(&mut self, log: &LogTail<'_>, text: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let line = log.find(text)?;
            if line.is_some() || begun.elapsed() > PATIENCE {
                if let Some(line) = &line {
                    self.terminal.plain(&format!("  {line}\n"));
                }
                self.check(&format!("the adapter's log says: {text}"), line.is_some());
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn verdict(&self) -> Result<()> {
        if self.differences.is_empty() {
            self.terminal
                .plain(&format!("\nAll {} checks hold.\n", self.checks));
            return Ok(());
        }
        bail!(
            "{} of {} checks differ: {}",
            self.differences.len(),
            self.checks,
            self.differences.join("; ")
        );
    }

    fn show(&self, answer: &Answer) {
        let shown: String = answer
            .head
            .iter()
            .map(|line| format!("  < {line}\n"))
            .collect();
        let body = match answer.body.as_str() {
            "" => "  < (no body)".to_owned(),
            body => format!("  < {body}"),
        };
        self.terminal.plain(&format!("{shown}{body}\n"));
    }
}

/// A log from a moment on.
#[derive(Debug)]
pub(super) struct LogTail<'a> {
    path: &'a Path,
    from: usize,
}

impl<'a> LogTail<'a> {
    pub(super) fn from_now(path: &'a Path) -> Result<Self> {
        let from = fs::metadata(path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .len();
        Ok(Self {
            path,
            from: usize::try_from(from)?,
        })
    }

    fn find(&self, text: &str) -> Result<Option<String>> {
        let log =
            fs::read(self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        let added = String::from_utf8_lossy(log.get(self.from..).unwrap_or_default());
        Ok(added
            .lines()
            .find(|line| line.contains(text))
            .map(str::to_owned))
    }
}
