//! The processes.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rescind_stack::{Part, Stack, StackBuilder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const VHOSTS: usize = 12;

/// One broker for all worlds, each of which has a vhost of its own.
pub(crate) struct Broker {
    stack: Stack,
    next: AtomicUsize,
    _state: TempDir,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let state = folder();
        let builder = Stack::builder()
            .state(state.path())
            .free_ports()
            .only(&[Part::Epmd, Part::Broker])
            .vhosts(VHOSTS);
        Self {
            stack: begin(builder).await,
            next: AtomicUsize::new(0),
            _state: state,
        }
    }

    /// The URL of a vhost that nobody has.
    pub(crate) fn vhost(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        assert!(number < VHOSTS, "raise VHOSTS");
        self.stack.hub_of_vhost(number)
    }

    pub(crate) async fn stop(self) {
        self.stack.stop().await;
    }
}

/// A stack on a vhost of its own.
pub(crate) struct World {
    pub(crate) stack: Stack,
    receipts: reqwest::Client,
    _state: TempDir,
}

/// What the adapter says of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// It is not durable yet.
    Unknown,
    /// Durable, and so many have ACKed it, of so many.
    Acked(u64, u64),
}

impl World {
    /// With these parts left out.
    pub(crate) async fn start(broker: &Broker, without: &[Part]) -> Self {
        let all = |builder: StackBuilder| {
            without
                .iter()
                .fold(builder, |builder, part| builder.without(*part))
        };
        Self::start_with(all(Stack::builder().hub(broker.vhost()))).await
    }

    pub(crate) async fn start_with(builder: StackBuilder) -> Self {
        let state = folder();
        let stack = begin(builder.state(state.path()).free_ports()).await;
        Self {
            receipts: stack.client().clone(),
            stack,
            _state: state,
        }
    }

    pub(crate) async fn stop(self) {
        self.stack.stop().await;
    }

    /// Asks the adapter where a version is, over a connection that stays.
    pub(crate) async fn receipt(&self, version: u64) -> Receipt {
        let Some(answer) = self.ask(&format!("versions/{version}")).await else {
            return Receipt::Unknown;
        };
        let count = |name: &str| answer[name].as_u64().unwrap();
        let all = ["acked", "missing", "gone", "cannot"]
            .map(count)
            .iter()
            .sum();
        Receipt::Acked(count("acked"), all)
    }

    /// The sequence of the head.
    pub(crate) async fn head(&self) -> u64 {
        let answer = self.ask("enforcers").await.unwrap();
        let (sequence, _) = answer["head"].as_str().unwrap().split_once('-').unwrap();
        sequence.parse().unwrap()
    }

    /// The streams that are open.
    pub(crate) async fn connected(&self) -> usize {
        let answer = self.ask("enforcers").await.unwrap();
        let enforcers = answer["enforcers"].as_array().unwrap().iter();
        enforcers
            .filter(|enforcer| enforcer["connected"] == true && enforcer["behind"] == 0)
            .count()
    }

    async fn ask(&self, page: &str) -> Option<Value> {
        let url = format!(
            "https://localhost:{}/v1/{page}",
            self.stack.ports().adapter_admin
        );
        let request = self
            .receipts
            .get(url)
            .basic_auth("admin", Some(self.stack.var("ADMIN_PASSWORD")));
        let answer = request.send().await.unwrap();
        match answer.status().as_u16() {
            404 => None,
            200 => Some(answer.json().await.unwrap()),
            status => panic!("the adapter answered {status}"),
        }
    }

    /// One number of a part's metrics page.
    pub(crate) async fn metric(&self, part: Part, name: &str) -> f64 {
        let ports = self.stack.ports();
        let port = match part {
            Part::Adapter => ports.adapter_admin,
            _ => ports.enforcer_admin,
        };
        let url = format!("https://localhost:{port}/metrics");
        let text = self
            .stack
            .client()
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .unwrap()
    }
}

async fn begin(builder: StackBuilder) -> Stack {
    builder
        .provision(&|line| eprintln!("{line}"))
        .await
        .unwrap();
    builder
        .start()
        .await
        .unwrap_or_else(|error| panic!("no stack: {error:#}"))
}

/// On the disk of the build folder: what is in memory elsewhere would be durable too quickly.
pub(crate) fn folder() -> TempDir {
    let place = release().join("../bench");
    std::fs::create_dir_all(&place).unwrap();
    TempDir::new_in(place.canonicalize().unwrap()).unwrap()
}

/// Where the programs lie.
pub(crate) fn release() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(2).unwrap().to_owned()
}

/// Waits until it holds.
pub(crate) async fn until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < limit, "not after {limit:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
