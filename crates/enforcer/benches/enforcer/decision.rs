//! One decision in process: from the attributes of a check to its answer.

use std::{hint::black_box, time::Instant};

use rescind_enforcer::check::Checks;
use rescind_proto::envoy::service::auth::v3::CheckRequest;
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
        .map(|n| input::check(&signer.token(n)))
        .collect();
    let warm = Checks::new(signer.engine(Some(4 * TOKENS)), &[]);
    let cold = Checks::new(signer.engine(None), &[]);
    measure(&warm, &requests);
    let runs = |checks: &Checks| median((0..9).map(|_| measure(checks, &requests)).collect());
    for (case, checks, goal, limit) in [
        ("known RS256 token", &warm, 4.0, None),
        ("unknown RS256 token", &cold, 25.0, Some(17.0)),
    ] {
        let value = runs(checks);
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
}

/// Microseconds for each check, the answer's making included.
fn measure(checks: &Checks, requests: &[CheckRequest]) -> f64 {
    let began = Instant::now();
    for request in requests {
        black_box(checks.check(black_box(request), NOW));
    }
    began.elapsed().as_secs_f64() * 1e6 / requests.len() as f64
}
