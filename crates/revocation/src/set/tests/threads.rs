//! Readers beside a writer that does its worst.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use super::*;

const TOGETHER: u32 = 64;

/// What one reader saw in one version: its number, and how many of a group of tokens.
fn count(set: &RevokedSet, group: u32) -> (u32, u32) {
    set.read(|view| {
        let ids = (group * TOGETHER..(group + 1) * TOGETHER).map(|n| token(n).id());
        let seen = ids.filter(|id| view.has_token(*id)).count() as u32;
        (view.version().parse().unwrap_or(0), seen)
    })
}

/// Ends the readers, also where the writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Runs `write` beside two readers that do `read` from before it begins until it has ended, and some more.
fn beside(set: &RevokedSet, write: impl FnOnce(&RevokedSet), read: impl Fn(&RevokedSet) + Sync) {
    let (done, begun) = (AtomicBool::new(false), Barrier::new(3));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                begun.wait();
                while !done.load(Relaxed) {
                    read(set);
                }
                read(set);
            });
        }
        let _done = Done(&done);
        begun.wait();
        write(set);
    });
}

#[test]
fn a_reader_sees_all_of_a_batch_or_nothing_with_the_version_that_belongs_to_it() {
    // Batch n brings group n and sweeps nothing; the shards grow all the time.
    let set = RevokedSet::new();
    let newest = AtomicU64::new(0);
    let write = |set: &RevokedSet| {
        for group in 0..3000 {
            newest.store(group.into(), Relaxed);
            let batch: Vec<_> = (0..TOGETHER).map(|n| token(group * TOGETHER + n)).collect();
            set.apply(&batch, &(group + 1).to_string());
        }
    };
    beside(&set, write, |set| {
        let group = newest.load(Relaxed) as u32;
        let (version, seen) = count(set, group);
        let expected = if version > group { TOGETHER } else { 0 };
        assert_eq!(seen, expected, "group {group} in version {version}");
        let (version, seen) = count(set, group.saturating_sub(1));
        assert!(
            version >= group && (group == 0 || seen == TOGETHER),
            "version {version}: {seen}"
        );
    });
    assert_eq!(set.read(View::len), 3000 * TOGETHER as usize);
}

#[test]
fn a_sweep_never_takes_what_has_not_expired_from_a_reader() {
    // Batch n brings group n, and each fourth sweeps what is older than the batch before it.
    let set = RevokedSet::new();
    let write = |set: &RevokedSet| {
        for round in 1..2000_u32 {
            let batch: Vec<_> = (0..TOGETHER)
                .map(|n| until(round * TOGETHER + n, round.into()))
                .collect();
            set.apply(&batch, &round.to_string());
            if round % 4 == 0 {
                set.sweep(UnixSeconds(u64::from(round) - 1));
            }
        }
    };
    beside(&set, write, |set| {
        let version = set.read(|view| view.version().parse().unwrap_or(0));
        let (now, seen) = count(set, version);
        // What a version or the one after it brought is not swept yet.
        let expected = if version == 0 { 0 } else { TOGETHER };
        assert!(
            seen == expected || now > version + 1,
            "{seen} of version {version} in {now}"
        );
    });
}

#[test]
fn what_is_held_is_found_while_its_shard_is_built_anew() {
    let set = RevokedSet::new();
    let held: Vec<_> = (0..1000).map(token).collect();
    set.apply(&held, "0");
    let write = |set: &RevokedSet| {
        for round in 0..20_u32 {
            let batch: Vec<_> = (0..5000)
                .map(|n| until(1000 + n, 1 + u64::from(round)))
                .collect();
            set.apply(&batch, "v");
            set.sweep(UnixSeconds(2 + u64::from(round)));
        }
    };
    beside(&set, write, |set| {
        assert!(set.read(|view| held.iter().all(|entry| view.has_token(entry.id()))));
    });
    assert_eq!(entries(&set), sorted(&held));
}

#[test]
fn apps_subjects_and_tokens_of_a_batch_appear_together() {
    let set = RevokedSet::new();
    let id = TokenId::of("one-name");
    let write = |set: &RevokedSet| {
        for round in 1..20_000 {
            let revoked_at = UnixMillis(round);
            let batch = [
                Entry::App { id, revoked_at },
                token(round as u32),
                Entry::Subject { id, revoked_at },
            ];
            set.apply(&batch, &round.to_string());
        }
    };
    beside(&set, write, |set| {
        set.read(|view| {
            let version: u64 = view.version().parse().unwrap_or(0);
            let moment = (version > 0).then_some(UnixMillis(version));
            let token = token(version as u32).id();
            let next = self::token(version as u32 + 1).id();
            (
                view.app_revoked_at(id) == moment && view.subject_revoked_at(id) == moment,
                view.has_token(token) == (version > 0) && !view.has_token(next),
            )
        })
        .eq(&(true, true))
        .then_some(())
        .expect("one version");
    });
}

#[test]
fn a_reader_in_the_middle_does_not_keep_the_writer_waiting() {
    let set = RevokedSet::new();
    set.apply(&[token(1)], "1-0a");
    let rounds = AtomicU64::new(0);
    let version = set.read(|view| {
        // The writer's own thread: it would wait for itself. Two batches, so that this answer is void.
        if rounds.fetch_add(1, Relaxed) == 0 {
            set.apply(&[token(2)], "2-0a");
            assert!(!view.has_token(token(2).id()));
            set.apply(&[token(3)], "3-0a");
        }
        view.version().to_string()
    });
    assert_eq!((&*version, rounds.into_inner()), ("3-0a", 2));
}
