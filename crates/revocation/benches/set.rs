//! The set and the packed form in figures, beside what one would write first.
//!
//! ```text
//! cargo bench -p rescind-revocation                 all of it, a few minutes and 2 GB
//! cargo bench -p rescind-revocation -- quick        1 million only
//! cargo bench -p rescind-revocation -- load         filling a set of 10 million from memory only
//! ```
//!
//! A table goes to standard error, and one JSON object for each figure to standard output. Each figure is the median of
//! several runs, the peers' taken in between: the ratio counts more than the figure.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what it is for"
)]

use std::{hint::black_box, thread};

use rescind_revocation::{Digests, Entry, Loader, RevokedSet, packed};

#[path = "set/busy.rs"]
mod busy;
#[path = "set/input.rs"]
mod input;
#[path = "set/measure.rs"]
mod measure;
#[path = "set/peers.rs"]
mod peers;

use input::{entries, texts};
use measure::{Figure, medians, nanoseconds, resident_bytes};
use peers::{Cloned, Locked, Peer};

const MILLION: usize = 1_000_000;

fn main() {
    if std::env::args().any(|argument| argument == "load") {
        return load(10 * MILLION);
    }
    let quick = std::env::args().any(|argument| argument == "quick");
    measure::header();
    memory();
    look_ups(MILLION, "1M");
    updates();
    busy::run(MILLION);
    wire();
    digests();
    if !quick {
        look_ups(10 * MILLION, "10M");
        load(10 * MILLION);
    }
}

/// One after the other, text in: which text is next hangs on the answer before, so that no two look-ups overlap. Texts
/// stand one after the other in memory, as near as a request's own is; where they point to is random.
fn look_ups(size: usize, case: &'static str) {
    let held = texts(0, size);
    let missing = texts(size as u64, size.min(2 * MILLION));
    let set = RevokedSet::new();
    set.apply(&entries(0, size), "v");
    let peer = Locked::filled(&held);
    let count = 2 * MILLION;
    for (name, texts) in [("set.miss_ns", &missing), ("set.hit_ns", &held)] {
        let (ours, theirs) = (
            || nanoseconds(count, || chase(texts, count, |text| input::ask(&set, text))),
            || nanoseconds(count, || chase(texts, count, |text| peer.has(text))),
        );
        let (value, other) = medians(5, ours, theirs);
        let parse = nanoseconds(count, || chase(texts, count, input::parse));
        Figure::new(name, case, value, "ns")
            .peer(other, "RwLock<HashMap>")
            .show();
        Figure::new("set.text_ns", case, parse, "ns, of it reading the text").show();
    }
}

fn chase(texts: &[Box<str>], count: usize, ask: impl Fn(&str) -> bool) {
    let mut at = 0;
    for _ in 0..count {
        let answer = ask(&texts[at]);
        at += 1 + usize::from(answer);
        if at >= texts.len() {
            at -= texts.len();
        }
    }
    black_box(at);
}

fn updates() {
    let set = RevokedSet::new();
    set.apply(&entries(0, MILLION), "v");
    let (cloned, locked) = (
        Cloned::filled(&texts(0, MILLION)),
        Locked::filled(&texts(0, MILLION)),
    );
    let mut runs = [const { Vec::new() }; 5];
    for round in 0..9 {
        let first = MILLION as u64 + round * 40_000;
        let [singles, hundreds, whole] = [0, 1, 2].map(|n| entries(first + n * 10_000, 10_000));
        let apply = |batch: &[Entry]| {
            set.apply(batch, "1042-0a0b0c0d");
        };
        runs[0].push(nanoseconds(10_000, || singles.chunks(1).for_each(apply)));
        runs[1].push(nanoseconds(100, || hundreds.chunks(100).for_each(apply)));
        runs[2].push(nanoseconds(1, || apply(&whole)) / 1e6);
        let names = texts(first + 30_000, 10_000);
        runs[3].push(nanoseconds(10_000, || {
            names.iter().for_each(|name| locked.insert(name));
        }));
    }
    for name in texts(2 * MILLION as u64, 3) {
        runs[4].push(nanoseconds(1, || cloned.insert(&name)));
    }
    let [one, hundred, ten_thousand, lock, clone] = runs.map(measure::median);
    Figure::new("set.apply_ns", "1 at a time", one, "ns")
        .peer(lock, "RwLock<HashMap>")
        .show();
    Figure::new(
        "set.apply_ns",
        "1 at a time, beside the map that is cloned",
        one,
        "ns",
    )
    .peer(clone, "ArcSwap<HashMap>, cloned")
    .show();
    Figure::new("set.apply_100_us", "1M", hundred / 1e3, "us").show();
    Figure::new("set.apply_10k_ms", "1M", ten_thousand, "ms")
        .peer(clone / 1e6, "ArcSwap<HashMap>, cloned")
        .show();
    let horizon = input::middle_of_expiries();
    let swept = nanoseconds(1, || {
        black_box(set.sweep(horizon));
    }) / 1e6;
    Figure::new("set.sweep_ms", "half of 1M", swept, "ms").show();
}

