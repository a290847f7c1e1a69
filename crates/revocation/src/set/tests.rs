use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{Kind, UnixSeconds};

fn token(n: u32) -> Entry {
    Entry::Token {
        id: TokenId::of(&format!("token-{n}")),
        expiry: Expiry::Never,
    }
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
fn a_reader_sees_all_of_a_batch_or_nothing_with_the_version_that_belongs_to_it() {
    const BATCH: u32 = 64;
    let set = RevokedSet::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let (version, total) =
                        set.read(|view| (view.version().to_string(), view.len()));
                    let batches: usize = version.parse().unwrap_or(0);
                    assert_eq!(total, batches * BATCH as usize, "version {version}");
                }
            });
        }
        for batch in 0..200 {
            let entries: Vec<_> = (0..BATCH).map(|n| token(batch * BATCH + n)).collect();
            set.apply(&entries, &(batch + 1).to_string());
        }
        done.store(true, Ordering::Relaxed);
    });
}

fn entry() -> impl Strategy<Value = Entry> {
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

/// Everything that the set says of the identifiers that [`entry`] draws from.
fn contents(set: &RevokedSet) -> Vec<(Option<Expiry>, Option<UnixMillis>, Option<UnixMillis>)> {
    set.read(|view| {
        (0..8u8)
            .map(|name| TokenId::of(&name.to_string()))
            .map(|id| {
                (
                    view.tokens.get(&id).copied(),
                    view.app_revoked_at(id),
                    view.subject_revoked_at(id),
                )
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_and_the_cut_of_batches_do_not_matter(
        entries in vec(entry(), 0..40),
        order in vec(any::<Index>(), 40),
        cut: Index,
    ) {
        let whole = RevokedSet::new();
        whole.apply(&entries, "all");

        let mut shuffled = entries.clone();
        for (at, index) in order.iter().enumerate().take(entries.len()) {
            shuffled.swap(at, index.index(entries.len()));
        }
        let parts = RevokedSet::new();
        let (first, second) = shuffled.split_at(cut.index(entries.len() + 1));
        parts.apply(first, "first");
        parts.apply(second, "second");

        prop_assert_eq!(contents(&whole), contents(&parts));
    }

    #[test]
    fn what_was_applied_is_found_and_nothing_else(entries in vec(entry(), 0..40)) {
        let set = RevokedSet::new();
        set.apply(&entries, "all");
        for name in 0..8u8 {
            let id = TokenId::of(&name.to_string());
            let applied = |kind| entries.iter().any(|entry| entry.kind() == kind && entry.id() == id);
            set.read(|view| {
                assert_eq!(view.has_token(id), applied(Kind::Token));
                assert_eq!(view.app_revoked_at(id).is_some(), applied(Kind::App));
                assert_eq!(view.subject_revoked_at(id).is_some(), applied(Kind::Subject));
            });
        }
    }
}
