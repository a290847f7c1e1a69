//! The signals that end a stack: Ctrl-C, SIGTERM, and the terminal that was closed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

const A_MOMENT: Duration = Duration::from_secs(1);

/// Caught from the moment it is made. What comes while nobody waits is not lost.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(crate) fn catch() -> Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for one that comes later than a moment from now: a terminal, a `make` and a `timeout` may each pass on the same
    /// wish.
    pub(crate) async fn another(&mut self) -> &'static str {
        let first = Instant::now();
        loop {
            let signal = self.any().await;
            if first.elapsed() > A_MOMENT {
                return signal;
            }
        }
    }

    /// Waits for one of them, and names it.
    pub(crate) async fn any(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
