//! Every task has an owner who awaits it: this one.
//!
//! ```text
//!   running --- a task ends unasked (or panics) ---> draining, code 1
//!      |------- SIGTERM, SIGINT, SIGHUP -----------> draining, code 0
//!   draining -- all tasks have ended --------------> ended (1 if one of them failed)
//!      |------- deadline --------------------------> the rest aborted, code 1
//!      |------- another signal --------------------> the rest aborted, code 1
//! ```
//!
//! A task learns of the drain by the [`CancellationToken`] and ends by itself. The supervisor never restarts anything: who
//! started the process does that.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::exit;
use crate::health::Health;

/// How long tasks may take to end once asked.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Signals so close to the first are the same telling: `timeout`, `make` and a terminal each pass one on to a process that
/// got it already.
const ONE_TELLING: Duration = Duration::from_secs(1);

/// Owns the tasks of a process from their start to its end.
#[derive(Debug)]
pub struct Supervisor {
    health: Health,
    cancel: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
    deadline: Duration,
}

impl Supervisor {
    /// A supervisor without tasks. `health` is told when the drain begins.
    pub fn new(health: Health) -> Self {
        Self {
            health,
            cancel: CancellationToken::new(),
            tasks: JoinSet::new(),
            names: HashMap::new(),
            deadline: DRAIN_DEADLINE,
        }
    }

    /// Gives the drain another deadline than [`DRAIN_DEADLINE`].
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Cancelled when the drain begins. Cancelling it begins the drain too.
    pub fn token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Starts a task that runs until the drain. If it ends before, with or without an error, the process ends.
    pub fn spawn<F, E>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error> + Send + 'static,
    {
        let task = async move { task.await.map_err(Into::into) };
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Runs until all tasks have ended and gives the process's exit code.
    pub async fn run(self) -> ExitCode {
        match signals() {
            Ok(signals) => ExitCode::from(self.run_with(signals).await),
            Err(error) => {
                error!(error = format!("{error:#}"), "Cannot wait for signals");
                ExitCode::from(exit::FAILED)
            }
        }
    }

    /// [`Supervisor::run`] with the signals' names from a channel; a closed channel brings none.
    async fn run_with(mut self, mut signals: mpsc::Receiver<&'static str>) -> u8 {
        let mut code = self.until_drain(&mut signals).await;
        self.health.drain();
        self.cancel.cancel();
        let told = Instant::now();
        let deadline = told + self.deadline;
        loop {
            tokio::select! {
                // When all have ended, a signal or the deadline at the same moment changes nothing.
                biased;
                ended = self.tasks.join_next_with_id() => match ended {
                    None => break,
                    Some(ended) => {
                        let (name, ended) = self.identify(ended);
                        if let Err(error) = ended {
                            warn!(task = name, error = format!("{error:#}"), "Failed while draining");
                            code = code.max(exit::FAILED);
                        }
                    }
                },
                () = sleep_until(deadline) => {
                    let tasks = self.running();
                    warn!(tasks, seconds = self.deadline.as_secs(), "Not drained in time, ending all the same");
                    code = code.max(exit::FAILED);
                    break;
                }
                Some(signal) = signals.recv() => {
                    if told.elapsed() < ONE_TELLING {
                        continue;
                    }
                    warn!(signal, tasks = self.running(), "Told again to end, ending at once");
                    code = code.max(exit::FAILED);
                    break;
                }
            }
        }
        self.tasks.abort_all();
        info!(code, "Ended");
        code
    }

    /// Waits for whatever ends the running state, and gives the exit code that it means.
    async fn until_drain(&mut self, signals: &mut mpsc::Receiver<&'static str>) -> u8 {
        tokio::select! {
            // A task that has failed is the better reason when both are there.
            biased;
            Some(ended) = self.tasks.join_next_with_id() => {
                let (name, ended) = self.identify(ended);
                if self.cancel.is_cancelled() && ended.is_ok() {
                    return 0;
                }
                let cause = ended.err().unwrap_or_else(|| anyhow::anyhow!("ended without being asked to"));
                error!(task = name, error = format!("{cause:#}"), "A part of this process has ended, so the process ends");
                exit::code_for(&cause)
            }
            () = self.cancel.cancelled() => {
                info!("Draining");
                0
            }
            Some(signal) = signals.recv() => {
                info!(signal, "Draining");
                0
            }
        }
    }

    fn identify(
        &mut self,
        ended: Result<(Id, anyhow::Result<()>), JoinError>,
    ) -> (&'static str, anyhow::Result<()>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(describe(error))),
        };
        (self.names.remove(&id).unwrap_or("unnamed"), result)
    }

    fn running(&self) -> String {
        let names: BTreeSet<_> = self.names.values().copied().collect();
        Vec::from_iter(names).join(", ")
    }
}

/// A panic's message, which the panic hook has logged with its place, as an error.
fn describe(error: JoinError) -> anyhow::Error {
    match error.try_into_panic() {
        Ok(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            anyhow::anyhow!("panicked: {}", message.unwrap_or("without a message"))
        }
        Err(error) => error.into(),
    }
}

/// The names of the signals that end the process, as they come.
fn signals() -> anyhow::Result<mpsc::Receiver<&'static str>> {
    // Two are ever looked at: the first and the impatient one.
    let (tx, rx) = mpsc::channel(2);
    let kinds = [
        ("SIGTERM", SignalKind::terminate()),
        ("SIGINT", SignalKind::interrupt()),
        ("SIGHUP", SignalKind::hangup()),
    ];
    for (name, kind) in kinds {
        let mut stream = signal(kind).with_context(|| format!("cannot handle {name}"))?;
        let tx = tx.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if tx.send(name).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(rx)
}

#[cfg(test)]
mod tests;
