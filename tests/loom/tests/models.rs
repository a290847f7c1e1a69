//! The publication of a batch under every order of loads and stores that the memory model allows.
//!
//! ```text
//! cargo test -p rescind-loom
//! ```
//!
//! The models run the set itself, on loom's atomics, with a table of one shard.

use std::sync::Arc;

use loom::{model::Builder, thread};
use revocation_on_loom::{Entry, Expiry, RevokedSet, TokenId, UnixMillis, UnixSeconds};

fn token(n: u128) -> Entry {
    Entry::Token {
        id: TokenId::from_u128(n),
        expiry: Expiry::Known(UnixSeconds(n as u64)),
    }
}

fn app(at: u64) -> Entry {
    Entry::App {
        id: TokenId::from_u128(1),
        revoked_at: UnixMillis(at),
    }
}

/// What a reader sees of tokens 1 to `N`, and the version it saw it in.
fn look<const N: usize>(set: &RevokedSet) -> (u32, [bool; N]) {
    set.read(|view| {
        let seen = std::array::from_fn(|n| view.has_token(token(n as u128 + 1).id()));
        (view.version().parse().unwrap_or(0), seen)
    })
}

/// Checks `read` beside `write` in all orders, those with more than `switches` forced switches of thread left out.
fn check(
    switches: usize,
    before: &'static [u128],
    write: impl Fn(&RevokedSet) + Send + Sync + Copy + 'static,
    read: impl Fn(&RevokedSet) + Send + Sync + 'static,
) {
    let mut model = Builder::new();
    model.preemption_bound = Some(switches);
    model.max_branches = 100_000;
    model.check(move || {
        let set = Arc::new(RevokedSet::new());
        let entries: Vec<_> = before.iter().copied().map(token).collect();
        if !entries.is_empty() {
            set.apply(&entries, "0");
        }
        let writer = {
            let set = Arc::clone(&set);
            thread::spawn(move || write(&set))
        };
        read(&set);
        writer.join().expect("a writer that does not panic");
        read(&set);
    });
}

#[test]
fn a_batch_is_seen_whole_with_its_version_or_not_at_all() {
    let write = |set: &RevokedSet| {
        set.apply(&[token(1), token(2)], "1");
    };
    check(3, &[], write, |set| match look(set) {
        (0, [false, false]) | (1, [true, true]) => (),
        torn => panic!("{torn:?}"),
    });
}

#[test]
fn batches_one_after_the_other_never_mix() {
    // The third has the parity of the first.
    let write = |set: &RevokedSet| {
        set.apply(&[token(1)], "1");
        set.apply(&[token(2)], "2");
        set.apply(&[token(3)], "3");
    };
    check(2, &[], write, |set| {
        let seen = set.read(|view| {
            let seen = [2, 3].map(|n| view.has_token(token(n).id()));
            (view.version().parse().unwrap_or(0), seen)
        });
        match seen {
            (0 | 1, [false, false]) | (2, [true, false]) | (3, [true, true]) => (),
            torn => panic!("{torn:?}"),
        }
    });
}

#[test]
fn a_shard_that_grows_under_a_reader_loses_nothing() {
    // Seven keys go into one bucket. The eighth needs another shard.
    let write = |set: &RevokedSet| {
        set.apply(&[token(2), token(3)], "1");
        set.apply(&[token(4)], "2");
    };
    check(2, &[1, 11, 12, 13, 14, 15], write, |set| match look(set) {
        (0, [true, false, false, false])
        | (1, [true, true, true, false])
        | (2, [true, true, true, true]) => (),
        torn => panic!("{torn:?}"),
    });
}

#[test]
fn a_sweep_takes_out_all_of_a_shard_at_once() {
    let write = |set: &RevokedSet| {
        set.sweep(UnixSeconds(3));
        set.apply(&[token(4)], "1");
    };
    check(3, &[1, 2, 3], write, |set| match look(set) {
        (0, [true, true, true, false])
        | (0, [false, false, true, false])
        | (1, [false, false, true, true]) => (),
        torn => panic!("{torn:?}"),
    });
}

#[test]
fn an_expiry_that_is_raised_hides_nothing() {
    let write = |set: &RevokedSet| {
        let later = Entry::Token {
            id: token(1).id(),
            expiry: Expiry::Never,
        };
        set.apply(&[later, token(2), later], "1");
        set.apply(&[], "2");
    };
    check(3, &[1], write, |set| match look(set) {
        (0, [true, false]) | (1 | 2, [true, true]) => (),
        torn => panic!("{torn:?}"),
    });
}

#[test]
fn an_app_and_a_token_of_one_batch_are_one() {
    let write = |set: &RevokedSet| {
        set.apply(&[app(1), token(1)], "1");
        set.apply(&[app(2), token(2)], "2");
    };
    check(3, &[], write, |set| {
        let id = TokenId::from_u128(1);
        let seen = set.read(|view| {
            let moment = view.app_revoked_at(id).map_or(0, |at| at.0);
            (moment, [1, 2].map(|n| view.has_token(token(n).id())))
        });
        assert!(
            matches!(
                seen,
                (0, [false, false]) | (1, [true, false]) | (2, [true, true])
            ),
            "{seen:?}"
        );
    });
}
