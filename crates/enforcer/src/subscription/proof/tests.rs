use proptest::{collection::vec, prelude::*};
use rescind_revocation::{Digests, UnixMillis};

use super::*;

fn token(id: u128, expiry: u64) -> Entry {
    Entry::Token {
        id: TokenId::from_u128(id),
        expiry: Expiry::Known(UnixSeconds(expiry)),
    }
}

fn app(id: u128, revoked_at: u64) -> Entry {
    Entry::App {
        id: TokenId::from_u128(id),
        revoked_at: UnixMillis(revoked_at),
    }
}

/// What an adapter that holds these says.
fn said(entries: &[Entry]) -> Checkpoint {
    let mut digests = Digests::new();
    entries.iter().for_each(|entry| digests.insert(entry));
    let (digest, count) = digests.from(UnixSeconds(600));
    Checkpoint {
        horizon: 600,
        digest: digest.to_bytes().to_vec(),
        count,
        ..Checkpoint::default()
    }
}

#[derive(Default)]
struct Enforcer {
    set: RevokedSet,
    comparison: Comparison,
    now: u64,
}

impl Enforcer {
    fn apply(&mut self, entries: &[Entry]) {
        let batch = self.comparison.named(entries);
        let comparison = &mut self.comparison;
        self.set
            .apply_each(entries.iter().copied(), "", |entry, merged| {
                comparison.merged(&batch, &entry, &merged);
            });
        self.comparison.applied(&batch);
    }

    fn enter(&mut self, ledger: &str) {
        self.comparison.enter(ledger, &self.set);
    }

    fn walk_begins(&mut self) {
        self.comparison.walk_begins(&self.set);
    }

    /// The walk ends, and all is looked at.
    fn walk_ends(&mut self, horizon: u64) {
        self.comparison.walk_ends(&self.set, UnixSeconds(horizon));
        while self.comparison.is_looking() {
            self.comparison.step(&self.set);
        }
    }

    fn walk(&mut self, entries: &[Entry]) {
        self.walk_begins();
        self.apply(entries);
        self.walk_ends(600);
    }

    fn compare(&mut self, adapter: &[Entry]) -> Verdict {
        self.comparison.compare(&said(adapter), &self.set, self.now)
    }

    #[track_caller]
    fn proven(&mut self, adapter: &[Entry]) {
        assert_eq!(self.compare(adapter), Verdict::Proven);
        // What is kept step by step is what a fresh look finds.
        let mut look = Look::at(&self.set);
        while !look.is_over() {
            look.step(&self.set, &mut self.comparison.marks, 1);
        }
        assert_eq!(self.comparison.digests, Some(look.finish().0));
    }
}

#[test]
fn equal_sets_are_proven_however_they_came_about() {
    let mut enforcer = Enforcer::default();
    enforcer.proven(&[]);
    enforcer.apply(&[token(1, 1000), app(2, 5)]);
    enforcer.proven(&[token(1, 1000), app(2, 5)]);
    enforcer.apply(&[token(1, 2000), token(3, 3000)]);
    enforcer.proven(&[token(3, 3000), token(1, 2000), app(2, 5)]);
}

