//! The ledger against a plain map, over any run of appends and reopenings.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};
use rescind_revocation::{Expiry, Kind, Revocation, UnixMillis};
use tempfile::TempDir;

use super::revocations::{a_revocation, known};
use crate::{Cursor, Epoch, Ledger, Resolved};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Revocation>),
    Reopen,
    MarkComplete,
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(a_revocation(), 0..12).prop_map(Step::Append),
        2 => Just(Step::Reopen),
        1 => Just(Step::MarkComplete),
    ]
}

/// What a merge keeps the greatest of.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Strength {
    Expiry(Expiry),
    Moment(UnixMillis),
}

fn strength(revocation: &Revocation) -> Strength {
    match revocation {
        Revocation::Token { expiry, .. } => Strength::Expiry(*expiry),
        Revocation::App { revoked_at, .. } | Revocation::Subject { revoked_at, .. } => {
            Strength::Moment(*revoked_at)
        }
    }
}

#[derive(Default)]
struct Model {
    held: HashMap<(Kind, String), Strength>,
    cursors: Vec<Cursor>,
    epochs: Vec<Epoch>,
    complete: bool,
}

impl Model {
    /// How many things the group changes.
    fn append(&mut self, group: &[Revocation]) -> usize {
        let before = self.held.clone();
        for revocation in group {
            let key = (
                revocation.kind(),
                revocation.identifier().as_str().to_owned(),
            );
            let new = strength(revocation);
            let held = self.held.entry(key).or_insert(new);
            if new > *held {
                *held = new;
            }
        }
        let changed = |(key, value): &(&(Kind, String), &Strength)| before.get(*key) != Some(value);
        self.held.iter().filter(changed).count()
    }

    fn check(&self, ledger: &Ledger) {
        let reader = ledger.reader();
        let head = reader.head();
        let live = reader.read(0, u64::MAX, usize::MAX);
        assert_eq!(live.len(), reader.len());
        assert!(
            live.windows(2)
                .all(|pair| pair[0].sequence < pair[1].sequence)
        );
        assert!(live.iter().all(|entry| entry.sequence <= head.sequence));
        let held: HashMap<_, _> = live
            .iter()
            .map(|entry| {
                let identifier = entry.revocation.identifier();
                let kind = entry.revocation.kind();
                assert_eq!(reader.find(kind, identifier).as_ref(), Some(entry));
                (
                    (kind, identifier.as_str().to_owned()),
                    strength(&entry.revocation),
                )
            })
            .collect();
        assert_eq!(held, self.held);
        assert_eq!(reader.is_complete(), self.complete);
        assert_eq!(reader.ledger_id(), self.epochs[0]);
        for cursor in &self.cursors {
            assert_eq!(reader.place(*cursor), Resolved::At(cursor.sequence));
        }
        for sequence in 0..=head.sequence {
            let cursor = reader.cursor(sequence);
            assert_eq!(reader.place(cursor), Resolved::At(sequence));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_ledger_holds_what_a_map_would_hold(steps in vec(a_step(), 1..24)) {
        let directory = TempDir::new().unwrap();
        let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
        let mut model = Model::default();
        model.epochs.push(opening.head.epoch);
        for step in steps {
            let before = ledger.reader().head();
            match step {
                Step::Append(group) => {
                    let changed = model.append(&group);
                    let appended = ledger.append(&group).unwrap();
                    prop_assert_eq!(appended.changed, changed);
                    prop_assert_eq!(appended.head.sequence, before.sequence + changed as u64);
                    prop_assert_eq!(appended.head, ledger.reader().head());
                }
                Step::Reopen => {
                    drop(ledger);
                    let (again, opening) = Ledger::open(directory.path()).unwrap();
                    prop_assert_eq!(opening.entries, model.held.len());
                    prop_assert_eq!(opening.head.sequence, before.sequence);
                    prop_assert!(!model.epochs.contains(&opening.head.epoch));
                    prop_assert!(opening.damage.is_empty());
                    model.epochs.push(opening.head.epoch);
                    ledger = again;
                }
                Step::MarkComplete => {
                    ledger.mark_complete(UnixMillis(7)).unwrap();
                    model.complete = true;
                }
            }
            model.cursors.push(ledger.reader().head());
            model.check(&ledger);
        }
    }
}

#[test]
fn a_range_is_read_in_pages() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let group: Vec<_> = (0..10).map(|n| known(&format!("t{n}"), 1)).collect();
    ledger.append(&group).unwrap();
    ledger.append(&[known("t3", 2)]).unwrap();
    let reader = ledger.reader();
    let sequences = |after, to, limit| -> Vec<u64> {
        let live = reader.read(after, to, limit);
        live.iter().map(|entry| entry.sequence).collect()
    };
    assert_eq!(sequences(0, 11, 5), [1, 2, 3, 5, 6]);
    assert_eq!(sequences(6, 11, 5), [7, 8, 9, 10, 11]);
    assert_eq!(sequences(3, 4, 5), []);
    assert_eq!(sequences(11, 11, 5), []);
    assert_eq!(sequences(u64::MAX, u64::MAX, 5), []);
}

#[test]
fn a_text_that_is_no_cursor_of_ours_is_before_everything() {
    let directory = TempDir::new().unwrap();
    let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
    let head = ledger.append(&[known("a", 1)]).unwrap().head;
    let reader = ledger.reader();
    assert_eq!(reader.resolve(&head.to_string()), 1);
    let stranger = Cursor {
        epoch: Epoch(head.epoch.0 ^ 1),
        ..head
    };
    for text in ["", "652374093", &stranger.to_string(), "nonsense"] {
        assert_eq!(reader.resolve(text), 0, "{text}");
    }
    let beyond = Cursor {
        sequence: 2,
        ..head
    };
    assert_eq!(reader.resolve(&beyond.to_string()), 0);
    assert_eq!(reader.place(beyond), Resolved::Beyond);
}
