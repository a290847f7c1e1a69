//! Chance that can be played again.

use std::env;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

const VARIABLE: &str = "RESCIND_FAULT_SEED";

/// Rounds of one run: each is a fault in the middle of a flow of events.
pub(crate) const ROUNDS: usize = 20;

/// Whether all the time that it takes may be taken.
pub(crate) fn is_soak() -> bool {
    env::var_os("RESCIND_SOAK").is_some()
}

/// The runs of a test, each of [`ROUNDS`] rounds: its seed and its chance. The seed is printed when its run begins; played
/// again it is the first one, and the only one where this is no soak.
pub(crate) fn runs(test: &str) -> impl Iterator<Item = (u64, StdRng)> {
    let runs = if is_soak() { 10 } else { 1 };
    let first = first_seed();
    (first..first + runs).map(move |seed| {
        print(seed, test);
        (seed, chance(seed))
    })
}

/// The seed of a test that has no rounds. It is printed with the name of the test.
pub(crate) fn seed(test: &str) -> u64 {
    let seed = first_seed();
    print(seed, test);
    seed
}

fn first_seed() -> u64 {
    match env::var(VARIABLE) {
        Ok(seed) => seed
            .parse()
            .unwrap_or_else(|_| panic!("{VARIABLE} is a number")),
        Err(_) => u64::from(rand::random::<u32>()),
    }
}

#[allow(
    clippy::print_stderr,
    reason = "who reads of a failure needs the seed, and a harness of our own captures nothing"
)]
fn print(seed: u64, test: &str) {
    eprintln!("{VARIABLE}={seed} {test}");
}

/// What happens in each round of a run: each of `kinds` as often as any other, or once more, in an order of chance.
pub(crate) fn deal<T: Copy>(chance: &mut StdRng, kinds: &[T]) -> Vec<T> {
    let mut dealt: Vec<T> = kinds.iter().copied().cycle().take(ROUNDS).collect();
    dealt.shuffle(chance);
    dealt
}

/// The chance of one run.
pub(crate) fn chance(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// Identifiers as control planes send them: UUIDs, and now and then something else.
pub(crate) fn identifiers(chance: &mut StdRng, count: usize) -> Vec<String> {
    let identifiers = (0..count).map(|_| {
        let number: u128 = chance.random();
        match chance.random_range(0..10) {
            0 => format!("opaque-{number:0>40}"),
            _ => uuid(number),
        }
    });
    identifiers.collect()
}

fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}
