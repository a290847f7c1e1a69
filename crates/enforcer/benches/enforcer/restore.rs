//! Ten million tokens: restored from their own image by a process of its own, and written as an image beside updates.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::registry::Registry;
use rescind_enforcer::{
    clock::{Clock as _, SystemClock},
    journal::{Checkpoint, Durable, Journal, State},
    metrics::Metrics,
};
use rescind_revocation::{Entry, RevokedSet};
use rescind_runtime::Health;

use super::{Figure, input, median};

const TOKENS: usize = 10_000_000;

/// The first argument of the process that restores.
pub(crate) const CHILD: &str = "restore-child";

pub(crate) fn run() {
    let folder = tempfile::tempdir().unwrap();
    {
        let set = Arc::new(RevokedSet::with_capacity(TOKENS));
        for first in (0..TOKENS).step_by(100_000) {
            let batch: Vec<Entry> = (first..first + 100_000).map(input::entry).collect();
            set.apply(&batch, "10000000-0a0b0c0d");
        }
        let (mut journal, _) = Journal::open(folder.path(), SystemClock.boot_id()).unwrap();
        let began = Instant::now();
        journal.begin(&set, &state()).unwrap();
        figure(
            "image.write_s",
            "10M, written and read back",
            began.elapsed().as_secs_f64(),
            "s",
            3.0,
        );
        drop(journal);
        beside(folder.path(), &set);
    }
    let runs: Vec<_> = (0..5).map(|_| restored(folder.path())).collect();
    let seconds = median(runs.iter().map(|(seconds, _)| *seconds).collect());
    let peak = median(runs.iter().map(|(_, peak)| *peak).collect());
    figure("set.load_s", "10M", seconds, "s", 1.5);
    figure(
        "set.load_peak_mb",
        "10M, resident, all of the process",
        peak,
        "MB",
        300.0,
    );
}

fn state() -> State {
    let mut state = State::default();
    state.set_cursor("l", "10000000-0a0b0c0d");
    state.complete = true;
    state.checkpoint = Some(Checkpoint {
        wall: SystemClock.wall(),
        boot: SystemClock.boot_millis(),
    });
    state
}

/// Single updates, each durable and applied, while an image is written; the longest of them.
fn beside(folder: &Path, set: &Arc<RevokedSet>) {
    let metrics = Metrics::register(&mut Registry::default());
    let clock = Arc::new(SystemClock);
    let (mut durable, _) = Durable::open(folder, clock, &Health::new(), &metrics).unwrap();
    let mut next = TOKENS..;
    let mut update = |durable: &mut Durable| {
        let entry = input::entry(next.next().unwrap());
        let began = Instant::now();
        durable
            .commit(&[entry], None, |state| {
                state.set_cursor("l", "10000001-0a0b0c0d")
            })
            .unwrap();
        set.apply(&[entry], "10000001-0a0b0c0d");
        durable.tend(set);
        began.elapsed()
    };
    // The log outgrows its image.
    let many: Vec<Entry> = (0..TOKENS).map(input::entry).collect();
    while !durable.is_writing() {
        let batch = &many[..TOKENS / 4];
        durable.commit(batch, None, |_| {}).unwrap();
        durable.tend(set);
    }
    drop(many);
    let (began, mut times) = (Instant::now(), Vec::new());
    while durable.is_writing() {
        times.push(update(&mut durable));
        std::thread::park_timeout(Duration::from_micros(100));
    }
    figure(
        "image.beside_s",
        "10M, until it is in place",
        began.elapsed().as_secs_f64(),
        "s",
        5.0,
    );
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    times.sort();
    let p99 = micros(times[times.len() * 99 / 100]);
    let most = micros(*times.last().unwrap());
    figure(
        "image.update_beside_us",
        "99 % of updates while 10M are written",
        p99,
        "us",
        2_000.0,
    );
    figure(
        "image.update_beside_us",
        "the longest of them",
        most,
        "us",
        50_000.0,
    );
}

/// Seconds and megabytes of a process that restores what is in `folder`.
fn restored(folder: &Path) -> (f64, f64) {
    let child = Command::new(std::env::current_exe().unwrap())
        .arg(CHILD)
        .arg(folder)
        .output()
        .unwrap();
    let text = String::from_utf8(child.stdout).unwrap();
    let (seconds, peak) = text.trim().split_once(' ').expect("two numbers");
    (seconds.parse().unwrap(), peak.parse().unwrap())
}

/// In that process.
pub(crate) fn child(folder: &Path) {
    let began = Instant::now();
    let (_, restored) = Journal::open(folder, SystemClock.boot_id()).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let restored = restored.expect("what was written");
    assert!(restored.set.read(rescind_revocation::View::len) >= TOKENS);
    assert!(restored.same_boot && restored.state.complete);
    println!("{seconds} {}", peak_megabytes());
}

/// The most that this process has had in memory; 0 where the system does not say.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

fn figure(name: &'static str, case: &'static str, value: f64, unit: &'static str, goal: f64) {
    Figure {
        name,
        case,
        value,
        unit,
        goal,
        limit: None,
        peer: None,
        met: value <= goal,
    }
    .print();
}
