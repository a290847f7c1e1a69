//! What the tests of several modules draw from.

use proptest::prelude::*;

use crate::{Entry, Expiry, TokenId, UnixMillis, UnixSeconds};

/// The `n`-th token, without an end. Only the set's own tests need it, and on loom's atomics they do not run.
#[cfg(not(feature = "loom"))]
pub(crate) fn token(n: u32) -> Entry {
    Entry::Token {
        id: TokenId::of(&format!("token-{n}")),
        expiry: Expiry::Never,
    }
}

/// Any entry over few identifiers, few seconds and few moments, so that they meet.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let expiry = prop_oneof![
        (0..50u64).prop_map(|seconds| Expiry::Known(UnixSeconds(seconds))),
        Just(Expiry::Unknown),
        Just(Expiry::Never)
    ];
    (0..3, 0..8u8, expiry, 0..50u64).prop_map(|(kind, name, expiry, millis)| {
        let id = TokenId::of(&name.to_string());
        match kind {
            0 => Entry::Token { id, expiry },
            1 => Entry::App {
                id,
                revoked_at: UnixMillis(millis),
            },
            _ => Entry::Subject {
                id,
                revoked_at: UnixMillis(millis),
            },
        }
    })
}
