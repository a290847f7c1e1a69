//! What the ledger takes: time of an append, of a reload, of a walk, and memory. Prints one JSON object per line.
//!
//! `BENCH_10M=1` measures ten million entries too. Each ledger is read by a process of its own, so that what is
//! resident is the ledger's.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark prints, and ends where it cannot go on"
)]

use std::{env, fs, path::Path, process::Command, time::Instant};

use rescind_ledger::Ledger;
use rescind_revocation::{Expiry, Identifier, Revocation, UnixSeconds};
use tempfile::TempDir;

const CHILD: &str = "RESCIND_BENCH_LEDGER";
const GROUP: usize = 10_000;

/// A token named by a UUID, as almost all are.
fn token(n: usize) -> Revocation {
    let bits = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
    Revocation::Token {
        identifier: Identifier::new(parts.join("-")).unwrap(),
        expiry: Expiry::Known(UnixSeconds(1_800_000_000 + n as u64 % 86_400)),
    }
}

struct Figure<'a> {
    name: &'a str,
    case: &'a str,
    value: f64,
    unit: &'a str,
}

impl Figure<'_> {
    fn print(&self) {
        let Figure {
            name,
            case,
            value,
            unit,
        } = self;
        println!(
            "{{\"name\":\"{name}\",\"case\":\"{case}\",\"value\":{value:.4},\"unit\":\"{unit}\"}}"
        );
    }
}

fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .unwrap();
    let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024.0
}

/// Groups of one size, each durable before the next.
fn append(group: usize, total: usize) {
    let directory = TempDir::new_in(env::current_dir().unwrap()).unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let tokens: Vec<_> = (0..total).map(token).collect();
    let began = Instant::now();
    for group in tokens.chunks(group) {
        ledger.append(group).unwrap();
        if ledger.reader().head().sequence % 64 == 0 {
            ledger.tidy().unwrap();
        }
    }
    Figure {
        name: "ledger.append_per_s",
        case: &format!("groups of {group}"),
        value: total as f64 / began.elapsed().as_secs_f64(),
        unit: "1/s",
    }
    .print();
}

fn fill(directory: &Path, entries: usize) {
    let (mut ledger, _) = Ledger::open(directory).unwrap();
    let mut next = 0;
    while next < entries {
        let group: Vec<_> = (next..entries.min(next + GROUP)).map(token).collect();
        ledger.append(&group).unwrap();
        next += group.len();
    }
}

/// In a process of its own: opens, and says what that took.
fn read(directory: &Path, case: &str) {
    let before = resident();
    let began = Instant::now();
    let (ledger, opening) = Ledger::open(directory).unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let bytes = (resident() - before) / opening.entries as f64;
    Figure {
        name: "ledger.reload_s",
        case,
        value: seconds,
        unit: "s",
    }
    .print();
    Figure {
        name: "ledger.bytes_per_entry",
        case,
        value: bytes,
        unit: "B",
    }
    .print();
    let reader = ledger.reader();
    let (mut after, mut packed, mut entries) = (0, 0, 0);
    let began = Instant::now();
    while after < opening.head.sequence {
        let range = reader.read_packed(after, u64::MAX, 3_500_000);
        after = range.to;
        packed += range.bytes.len();
        entries += range.entries;
    }
    Figure {
        name: "ledger.pack_ns_per_entry",
        case,
        value: began.elapsed().as_nanos() as f64 / entries as f64,
        unit: "ns",
    }
    .print();
    Figure {
        name: "wire.bytes_per_token",
        case: &format!("{case}, from the ledger"),
        value: packed as f64 / entries as f64,
        unit: "B",
    }
    .print();
}

fn main() {
    if let Some(case) = env::var_os(CHILD) {
        let directory = env::args_os().next_back().unwrap();
        return read(Path::new(&directory), case.to_str().unwrap());
    }
    for (group, total) in [
        (1, 5_000),
        (100, 100_000),
        (1_000, 300_000),
        (10_000, 500_000),
    ] {
        append(group, total);
    }
    let mut sizes = vec![("1M", 1_000_000)];
    if env::var_os("BENCH_10M").is_some() {
        sizes.push(("10M", 10_000_000));
    }
    for (case, entries) in sizes {
        let directory = TempDir::new_in(env::current_dir().unwrap()).unwrap();
        fill(directory.path(), entries);
        let status = Command::new(env::current_exe().unwrap())
            .arg(directory.path())
            .env(CHILD, case)
            .status();
        assert!(status.unwrap().success());
    }
}
