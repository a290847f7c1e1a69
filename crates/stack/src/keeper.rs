//! Keeps one part alive: starts it, asks whether it is ready, starts it again when it dies, ends it when told.
//!
//! ```text
//!            Start                probe holds
//!   Down ───────────▶ Started ───────────────▶ Ready
//!    ▲ ▲                │  ▲                     │
//!    │ │ End, Kill      │  │ rest is over        │ died
//!    │ └────────────────┤  └──────── Resting ◀───┤
//!    │                  └─ died ──────▲          │
//!    └───────────────────────────────────────────┘ End, Kill
//! ```

use std::{
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::{
    process::Child,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    journal::Journal,
    parts::{Part, Program},
    process::{self, ProcessId},
};

/// What is known of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was not started, or was ended on purpose.
    Down,
    /// It runs, and is not ready yet.
    Started(ProcessId),
    /// It runs and does its work.
    Ready(ProcessId),
    /// It died by itself and is started again after a rest.
    Resting,
}

impl Status {
    /// The process, where there is one.
    pub fn process(self) -> Option<ProcessId> {
        match self {
            Self::Started(process) | Self::Ready(process) => Some(process),
            Self::Down | Self::Resting => None,
        }
    }
}

/// Something that whoever watches the stack should hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Started(Part),
    Ready(Part, Duration),
    Died {
        part: Part,
        how: String,
        rest: Duration,
    },
    Killed(Part),
}

/// What a keeper is told. Each is answered when it is done.
#[derive(Debug)]
pub(crate) enum Order {
    Start(oneshot::Sender<()>),
    /// Ask it to end, and kill it when it has not after so long.
    End(Duration, oneshot::Sender<()>),
    /// SIGKILL at once.
    Kill(oneshot::Sender<()>),
}

/// The task behind one part. It ends when nobody can give it orders any more.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) program: Program,
    pub(crate) journal: Arc<Journal>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
}

/// Why a process is gone.
enum Gone {
    Asked,
    Alone(String),
}

impl Keeper {
    pub(crate) async fn run(mut self) {
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Start(done) => {
                    let _ = done.send(());
                    self.keep().await;
                    self.status.send_replace(Status::Down);
                }
                Order::End(_, done) | Order::Kill(done) => drop(done.send(())),
            }
        }
    }

    /// Until it is asked to end.
    async fn keep(&mut self) {
        let mut rests = Rests::default();
        loop {
            let begun = Instant::now();
            let Gone::Alone(how) = self.live_once().await else {
                return;
            };
            let rest = rests.next(begun.elapsed());
            self.status.send_replace(Status::Resting);
            self.tell(Notice::Died {
                part: self.program.part,
                how,
                rest,
            });
            if self.rest(rest).await.is_break() {
                return;
            }
        }
    }

    async fn live_once(&mut self) -> Gone {
        let begun = Instant::now();
        let mut child = match self.program.spawn() {
            Ok(child) => child,
            Err(error) => return Gone::Alone(format!("could not be started: {error:#}")),
        };
        let Some(id) = identify(&child) else {
            return Gone::Alone("ended at once".to_owned());
        };
        let part = self.program.part;
        self.journal.add(part, id);
        self.status.send_replace(Status::Started(id));
        self.tell(Notice::Started(part));

        let probe = self.program.probe.clone();
        let ready = probe.succeeds();
        tokio::pin!(ready);
        let mut is_ready = false;
        let (gone, answer) = loop {
            tokio::select! {
                status = child.wait() => break (Gone::Alone(describe(status)), None),
                // Something else may answer in its place: then it has died of the taken port, or is about to.
                () = &mut ready, if !is_ready => {
                    is_ready = true;
                    if id.is_alive() {
                        self.status.send_replace(Status::Ready(id));
                        self.tell(Notice::Ready(part, begun.elapsed()));
                    }
                }
                order = self.orders.recv() => match order {
                    Some(Order::Start(done)) => drop(done.send(())),
                    Some(Order::End(grace, done)) => {
                        self.end(&mut child, id, grace).await;
                        break (Gone::Asked, Some(done));
                    }
                    Some(Order::Kill(done)) => {
                        self.kill(&mut child, id).await;
                        break (Gone::Asked, Some(done));
                    }
                    None => {
                        self.kill(&mut child, id).await;
                        break (Gone::Asked, None);
                    }
                },
            }
        };
        // What the leader leaves of its group must not stand in the way of the next one.
        process::kill_group(id.pid).await;
        self.journal.remove(part);
        if let Some(done) = answer {
            // Down before the answer: who waits for it may look at once.
            self.status.send_replace(Status::Down);
            let _ = done.send(());
        }
        gone
    }

    async fn end(&self, child: &mut Child, id: ProcessId, grace: Duration) {
        process::signal_group(id.pid, Signal::SIGTERM);
        // One that is frozen would not hear it.
        process::signal_group(id.pid, Signal::SIGCONT);
        if timeout(grace, child.wait()).await.is_err() {
            self.tell(Notice::Killed(self.program.part));
            self.kill(child, id).await;
        }
    }

    async fn kill(&self, child: &mut Child, id: ProcessId) {
        process::signal_group(id.pid, Signal::SIGKILL);
        let _ = child.wait().await;
    }

    async fn rest(&mut self, time: Duration) -> std::ops::ControlFlow<()> {
        match timeout(time, self.orders.recv()).await {
            Err(_) => std::ops::ControlFlow::Continue(()),
            Ok(Some(Order::Start(done))) => {
                let _ = done.send(());
                std::ops::ControlFlow::Continue(())
            }
            Ok(Some(Order::End(_, done) | Order::Kill(done))) => {
                self.status.send_replace(Status::Down);
                let _ = done.send(());
                std::ops::ControlFlow::Break(())
            }
            Ok(None) => std::ops::ControlFlow::Break(()),
        }
    }

    fn tell(&self, notice: Notice) {
        let _ = self.notices.send(notice);
    }
}

/// How long to rest before each start after a death: half a second, 2 s, 4 s, and so on to 30 s.
#[derive(Debug, Default)]
struct Rests {
    deaths: u32,
}

const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Who lived so long has not died of its start.
const A_LIFE: Duration = Duration::from_secs(15);

impl Rests {
    fn next(&mut self, lived: Duration) -> Duration {
        if lived >= A_LIFE {
            self.deaths = 0;
        }
        let rest = match self.deaths {
            0 => FIRST_REST,
            deaths => Duration::from_secs(1 << deaths.min(5)).min(LONGEST_REST),
        };
        self.deaths += 1;
        rest
    }
}

fn identify(child: &Child) -> Option<ProcessId> {
    ProcessId::of(i32::try_from(child.id()?).ok()?)
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, Some(signal)) => match Signal::try_from(signal) {
                Ok(signal) => format!("was ended by {signal}"),
                Err(_) => format!("was ended by signal {signal}"),
            },
            (None, None) => "ended".to_owned(),
        },
        Err(error) => format!("is lost: {error}"),
    }
}

#[cfg(test)]
mod tests;
