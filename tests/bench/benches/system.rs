//! The whole system in figures: real processes, a real broker, a real Envoy, TLS.
//!
//! ```text
//! make bench ONLY=system          all of it
//! make bench ONLY=e2e.idle        what begins so
//! ```
//!
//! It runs the programs that lie in the folder of its own build. Each clock that a figure hangs on is read in this process
//! alone, before the publication and after the last answer, so what asking takes is in the figure.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    unused_crate_dependencies,
    reason = "a program to measure with, not a part of the product"
)]

#[path = "system/burst.rs"]
mod burst;
#[path = "system/client.rs"]
mod client;
#[path = "system/footprint.rs"]
mod footprint;
#[path = "system/gateway.rs"]
mod gateway;
#[path = "system/handler.rs"]
mod handler;
#[path = "system/hub.rs"]
mod hub;
#[path = "system/idle.rs"]
mod idle;
#[path = "system/load.rs"]
mod load;
#[path = "system/loaded.rs"]
mod loaded;
#[path = "system/measure.rs"]
mod measure;
#[path = "system/starts.rs"]
mod starts;
#[path = "system/world.rs"]
mod world;

use world::Broker;

fn main() {
    rescind_runtime::tls::install_crypto_provider();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if handler::is_asked_for() {
        return runtime.block_on(handler::serve());
    }
    let only = Only::from_environment();
    footprint::sizes(&only);
    runtime.block_on(async {
        starts::run(&only).await;
        if !only.takes(&["rss.", "e2e.", "ingest.", "envoy."]) {
            return;
        }
        let broker = Broker::start().await;
        footprint::resident(&only, &broker).await;
        idle::run(&only, &broker).await;
        loaded::run(&only, &broker).await;
        burst::run(&only, &broker).await;
        gateway::run(&only, &broker).await;
        broker.stop().await;
    });
}

/// Which figures are asked for.
pub(crate) struct Only(Vec<String>);

impl Only {
    /// None of the words is about these figures: then all of them are.
    fn from_environment() -> Self {
        let text = std::env::var("BENCH_ONLY").unwrap_or_default();
        let words = text
            .split(',')
            .filter(|word| word.contains('.') || FIGURES.contains(word));
        Self(words.map(str::to_owned).collect())
    }

    /// Whether one of these is asked for.
    pub(crate) fn takes(&self, figures: &[&str]) -> bool {
        let is_of = |word: &String, figure: &&str| {
            word.starts_with(*figure) || figure.starts_with(word.as_str())
        };
        self.0.is_empty()
            || self
                .0
                .iter()
                .any(|word| figures.iter().any(|figure| is_of(word, figure)))
    }
}

/// What a word without a dot may be.
const FIGURES: [&str; 6] = ["e2e", "ingest", "envoy", "start", "size", "rss"];
