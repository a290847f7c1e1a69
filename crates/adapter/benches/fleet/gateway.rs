//! One gateway's client in a process of its own: the client library, and a revoked set that it fills.
//!
//! It is told `go` and `away` on its standard input, and says on its standard error what it holds.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rescind_revocation::{RevokedSet, UnixSeconds, packed};
use rescind_xds::client::{
    self, Answer, ClientConfig, Content, LinkState, Outcome, Rejection, Security, Sink, Update,
};
use rustls_pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::{
    ROLE,
    ground::{self, Ground},
    process::{Process, monotonic},
};

/// A running gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStderr>>,
}

/// A moment at which it held everything, by a checkpoint that says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole {
    /// By CLOCK_MONOTONIC.
    pub(crate) at: Duration,
    pub(crate) sequence: u64,
    /// The port of the adapter that said it.
    pub(crate) port: u16,
    /// Bytes of packed entries that it has received in all.
    pub(crate) bytes: u64,
}

impl Gateway {
    /// A gateway of the adapters on `ports`; it does nothing yet.
    pub(crate) fn start(ground: &Ground, ports: &[u16]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(ground.path(""))
            .args(ports.iter().map(u16::to_string))
            .env(ROLE, "gateway")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut gateway = Self { child, stdin, said };
        assert_eq!(gateway.line(), "ready");
        gateway
    }

    /// Connects. When it was told so.
    pub(crate) fn go(&mut self) -> Duration {
        writeln!(self.stdin, "go").unwrap();
        monotonic()
    }

    /// Leaves; what it holds it keeps.
    pub(crate) fn away(&mut self) {
        writeln!(self.stdin, "away").unwrap();
        while self.line() != "away" {}
    }

    /// Waits until it holds everything up to `sequence`, told by another adapter than the one on `but`.
    pub(crate) fn whole(&mut self, sequence: u64, but: Option<u16>) -> Whole {
        loop {
            let line = self.line();
            let mut words = line.split(' ');
            let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
            let (Some(at), Some(held), Some(port), Some(bytes)) =
                (number(), number(), number(), number())
            else {
                continue;
            };
            let whole = Whole {
                at: Duration::from_nanos(at),
                sequence: held,
                port: u16::try_from(port).unwrap(),
                bytes,
            };
            if held >= sequence && Some(whole.port) != but {
                return whole;
            }
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    fn line(&mut self) -> String {
        self.said.next().expect("a gateway that lives").unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it holds.
#[derive(Debug, Default)]
struct Held {
    set: RevokedSet,
    versions: BTreeMap<String, String>,
    /// The port of the adapter that it is connected to.
    port: String,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Filler(Arc<Mutex<Held>>);

impl Sink for Filler {
    fn version(&self) -> String {
        String::new()
    }

    fn versions(&self) -> Vec<(String, String)> {
        let held = self.0.lock().unwrap();
        held.versions.clone().into_iter().collect()
    }

    fn apply(&mut self, update: Update) -> Result<Outcome, Rejection> {
        let mut held = self.0.lock().unwrap();
        if let Content::Packed(part) = &update.content {
            let entries = packed::decode(&part.entries, UnixSeconds(part.base))
                .map_err(|error| Rejection(error.to_string()))?;
            held.set.apply(&entries, &update.version);
            held.bytes += part.entries.len();
        }
        if let Some(ledger) = update.ledger {
            held.versions.insert(ledger, update.version.clone());
        }
        if update.checkpoint.is_some_and(|said| said.complete) {
            let sequence = update.version.split('-').next().unwrap_or("0");
            let (at, port, bytes) = (monotonic().as_nanos(), &held.port, held.bytes);
            eprintln!("{at} {sequence} {port} {bytes}");
        }
        Ok(Outcome::Applied(Answer::default()))
    }

    fn link(&mut self, state: LinkState) {
        if let LinkState::Opening { address } = state {
            let port = address.rsplit(':').next().unwrap_or_default();
            port.clone_into(&mut self.0.lock().unwrap().port);
        }
    }
}

/// The process itself.
pub(crate) fn child(arguments: &[String]) {
    let [folder, ports @ ..] = arguments else {
        panic!("a folder and ports");
    };
    let ports = ports.iter().filter(|port| port.parse::<u16>().is_ok());
    let endpoints = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    let security = Security::Tls {
        config: ground::client_tls(Path::new(&PathBuf::from(folder))),
        server_name: ServerName::try_from("localhost").unwrap(),
    };
    let config = ClientConfig::new(endpoints, security, "gateway".to_owned());
    let sink = Filler(Arc::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut running = None;
    eprintln!("ready");
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "go" => {
                let token = CancellationToken::new();
                let run = client::run(config.clone(), sink.clone(), token.clone());
                running = Some((token, runtime.spawn(run)));
            }
            _ => {
                if let Some((token, task)) = running.take() {
                    token.cancel();
                    runtime.block_on(task).unwrap();
                    eprintln!("away");
                }
            }
        }
    }
}
