//! Identifiers and entries to measure with: UUIDs that look random and are the same in each run.

use rescind_revocation::{Entry, Expiry, RevokedSet, TokenId, UnixSeconds};

const FIRST_EXPIRY: u64 = 1_800_000_000;
const EXPIRIES: u64 = 86_400;

/// The `n`-th identifier's bits (splitmix64, twice).
fn bits(n: u64) -> u128 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let seed = n.wrapping_mul(2).wrapping_add(1);
    u128::from(mix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))) << 64
        | u128::from(mix(seed
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

pub(crate) fn entry(n: u64) -> Entry {
    Entry::Token {
        id: TokenId::from_u128(bits(n)),
        expiry: Expiry::Known(UnixSeconds(FIRST_EXPIRY + n * 7919 % EXPIRIES)),
    }
}

pub(crate) fn entries(first: u64, count: usize) -> Vec<Entry> {
    (first..).take(count).map(entry).collect()
}

pub(crate) fn middle_of_expiries() -> UnixSeconds {
    UnixSeconds(FIRST_EXPIRY + EXPIRIES / 2)
}

pub(crate) fn texts(first: u64, count: usize) -> Vec<Box<str>> {
    let text = |n| uuid::Uuid::from_u128(bits(n)).to_string().into();
    (first..).take(count).map(text).collect()
}

/// The question of a request: its text in, the answer of one version out.
pub(crate) fn ask(set: &RevokedSet, text: &str) -> bool {
    let id = TokenId::of(text);
    set.read(|view| view.has_token(id))
}

/// What [`ask`] does before it asks.
pub(crate) fn parse(text: &str) -> bool {
    TokenId::of(text).as_u128() == 0
}