#[test]
fn a_difference_that_stands_asks_for_a_walk_and_then_less_and_less_often() {
    let mut enforcer = Enforcer::default();
    enforcer.apply(&[token(1, 1000)]);
    let adapter = [token(1, 1000), token(2, 1000)];
    let mut asked = Vec::new();
    for second in 0..200_000u64 {
        enforcer.now = second * 1000;
        match enforcer.compare(&adapter) {
            Verdict::Diverged { stands, walk } => {
                assert_eq!(stands, second >= 60);
                if walk {
                    asked.push(second);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(asked, [60, 3660, 10_860, 25_260, 54_060, 111_660, 198_060]);
    enforcer.apply(&[token(2, 1000)]);
    enforcer.proven(&adapter);
    enforcer.apply(&[token(3, 1000)]);
    assert_eq!(
        enforcer.compare(&adapter),
        Verdict::Diverged {
            stands: false,
            walk: false
        }
    );
}

#[test]
fn what_the_ledger_does_not_have_is_surplus_until_it_names_it() {
    let mut enforcer = Enforcer::default();
    enforcer.enter("one");
    enforcer.apply(&[token(1, 1000), token(2, 9000), app(3, 7)]);
    enforcer.enter("two");
    // The other ledger lacks the app, and knows an earlier end of the second token.
    let mut adapter = vec![token(1, 1000), token(2, 5000)];
    assert!(matches!(
        enforcer.compare(&adapter),
        Verdict::Diverged { .. }
    ));
    enforcer.walk(&adapter);
    assert_eq!(enforcer.comparison.surplus(), 1);
    enforcer.proven(&adapter);

    // It names more of both, then all.
    enforcer.apply(&[token(2, 7000), app(3, 6)]);
    adapter = vec![token(1, 1000), token(2, 7000), app(3, 6)];
    enforcer.proven(&adapter);
    assert_eq!(enforcer.comparison.surplus(), 0);
    enforcer.apply(&[token(2, 9000), app(3, 8)]);
    adapter = vec![token(1, 1000), token(2, 9000), app(3, 8)];
    enforcer.proven(&adapter);
    assert!(enforcer.comparison.marks.is_empty());
}

#[test]
fn an_entry_that_is_named_twice_in_one_update_counts_once() {
    let mut enforcer = Enforcer::default();
    enforcer.apply(&[token(1, 9000)]);
    enforcer.walk(&[]);
    enforcer.proven(&[]);
    enforcer.apply(&[token(1, 1000), token(1, 9500)]);
    enforcer.proven(&[token(1, 9500)]);
    assert!(enforcer.comparison.marks.is_empty());
}

#[test]
fn marks_are_dropped_with_their_ledger() {
    let mut enforcer = Enforcer::default();
    enforcer.enter("one");
    enforcer.apply(&[token(1, 1000), token(2, 9000)]);
    enforcer.walk(&[token(1, 1000), token(2, 5000)]);
    enforcer.proven(&[token(1, 1000), token(2, 5000)]);
    enforcer.enter("two");
    enforcer.proven(&[token(1, 1000), token(2, 9000)]);
}

#[test]
fn what_came_beside_a_walk_was_named_too_and_a_lost_walk_marks_nothing() {
    let mut enforcer = Enforcer::default();
    enforcer.apply(&[token(1, 1000)]);
    enforcer.walk_begins();
    enforcer.apply(&[token(2, 1000)]);
    assert_eq!(enforcer.compare(&[]), Verdict::NotYet);
    enforcer.comparison.lost(&enforcer.set);
    enforcer.comparison.walk_ends(&enforcer.set, UnixSeconds(0));
    assert!(!enforcer.comparison.is_looking() && enforcer.comparison.marks.is_empty());
    enforcer.walk_begins();
    enforcer.apply(&[token(3, 1000)]);
    enforcer.apply(&[token(1, 1000)]);
    enforcer.walk_ends(0);
    enforcer.proven(&[token(1, 1000), token(3, 1000)]);
}

#[test]
fn what_was_swept_here_and_there_does_not_count() {
    let mut enforcer = Enforcer::default();
    enforcer.apply(&[token(1, 650), token(2, 1300)]);
    enforcer.walk(&[token(2, 1300)]);
    enforcer.proven(&[token(2, 1300)]);
    let horizon = UnixSeconds(1200);
    enforcer.set.sweep(horizon);
    assert!(enforcer.comparison.swept(horizon));
    enforcer.proven(&[token(2, 1300)]);
}

#[test]
fn marks_are_read_as_they_were_written_and_anything_else_is_none() {
    let mut enforcer = Enforcer::default();
    enforcer.enter("0a0b0c0d");
    enforcer.apply(&[token(1, 1000), token(2, 9000), app(3, 4)]);
    enforcer.walk(&[token(2, 5000)]);
    let marks = enforcer.comparison.marks().clone();
    let bytes = marks.encode();
    assert_eq!(Marks::decode(&bytes), marks);
    for length in 0..bytes.len() {
        assert_eq!(Marks::decode(&bytes[..length]), Marks::default());
    }
    // Taken up again, they lead to the same.
    let again = Comparison::new(marks);
    enforcer.comparison = again;
    enforcer.proven(&[token(2, 5000)]);
}

#[test]
fn another_walk_and_another_ledger_end_a_look_and_the_next_one_is_right() {
    let mut enforcer = Enforcer::default();
    enforcer.enter("one");
    let all: Vec<_> = (1..1000).map(|n| token(n, 1000)).collect();
    enforcer.apply(&all);
    enforcer.walk(&all[..900]);
    assert_eq!(enforcer.comparison.surplus(), 99);
    let before = enforcer.comparison.marks().clone();
    enforcer.walk_begins();
    enforcer.apply(&all[..500]);
    enforcer
        .comparison
        .walk_ends(&enforcer.set, UnixSeconds(600));
    enforcer.comparison.step_over(&enforcer.set, 300);
    assert!(enforcer.comparison.is_looking());
    // What was found so far is found again, and what was kept is what is known until then.
    enforcer.walk_begins();
    assert_eq!(enforcer.comparison.marks(), &before);
    enforcer.apply(&all[..700]);
    enforcer
        .comparison
        .walk_ends(&enforcer.set, UnixSeconds(600));
    enforcer.comparison.step_over(&enforcer.set, 300);
    enforcer.comparison.lost(&enforcer.set);
    while enforcer.comparison.is_looking() {
        enforcer.comparison.step_over(&enforcer.set, 1);
    }
    assert_eq!(enforcer.comparison.surplus(), 299);
    enforcer.proven(&all[..700]);

    enforcer.walk_begins();
    enforcer.apply(&all[..500]);
    enforcer
        .comparison
        .walk_ends(&enforcer.set, UnixSeconds(600));
    enforcer.comparison.step_over(&enforcer.set, 300);
    enforcer.enter("two");
    assert!(!enforcer.comparison.is_looking());
    enforcer.proven(&all);
}

/// Entries over few identifiers, and many beside them that fill the parts.
fn some() -> impl Strategy<Value = Vec<Entry>> {
    let one = (0..40_u128, 1..8_u64, any::<bool>()).prop_map(|(id, value, is_app)| match is_app {
        true => app(id % 4, value),
        false => token(id, 1000 * value),
    });
    let flood = (100..400_u128, 0..200_u128)
        .prop_map(|(first, count)| (first..first + count).map(|id| token(id, 1000)).collect());
    prop_oneof![3 => vec(one, 0..12), 1 => flood]
}

/// What an adapter holds after these.
fn union(batches: &[Vec<Entry>]) -> Vec<Entry> {
    let set = RevokedSet::new();
    batches.iter().for_each(|batch| {
        set.apply(batch, "");
    });
    let mut all = Vec::new();
    set.for_each(|entry| all.push(entry));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_walk_proves_the_set_whatever_comes_beside_it_and_between_the_steps_of_the_look(
        other in vec(some(), 0..4),
        adapter in vec(some(), 0..4),
        beside in vec(some(), 0..4),
        between in vec((1..200_usize, some()), 0..12),
        looked_before in any::<bool>(),
    ) {
        let mut enforcer = Enforcer::default();
        enforcer.enter("one");
        other.iter().for_each(|batch| enforcer.apply(batch));
        enforcer.enter("two");
        let mut named = Vec::new();
        // Digests may be there already, and kept in step with the old marks.
        if looked_before {
            let _ = enforcer.compare(&[]);
        }
        enforcer.walk_begins();
        let mut walked: Vec<Vec<Entry>> = union(&adapter).chunks(50).map(<[_]>::to_vec).collect();
        for at in 0..walked.len().max(beside.len()) {
            for batch in beside.get(at).into_iter().chain(walked.get(at)) {
                enforcer.apply(batch);
                named.push(batch.clone());
            }
        }
        named.append(&mut walked);
        enforcer.comparison.walk_ends(&enforcer.set, UnixSeconds(600));
        for (entries, batch) in &between {
            enforcer.comparison.step_over(&enforcer.set, *entries);
            enforcer.apply(batch);
            named.push(batch.clone());
        }
        while enforcer.comparison.is_looking() {
            prop_assert_eq!(enforcer.compare(&[]), Verdict::NotYet);
            enforcer.comparison.step_over(&enforcer.set, 50);
        }
        let adapter = union(&named);
        enforcer.proven(&adapter);
        let held = enforcer.set.read(|view| view.len());
        prop_assert_eq!(enforcer.comparison.surplus(), held - adapter.len());
    }
}
