//! What tests share: a running ingest over a real ledger, builders of events, and the log as a stream of lines.

use std::{
    io,
    sync::{Arc, Mutex},
};

use rescind_eventhub::{DecodeError, Delivery, Event, HubMessage, Place};
use rescind_ledger::{Ledger, LedgerReader};
use rescind_revocation::{Expiry, Identifier, Revocation, UnixSeconds};
use rescind_runtime::Health;
use rescind_xds::Head;
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Duration, Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

pub(crate) mod certificates;

use crate::{
    Metrics,
    catchup::Asked,
    ingest::{COMMANDS, Command, HUB_MESSAGES, Ingest, RetainUnknown, SweepClock, Writer},
};

/// Longer than anything takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for what must come.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("did not come")
}

pub(crate) fn token(identifier: &str) -> Revocation {
    Revocation::Token {
        identifier: Identifier::new(identifier).unwrap(),
        expiry: Expiry::Known(UnixSeconds(4_000_000_000)),
    }
}

/// A delivery of a JWT's revocation, and what hears that it was acknowledged.
pub(crate) fn revoked(identifier: &str) -> (HubMessage, oneshot::Receiver<()>) {
    message(Ok(Event::Revoked {
        kind_name: "JWT".into(),
        revocation: token(identifier),
    }))
}

pub(crate) fn message(event: Result<Event, DecodeError>) -> (HubMessage, oneshot::Receiver<()>) {
    let (delivery, receipt) = Delivery::with_receipt(event, Instant::now());
    (HubMessage::Delivery(delivery), receipt)
}

/// The only subscription.
pub(crate) const PLACE: Place = Place { index: 0, count: 1 };

pub(crate) fn subscribed() -> HubMessage {
    HubMessage::Subscribed {
        place: PLACE,
        endpoint: "amqp://******@broker:5672/".into(),
    }
}

/// An ingest before it runs: what is sent now is all there when it begins.
pub(crate) struct Prepared {
    pub(crate) directory: TempDir,
    pub(crate) hub: mpsc::Sender<HubMessage>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) head: watch::Receiver<Head>,
    pub(crate) reader: LedgerReader,
    pub(crate) asked: Asked,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Log,
    ingest: Ingest,
}

/// A running one.
pub(crate) struct Running {
    pub(crate) directory: TempDir,
    pub(crate) hub: mpsc::Sender<HubMessage>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) head: watch::Receiver<Head>,
    pub(crate) reader: LedgerReader,
    pub(crate) asked: Asked,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Log,
    cancel: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

pub(crate) fn prepared() -> Prepared {
    prepared_in(TempDir::new().unwrap())
}

pub(crate) fn prepared_in(directory: TempDir) -> Prepared {
    let log = Log::capture();
    let (ledger, _) = Ledger::open(directory.path()).unwrap();
    let (hub, messages) = mpsc::channel(HUB_MESSAGES);
    let (commands, received) = mpsc::channel(COMMANDS);
    let asked = Asked::default();
    let health = Health::new();
    let metrics = Arc::new(Metrics::default());
    let writer = Writer::new(ledger, false, health.clone(), Arc::clone(&metrics));
    Prepared {
        directory,
        hub,
        commands,
        head: writer.subscribe(),
        reader: writer.reader(),
        asked: asked.clone(),
        health: health.clone(),
        metrics: Arc::clone(&metrics),
        log,
        ingest: Ingest::new(
            writer,
            Some(messages),
            received,
            asked,
            SweepClock::new(None, Duration::from_secs(3600)),
            health,
            metrics,
        ),
    }
}

impl Prepared {
    pub(crate) fn retaining_unknown(self, retain: RetainUnknown) -> Self {
        Self {
            ingest: self.ingest.retaining_unknown(retain),
            ..self
        }
    }

    pub(crate) fn run(self) -> Running {
        let cancel = CancellationToken::new();
        Running {
            directory: self.directory,
            hub: self.hub,
            commands: self.commands,
            head: self.head,
            reader: self.reader,
            asked: self.asked,
            health: self.health,
            metrics: self.metrics,
            log: self.log,
            task: tokio::spawn(self.ingest.run(cancel.clone())),
            cancel,
        }
    }
}

impl Running {
    /// Ends it. The ledger's directory is free afterwards.
    pub(crate) async fn stop(self) -> TempDir {
        self.cancel.cancel();
        soon(self.task).await.unwrap().unwrap();
        self.directory
    }

    /// Why it ended by itself.
    pub(crate) async fn ended(self) -> anyhow::Error {
        soon(self.task).await.unwrap().unwrap_err()
    }

    /// Sends events and waits for their acknowledgements.
    pub(crate) async fn acknowledged(&self, identifiers: &[&str]) {
        let mut receipts = Vec::new();
        for identifier in identifiers {
            let (message, receipt) = revoked(identifier);
            self.hub.send(message).await.unwrap();
            receipts.push(receipt);
        }
        for receipt in receipts {
            soon(receipt).await.unwrap();
        }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.head.borrow().position.0
    }

    pub(crate) fn degraded(&self) -> Vec<&'static str> {
        let report = self.health.report();
        report.degraded.iter().map(|(name, _)| *name).collect()
    }
}

/// The log of this test's thread, as `LEVEL message` lines.
pub(crate) struct Log {
    lines: mpsc::UnboundedReceiver<String>,
    seen: Vec<String>,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn capture() -> Self {
        let (tx, lines) = mpsc::unbounded_channel();
        let writer = LineWriter(Arc::new(Mutex::new(tx)));
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            lines,
            seen: Vec::new(),
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Waits for a line that holds `text`.
    pub(crate) async fn line(&mut self, text: &str) -> String {
        loop {
            let line = soon(self.lines.recv()).await.unwrap();
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Every line so far that holds `text`.
    pub(crate) fn lines(&mut self, text: &str) -> Vec<String> {
        while let Ok(line) = self.lines.try_recv() {
            self.seen.push(line);
        }
        let found = self.seen.iter().filter(|line| line.contains(text));
        found.cloned().collect()
    }
}

#[derive(Clone)]
struct LineWriter(Arc<Mutex<mpsc::UnboundedSender<String>>>);

impl io::Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim().to_owned();
        // The test may be over.
        let _ = self.0.lock().unwrap().send(line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
