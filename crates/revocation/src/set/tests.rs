use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{testing::token, *};
use crate::{Expiry, TokenId, UnixMillis};

mod model;
mod parts;
mod threads;

fn until(n: u32, at: u64) -> Entry {
    Entry::Token {
        id: token(n).id(),
        expiry: Expiry::Known(UnixSeconds(at)),
    }
}

/// Everything in the set, in an order of its own.
fn entries(set: &RevokedSet) -> Vec<Entry> {
    let mut entries = Vec::new();
    set.for_each(|entry| entries.push(entry));
    entries.sort_by_key(|entry| (entry.kind(), entry.id()));
    entries
}

fn sorted(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.sort_by_key(|entry| (entry.kind(), entry.id()));
    entries
}

#[test]
fn a_new_set_is_empty_and_has_no_version() {
    let set = RevokedSet::new();
    assert!(set.read(|view| view.is_empty() && view.version().is_empty()));
}

#[test]
fn a_batch_brings_its_entries_and_its_version() {
    let set = RevokedSet::new();
    assert_eq!(
        set.apply(&[token(1), token(2)], "2-0a"),
        Applied {
            changed: 2,
            total: 2
        }
    );
    assert_eq!(
        set.apply(&[token(2), token(3)], "3-0a"),
        Applied {
            changed: 1,
            total: 3
        }
    );
    set.read(|view| {
        assert_eq!(&**view.version(), "3-0a");
        assert!(view.has_token(token(1).id()) && !view.has_token(token(4).id()));
    });
}

#[test]
fn an_empty_batch_moves_the_version_alone() {
    let set = RevokedSet::new();
    set.apply(&[token(1)], "1-0a");
    assert_eq!(
        set.apply(&[], "2-0a"),
        Applied {
            changed: 0,
            total: 1
        }
    );
    assert_eq!(set.read(|view| view.version().to_string()), "2-0a");
}

#[test]
fn kinds_do_not_mix() {
    let set = RevokedSet::new();
    let id = TokenId::of("one-name");
    set.apply(
        &[Entry::App {
            id,
            revoked_at: UnixMillis(5),
        }],
        "1-0a",
    );
    set.read(|view| {
        assert!(!view.has_token(id));
        assert_eq!(view.app_revoked_at(id), Some(UnixMillis(5)));
        assert_eq!(view.subject_revoked_at(id), None);
    });
}

#[test]
fn an_observer_is_told_each_change_and_what_was_before() {
    let set = RevokedSet::new();
    let id = TokenId::of("app");
    let app = |at| Entry::App {
        id,
        revoked_at: UnixMillis(at),
    };
    set.apply(&[until(1, 10), app(1)], "1-0a");
    let mut changes = Vec::new();
    let batch = [
        until(1, 9),
        until(1, 11),
        until(1, 12),
        token(2),
        app(1),
        app(2),
    ];
    let applied = set.apply_observed(batch, "2-0a", |change| changes.push(change));
    let change = |before, after| Change { before, after };
    assert_eq!(
        changes,
        [
            change(Some(until(1, 10)), until(1, 11)),
            change(Some(until(1, 11)), until(1, 12)),
            change(None, token(2)),
            change(Some(app(1)), app(2)),
        ]
    );
    assert_eq!((applied.changed, applied.total), (4, 3));
}

#[test]
fn a_token_that_comes_twice_in_one_batch_has_the_later_expiry() {
    let set = RevokedSet::new();
    set.apply(&[until(1, 5), until(1, 7), until(1, 6)], "1-0a");
    assert_eq!(entries(&set), [until(1, 7)]);
    set.apply(&[], "2-0a");
    assert_eq!(entries(&set), [until(1, 7)]);
}

#[test]
fn an_end_beyond_the_last_known_is_kept_as_never() {
    let set = RevokedSet::new();
    set.apply(
        &[
            until(1, Expiry::LAST_KNOWN.0),
            until(2, Expiry::LAST_KNOWN.0 + 1),
        ],
        "1-0a",
    );
    let expected = [until(1, Expiry::LAST_KNOWN.0), token(2)];
    assert_eq!(entries(&set), sorted(&expected));
}

