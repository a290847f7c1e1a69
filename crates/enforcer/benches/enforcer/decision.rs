//! One decision in process, from the bytes of a check.

use std::{hint::black_box, time::Instant};

use prost::Message as _;
use rescind_enforcer::check::Checks;
use rescind_revocation::UnixSeconds;

use super::{
    Figure,
    input::{self, Signer},
    median,
};

const TOKENS: usize = 2_000;
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

pub(crate) fn run() {
    let signer = Signer::new();
    let requests: Vec<_> = (0..TOKENS)
        .map(|n| input::check(&signer.token(n)).encode_to_vec())
        .collect();
    let warm = Checks::new(signer.engine(Some(4 * TOKENS)), &[]);
    let cold = Checks::new(signer.engine(None), &[]);
    let decide = |checks: &Checks, check: &[u8]| {
        black_box(checks.decide(check, NOW));
    };
    let answer = |checks: &Checks, check: &[u8]| {
        black_box(checks.answer(check, NOW));
    };
    figure("known RS256 token", 4.0, None, || {
        measure(&warm, &requests, decide)
    });
    figure("unknown RS256 token", 25.0, Some(17.0), || {
        measure(&cold, &requests, decide)
    });
    let value = median(
        (0..RUNS)
            .map(|_| measure(&warm, &requests, answer))
            .collect(),
    );
    eprintln!("known RS256 token, with its answer for Envoy: {value:.2} us");
}

pub(crate) fn profile() {
    let signer = Signer::new();
    let requests: Vec<_> = (0..TOKENS)
        .map(|n| input::check(&signer.token(n)).encode_to_vec())
        .collect();
    let warm = Checks::new(signer.engine(Some(4 * TOKENS)), &[]);
    for _ in 0..500 {
        measure(&warm, &requests, |checks, check| {
            black_box(checks.decide(check, NOW));
        });
    }
}

const RUNS: usize = 15;

fn figure(case: &'static str, goal: f64, limit: Option<f64>, run: impl Fn() -> f64) {
    run();
    let value = median((0..RUNS).map(|_| run()).collect());
    Figure {
        name: "check.decision_us",
        case,
        value,
        unit: "us",
        goal,
        limit,
        peer: None,
        met: value <= goal,
    }
    .print();
}

/// Microseconds for each check.
fn measure(checks: &Checks, requests: &[Vec<u8>], run: impl Fn(&Checks, &[u8])) -> f64 {
    let began = Instant::now();
    for request in requests {
        run(checks, black_box(request));
    }
    began.elapsed().as_secs_f64() * 1e6 / requests.len() as f64
}
