//! The adapter in a process of its own: the whole one, told through its standard input what is revoked.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rescind_adapter::{Adapter, App, feed::Feed};
use rescind_runtime::{cli::Part as _, telemetry};

use super::{
    ROLE,
    ground::{Ground, revocations},
    process::{Process, monotonic},
};

/// How long a group may take to be everywhere.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running adapter.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStderr>>,
    /// Where its xDS port is.
    pub(crate) port: u16,
    /// The last entry that was put in.
    pub(crate) last: u64,
}

/// When a group was received, by CLOCK_MONOTONIC, and how long it took to the last ACK.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Revoked {
    pub(crate) received: Duration,
    /// By the adapter's own metric; `None` where it was not waited for.
    pub(crate) last_ack: Option<Duration>,
}

impl Running {
    /// Starts on the ledger `name`, which holds the entries up to `last`.
    pub(crate) fn start(ground: &Ground, name: &str, last: u64) -> Self {
        let (config, port) = ground.config(name);
        Self::start_on(&config, port, last, &[])
    }

    /// The same with a command before it, such as `taskset -c 0`.
    pub(crate) fn start_under(ground: &Ground, name: &str, last: u64, under: &[&str]) -> Self {
        let (config, port) = ground.config(name);
        Self::start_on(&config, port, last, under)
    }

    fn start_on(config: &PathBuf, port: u16, last: u64, under: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match under {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        // Its log goes where nobody reads it, as a log should; it is written all the same.
        let log = std::fs::File::create(config.with_extension("log")).unwrap();
        let mut child = command
            .arg(config)
            .env(ROLE, "adapter")
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut running = Self {
            child,
            stdin,
            answers,
            port,
            last,
        };
        // Whatever else it says is why it cannot.
        let said = running.answer();
        if said != "ready" {
            running
                .answers
                .by_ref()
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{line}"));
            panic!("the adapter does not start: {said}");
        }
        running
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Revokes `count` more in one group, and waits for the last ACK of it.
    pub(crate) fn revoke(&mut self, count: u64) -> Revoked {
        self.ask(count, true)
    }

    /// Revokes `count` more in one group, and waits until it is published.
    pub(crate) fn publish(&mut self, count: u64) -> Revoked {
        self.ask(count, false)
    }

    fn ask(&mut self, count: u64, wait: bool) -> Revoked {
        let from = self.last + 1;
        self.last += count;
        writeln!(self.stdin, "{from} {} {wait}", self.last + 1).unwrap();
        self.stdin.flush().unwrap();
        let answer = self.answer();
        let mut times = answer.split(' ').map(|time| {
            let nanos: i64 = time.parse().unwrap_or_else(|_| panic!("{answer}"));
            u64::try_from(nanos).ok().map(Duration::from_nanos)
        });
        Revoked {
            received: times.next().unwrap().unwrap(),
            last_ack: times.next().unwrap(),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn answer(&mut self) -> String {
        self.answers.next().expect("an adapter that lives").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself: the adapter of this configuration, until its parent is gone.
pub(crate) fn child(config: &str) {
    let loaded = Adapter::load(Path::new(config)).unwrap();
    telemetry::init(Adapter::log(&loaded.config)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let app = App::build(loaded.config).await.unwrap();
        let feed = app.feed();
        let token = app.token();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            eprintln!("ready");
            for line in std::io::stdin().lock().lines() {
                runtime.block_on(obey(&feed, &line.unwrap()));
            }
            token.cancel();
        });
        app.run().await;
    });
}

async fn obey(feed: &Feed, line: &str) {
    let mut words = line.split(' ');
    let mut number = || words.next().unwrap().parse::<u64>().unwrap();
    let group = revocations(number(), number());
    let wait = words.next() == Some("true");
    let before = feed.last_acks();
    let received = monotonic();
    feed.revoke(group).await.unwrap();
    let published = monotonic();
    let mut last_ack = -1.0;
    while wait && last_ack < 0.0 {
        assert!(monotonic() < published + PATIENCE, "an ACK does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
        let now = feed.last_acks();
        if now.count > before.count {
            last_ack = (now.seconds - before.seconds) * 1e9;
        }
    }
    eprintln!("{} {last_ack:.0}", received.as_nanos());
}