#[test]
fn a_sweep_takes_out_what_expired_before_the_horizon_and_nothing_else() {
    let set = RevokedSet::new();
    let id = TokenId::of("old");
    let unknown = Entry::Token {
        id,
        expiry: Expiry::Unknown,
    };
    let app = Entry::App {
        id,
        revoked_at: UnixMillis(1),
    };
    set.apply(
        &[until(1, 599), until(2, 600), token(3), unknown, app],
        "1-0a",
    );
    assert_eq!(set.sweep(UnixSeconds(599)), 0);
    assert_eq!(set.sweep(UnixSeconds(600)), 1);
    assert_eq!(set.sweep(UnixSeconds(600)), 0);
    assert_eq!(
        entries(&set),
        sorted(&[until(2, 600), token(3), unknown, app])
    );
    set.read(|view| {
        assert_eq!((view.len(), &**view.version()), (4, "1-0a"));
        assert!(!view.has_token(until(1, 0).id()) && view.has_token(until(2, 0).id()));
    });
    set.apply(&[until(1, 700)], "2-0a");
    assert!(set.read(|view| view.has_token(until(1, 0).id()) && view.len() == 5));
}

#[test]
fn a_swept_set_gives_its_memory_back() {
    let set = RevokedSet::new();
    let batch: Vec<_> = (0..100_000)
        .map(|n| until(n, 1000 + u64::from(n % 10)))
        .collect();
    set.apply(&batch, "1-0a");
    let full = set.memory();
    assert_eq!(set.sweep(UnixSeconds(1009)), 90_000);
    let swept = set.memory();
    assert_eq!(swept.tokens, 10_000);
    assert!(swept.bytes < full.bytes / 7, "{full:?} {swept:?}");
    assert!((0..100_000).all(|n| set.read(|view| view.has_token(token(n).id())) == (n % 10 == 9)));
}

#[test]
fn memory_stays_below_32_bytes_for_each_token_while_it_grows() {
    let set = RevokedSet::new();
    let mut n = 0;
    while n < 200_000 {
        let batch: Vec<_> = (n..n + 1000).map(token).collect();
        set.apply(&batch, "v");
        n += 1000;
        let memory = set.memory();
        assert_eq!(memory.tokens, n as usize);
        let bound = if n < 100_000 { 44 } else { 32 };
        assert!(memory.bytes <= bound * memory.tokens + 60_000, "{memory:?}");
    }
}

/// Chance fills one shard more than another: that one or two of 128 grow is no rare thing.
#[test]
fn a_set_with_room_hardly_grows_while_it_is_filled() {
    let set = RevokedSet::with_capacity(50_000);
    let before = set.memory();
    for part in 0..50 {
        let batch: Vec<_> = (part * 1000..(part + 1) * 1000).map(token).collect();
        set.apply(&batch, "v");
    }
    assert!(set.memory().slots <= before.slots * 101 / 100);
    assert_eq!(set.read(View::len), 50_000);
}

#[test]
fn a_batch_too_large_to_wait_in_its_shards_is_applied_all_the_same() {
    let tokens = (shard::SHARDS * part::MOST_PENDING) as u32 + 100_000;
    let set = RevokedSet::with_capacity(tokens as usize);
    let batch: Vec<_> = (0..tokens)
        .map(|n| Entry::Token {
            id: TokenId::from_u128(n.into()),
            expiry: Expiry::Known(UnixSeconds(n.into())),
        })
        .collect();
    let applied = set.apply(&batch, "1-0a");
    assert_eq!(applied.total, batch.len());
    let memory = set.memory();
    assert!(memory.bytes < 22 * memory.slots, "{memory:?}");
    assert_eq!(entries(&set), batch);
    set.read(|view| assert!(batch.iter().all(|entry| view.has_token(entry.id()))));
}

#[test]
fn what_an_interrupted_batch_brought_comes_with_the_next_one() {
    let set = RevokedSet::new();
    set.apply(&[token(1)], "1-0a");
    let interrupted = catch_unwind(AssertUnwindSafe(|| {
        set.apply_observed([token(2), token(3)], "2-0a", |change| {
            assert_ne!(change.after, token(3), "interrupted");
        })
    }));
    assert!(interrupted.is_err());
    let seen = |n| set.read(|view| view.has_token(token(n).id()));
    assert_eq!(
        ([1, 2, 3, 4].map(seen), set.read(View::len)),
        ([true, false, false, false], 1)
    );
    let applied = set.apply_observed([token(4)], "3-0a", |_| {
        assert_eq!([1, 2, 3, 4].map(seen), [true, false, false, false]);
    });
    assert_eq!(applied.total, 4);
    assert_eq!([1, 2, 3, 4].map(seen), [true; 4]);
}