/// By the set's own account, and beside it what the process grew by.
fn memory() {
    let before = resident_bytes();
    let set = RevokedSet::new();
    let (mut exact, mut worst) = (0.0, 0.0_f64);
    let batch = entries(0, 1_700_000);
    let with_batch = resident_bytes();
    for (at, part) in batch.chunks(1000).enumerate() {
        set.apply(part, "v");
        let memory = set.memory();
        let each = memory.bytes as f64 / memory.tokens as f64;
        match (at + 1) * 1000 {
            MILLION => {
                exact = each;
                let resident = resident_bytes().saturating_sub(with_batch) as f64 / MILLION as f64;
                Figure::new("set.resident_bytes_per_entry", "1M", resident, "B").show();
            }
            800_000.. => worst = worst.max(each),
            _ => (),
        }
    }
    black_box(before);
    drop((set, batch));
    let before = resident_bytes();
    let peer = Locked::filled(&texts(0, MILLION));
    let theirs = resident_bytes().saturating_sub(before) as f64 / MILLION as f64;
    drop(peer);
    Figure::new("set.bytes_per_entry", "1M", exact, "B")
        .peer(theirs, "RwLock<HashMap>")
        .show();
    Figure::new("set.bytes_per_entry", "worst, 0.8M-1.7M", worst, "B").show();
}

fn wire() {
    let entries = entries(0, MILLION);
    let bytes = packed::encode(&entries);
    Figure::new(
        "wire.bytes_per_token",
        "1M",
        bytes.len() as f64 / MILLION as f64,
        "B",
    )
    .show();
    let encode = || {
        nanoseconds(MILLION, || {
            black_box(packed::encode(&entries));
        })
    };
    let decode = || {
        nanoseconds(MILLION, || {
            let packed = packed::Packed::parse(&bytes, packed::BASE).expect("encoded by ourselves");
            let mut sum = 0;
            packed.for_each(|entry| sum ^= entry.id().as_u128());
            black_box(sum);
        })
    };
    let (encode, decode) = medians(5, encode, decode);
    Figure::new("wire.encode_ns", "1M", encode, "ns").show();
    Figure::new("wire.decode_ns", "1M", decode, "ns").show();
    let copied = nanoseconds(MILLION, || {
        black_box(packed::decode(&bytes, packed::BASE).expect("encoded by ourselves"));
    });
    Figure::new("wire.decode_to_entries_ns", "1M", copied, "ns").show();
}

fn digests() {
    let entries = entries(0, MILLION);
    let mut digests = Digests::new();
    let insert = nanoseconds(MILLION, || {
        entries.iter().for_each(|entry| digests.insert(entry))
    });
    Figure::new("digest.insert_ns", "1M", insert, "ns").show();
}

/// From packed bytes in memory to a set that answers, by two threads: in the order of the table, and in any other.
fn load(size: usize) {
    let entries = entries(0, size);
    let random = packed::encode(&entries);
    let set = RevokedSet::with_capacity(size);
    set.apply(&entries, "v");
    drop(entries);
    let mut ordered = Vec::with_capacity(random.len());
    for part in 0..RevokedSet::PARTS {
        let mut held = Vec::new();
        set.visit_part(part, |entry, _| held.push(entry));
        held.chunks(16 * 1024)
            .for_each(|part| ordered.extend(packed::encode(part)));
    }
    let placement = set.placement();
    drop(set);
    for (case, bytes, threads) in [
        ("10M, in memory, ordered, 2 threads", &ordered, 2),
        ("10M, in memory, ordered, 1 thread", &ordered, 1),
        ("10M, in memory, unordered, 2 threads", &random, 2),
    ] {
        let packed = packed::Packed::parse(bytes, packed::BASE).expect("encoded by ourselves");
        let seconds = nanoseconds(1, || {
            let loader = Loader::new(size, placement);
            thread::scope(|scope| {
                for thread in 0..threads {
                    let (loader, part) = (&loader, size.div_ceil(threads));
                    scope.spawn(move || loader.add(packed.iter().skip(thread * part).take(part)));
                }
            });
            let set = loader.finish("v");
            assert_eq!(set.read(rescind_revocation::View::len), size);
        }) / 1e9;
        Figure::new("set.load_in_memory_s", case, seconds, "s").show();
    }
}
