use rescind_revocation::Digests;

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
            .apply_observed(entries.iter().copied(), "", |change| {
                comparison.changed(&batch, &change);
            });
        self.comparison.applied(&batch);
    }

    fn walk(&mut self, entries: &[Entry]) {
        self.comparison.walk_begins(0);
        self.apply(entries);
        self.comparison.walk_ends(&self.set, UnixSeconds(600));
    }

    fn compare(&mut self, adapter: &[Entry]) -> Verdict {
        self.comparison.compare(&said(adapter), &self.set, self.now)
    }

    #[track_caller]
    fn proven(&mut self, adapter: &[Entry]) {
        assert_eq!(self.compare(adapter), Verdict::Proven);
        // What is kept step by step is what a fresh look finds.
        let fresh = self.comparison.marks.digests_of(&self.set);
        assert_eq!(self.comparison.digests.as_ref(), Some(&fresh));
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
    enforcer.comparison.enter("one");
    enforcer.apply(&[token(1, 1000), token(2, 9000), app(3, 7)]);
    enforcer.comparison.enter("two");
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
    enforcer.comparison.enter("one");
    enforcer.apply(&[token(1, 1000), token(2, 9000)]);
    enforcer.walk(&[token(1, 1000), token(2, 5000)]);
    enforcer.proven(&[token(1, 1000), token(2, 5000)]);
    enforcer.comparison.enter("two");
    enforcer.proven(&[token(1, 1000), token(2, 9000)]);
}

#[test]
fn what_came_beside_a_walk_was_named_too_and_a_lost_walk_marks_nothing() {
    let mut enforcer = Enforcer::default();
    enforcer.apply(&[token(1, 1000)]);
    enforcer.comparison.walk_begins(0);
    enforcer.apply(&[token(2, 1000)]);
    assert_eq!(enforcer.compare(&[]), Verdict::Walking);
    enforcer.comparison.lost();
    assert!(!enforcer.comparison.walk_ends(&enforcer.set, UnixSeconds(0)));
    enforcer.comparison.walk_begins(0);
    enforcer.apply(&[token(3, 1000)]);
    enforcer.apply(&[token(1, 1000)]);
    enforcer.comparison.walk_ends(&enforcer.set, UnixSeconds(0));
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
    enforcer.comparison.enter("0a0b0c0d");
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
