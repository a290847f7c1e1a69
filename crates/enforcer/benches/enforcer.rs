//! The enforcer in figures.
//!
//! ```text
//! cargo bench -p rescind-enforcer                 all of it, two minutes and 2 GB
//! cargo bench -p rescind-enforcer -- share        checks beside an empty handler's, alone
//! cargo bench -p rescind-enforcer -- next         what [next] adds, alone
//! cargo bench -p rescind-enforcer -- large        ten million tokens restored, written and walked over, alone
//! cargo bench -p rescind-enforcer -- profile      known tokens for some seconds, for a profiler
//! ```
//!
//! A line for each figure goes to standard error, and a JSON object to standard output. Where a peer stands in the row it
//! was measured in between, in the same run: the ratio counts more than the figure.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    unused_crate_dependencies,
    reason = "a program to measure with, not a part of the product"
)]

#[path = "enforcer/decision.rs"]
mod decision;
#[path = "enforcer/input.rs"]
mod input;
#[path = "enforcer/next.rs"]
mod next;
#[path = "enforcer/restore.rs"]
mod restore;
#[path = "enforcer/share.rs"]
mod share;
#[path = "enforcer/start.rs"]
mod start;
#[path = "enforcer/walk.rs"]
mod walk;

/// One figure.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) case: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) goal: f64,
    pub(crate) limit: Option<f64>,
    pub(crate) peer: Option<f64>,
    pub(crate) met: bool,
}

impl Figure {
    pub(crate) fn print(&self) {
        let Self {
            name,
            case,
            value,
            unit,
            goal,
            limit,
            peer,
            met,
        } = self;
        eprintln!("{name:20} {case:28} {value:10.2} {unit:6} goal {goal:8.2} met {met}");
        let number =
            |value: &Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:.3}"));
        println!(
            r#"{{"name":"{name}","case":"{case}","value":{value:.3},"unit":"{unit}","goal":{goal},"limit":{},"peer":{},"met":{met}}}"#,
            number(limit),
            number(peer)
        );
    }
}

/// The median of some runs.
pub(crate) fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

fn main() {
    rescind_runtime::tls::install_crypto_provider();
    if std::env::args().any(|argument| argument == "profile") {
        // For a profiler: known tokens, for some seconds.
        return decision::profile();
    }
    if let Some(folder) = std::env::args().skip_while(|a| a != restore::CHILD).nth(1) {
        return restore::child(folder.as_ref());
    }
    if std::env::args().any(|argument| argument == "large") {
        return large();
    }
    if std::env::args().any(|argument| argument == "share") {
        return share::run();
    }
    if std::env::args().any(|argument| argument == "next") {
        return next::run();
    }
    decision::run();
    share::run();
    next::run();
    start::run();
    large();
}

fn large() {
    restore::run();
    walk::run();
}
