//! One part in the hands of a test: looked at, ended, killed, frozen, started again.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use nix::sys::signal::Signal;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Kept, Layout, START_LIMIT};
use crate::{
    config,
    keeper::{Order, Status},
    parts::Part,
    process::{self, ProcessId},
};

/// A part of a running stack.
#[derive(Debug)]
pub struct PartHandle<'a> {
    part: Part,
    kept: &'a Kept,
    log: PathBuf,
    config: PathBuf,
}

impl<'a> PartHandle<'a> {
    pub(super) fn new(part: Part, kept: &'a Kept, layout: &Layout) -> Self {
        Self {
            part,
            kept,
            log: layout.log(part),
            config: layout.config(part),
        }
    }

    /// Which one it is.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The file that it reads at each start, written when the stack was started: TOML, or Envoy's YAML.
    pub fn config_path(&self) -> &Path {
        &self.config
    }

    /// Lays TOML over its configuration, as [`StackBuilder::config`](super::StackBuilder::config) does before the first start:
    /// for what is known only when other parts run. It reads that at its next start.
    pub fn configure(&self, toml: &str) -> Result<()> {
        config::change(&self.config, toml)
    }

    /// How it stands with it.
    pub fn status(&self) -> Status {
        *self.kept.status.borrow()
    }

    /// Its process, where it runs.
    pub fn process(&self) -> Option<ProcessId> {
        self.status().process()
    }

    /// The pid of its process, where it runs.
    pub fn pid(&self) -> Option<i32> {
        self.process().map(|process| process.pid)
    }

    /// Starts it and waits until it is ready. Does nothing with one that is.
    pub async fn start(&self) -> Result<()> {
        self.launch().await;
        self.ready_within(START_LIMIT).await
    }

    /// Starts it and does not wait.
    pub async fn launch(&self) {
        give(&self.kept.orders, Order::Start).await;
    }

    /// Waits until it is ready, over any deaths and new starts.
    pub async fn ready_within(&self, time: Duration) -> Result<()> {
        let mut status = self.kept.status.clone();
        let is_ready = status.wait_for(|status| matches!(status, Status::Ready(_)));
        match timeout(time, is_ready).await {
            Ok(Ok(_)) => Ok(()),
            _ => bail!(
                "{} is not ready after {} s\n{}",
                self.part,
                time.as_secs_f32(),
                self.last_lines()
            ),
        }
    }

    /// Asks it to end (SIGTERM) and waits for it, a quarter of a minute before it is killed. It stays down.
    pub async fn stop(&self) {
        give(&self.kept.orders, |done| {
            Order::End(Duration::from_secs(15), done)
        })
        .await;
    }

    /// Kills it (SIGKILL) and waits until it is gone. It stays down until it is started.
    pub async fn kill9(&self) {
        give(&self.kept.orders, Order::Kill).await;
    }

    /// Kills it (SIGKILL) behind the back of its keeper, who starts it again; waits until it is gone.
    pub async fn crash(&self) {
        let Some(process) = self.process() else {
            return;
        };
        process::signal_group(process.pid, Signal::SIGKILL);
        let mut status = self.kept.status.clone();
        let _ = status
            .wait_for(|status| status.process() != Some(process))
            .await;
    }

    /// Stops its clock (SIGSTOP): it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen one go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// The file that its output goes to, that of earlier starts in this run included.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// All that it has said in this run.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of its log, for an error.
    pub(super) fn last_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(15)..];
        let shown: String = last.iter().map(|line| format!("  {line}\n")).collect();
        format!("the last lines of {}:\n{shown}", self.log.display())
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = self.process() {
            process::signal_group(process.pid, signal);
        }
    }
}

/// Gives an order and waits until it is carried out. A keeper that is gone has nothing left to do.
pub(super) async fn give(
    orders: &mpsc::Sender<Order>,
    order: impl FnOnce(oneshot::Sender<()>) -> Order,
) {
    let (done, is_done) = oneshot::channel();
    if orders.send(order(done)).await.is_ok() {
        let _ = is_done.await;
    }
}
