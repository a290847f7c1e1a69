//! One reader beside a writer of 10 000 single updates a second.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rescind_revocation::RevokedSet;

use crate::{
    input::{self, entries, texts},
    measure::Figure,
    peers::{Cloned, Locked, Peer},
};

const UPDATES_PER_S: u32 = 10_000;

/// Who is measured takes turns with the others, so that a noisy moment of the machine meets all of them.
const TURNS: usize = 12;
const TURN: Duration = Duration::from_millis(700);

/// What one of them took, over all its turns.
struct Times {
    name: &'static str,
    /// Reads by their time, in steps of 10 ns.
    counts: Vec<usize>,
    /// Reads that took more than a millisecond: somebody else had the processor, or the reader waited.
    stalls: usize,
    updates: u32,
}

pub(crate) fn run(size: usize) {
    let names = texts(0, size);
    let missing = texts(size as u64, size);
    let set = RevokedSet::new();
    set.apply(&entries(0, size), "v");
    let (locked, cloned) = (Locked::filled(&names), Cloned::filled(&names));
    let mut updates = (2 * size as u64..).map(input::entry);
    let mut more = texts(3 * size as u64, 300_000).into_iter().cycle();

    let [mut ours, mut lock, mut clone, mut empty] = [
        "ours",
        "RwLock<HashMap>",
        "ArcSwap<HashMap>",
        "an empty loop",
    ]
    .map(Times::new);
    for _ in 0..TURNS {
        let apply = || {
            set.apply(&[updates.next().expect("endless")], "1042-0a0b0c0d");
        };
        ours.beside(apply, &missing, |text| input::ask(&set, text));
        let insert = || locked.insert(&more.next().expect("endless"));
        lock.beside(insert, &missing, |text| locked.has(text));
        let insert = || cloned.insert(&more.next().expect("endless"));
        clone.beside(insert, &missing, |text| cloned.has(text));
        empty.beside(|| (), &missing, |_| false);
    }

    for (case, peer) in [("1M", &lock), ("1M, beside a clone", &clone)] {
        Figure::new("set.read_p99_busy_ns", case, ours.p99(), "ns")
            .goal(700.0)
            .peer(peer.p99(), peer.name)
            .show();
    }
    Figure::new("set.read_stalls", "1M", ours.stalls as f64, "over 1 ms")
        .goal(empty.stalls as f64)
        .peer(empty.stalls as f64, empty.name)
        .show();
    for times in [&ours, &lock, &clone, &empty] {
        let rate = f64::from(times.updates) / (TURN * TURNS as u32).as_secs_f64();
        Figure::new("set.updates_beside", times.name, rate, "1/s").show();
        Figure::new(
            "set.read_stalls_beside",
            times.name,
            times.stalls as f64,
            "reads",
        )
        .show();
    }
}

impl Times {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            counts: vec![0; 100_000],
            stalls: 0,
            updates: 0,
        }
    }

    /// One turn: reads here, beside a writer on a thread of its own.
    fn beside(
        &mut self,
        mut update: impl FnMut() + Send,
        missing: &[Box<str>],
        ask: impl Fn(&str) -> bool,
    ) {
        let done = AtomicBool::new(false);
        let updates = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let start = Instant::now();
                let (mut turns, mut updates) = (0, 0);
                while !done.load(Relaxed) {
                    let due = (start.elapsed().as_secs_f64() * f64::from(UPDATES_PER_S)) as u32;
                    // Who is late does not catch up with more than a few: a clone takes longer than its turn.
                    turns = turns.max(due.saturating_sub(20));
                    while turns < due {
                        update();
                        turns += 1;
                        updates += 1;
                    }
                    thread::park_timeout(Duration::from_micros(100));
                }
                updates
            });
            self.read(missing, &ask);
            done.store(true, Relaxed);
            writer.join().expect("the writer does not panic")
        });
        self.updates += updates;
    }

    fn read(&mut self, missing: &[Box<str>], ask: &impl Fn(&str) -> bool) {
        let (start, mut at) = (Instant::now(), 0);
        let mut now = start;
        while now - start < TURN {
            at = (at + 7919 + usize::from(ask(&missing[at]))) % missing.len();
            let then = Instant::now();
            let took = (then - now).as_nanos() as usize;
            now = then;
            self.counts[(took / 10).min(99_999)] += 1;
            self.stalls += usize::from(took > 1_000_000);
        }
    }

    fn p99(&self) -> f64 {
        let reads: usize = self.counts.iter().sum();
        let mut left = reads - reads / 100;
        let step = self.counts.iter().position(|count| {
            left = left.saturating_sub(*count);
            left == 0
        });
        step.unwrap_or(0) as f64 * 10.0
    }
}
