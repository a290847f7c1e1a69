//! The ledger against a plain map, over any run of appends and reopenings.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};
use rescind_revocation::{Digests, Expiry, Kind, Revocation, UnixMillis, UnixSeconds, packed};
use tempfile::TempDir;

use super::revocations::{a_revocation, known};
use crate::{Cursor, Epoch, Ledger, LedgerReader, Origin, Resolved, Swept};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Revocation>),
    Reopen,
    MarkComplete,
    /// The horizon moves to this bucket, forwards or backwards.
    Sweep(u64),
    Tidy,
    /// The next write opens the file anew.
    LoseStore,
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => vec(a_revocation(), 0..12).prop_map(Step::Append),
        2 => Just(Step::Reopen),
        1 => Just(Step::MarkComplete),
        2 => (0..4u64).prop_map(Step::Sweep),
        2 => Just(Step::Tidy),
        1 => Just(Step::LoseStore),
    ]
}

#[derive(Default)]
struct Model {
    held: HashMap<(Kind, String), Revocation>,
    cursors: Vec<Cursor>,
    epochs: Vec<Epoch>,
    complete: bool,
    horizon: u64,
    /// What one holds who reads what is new after each step, and never anything else.
    follower: HashMap<(Kind, String), Revocation>,
    followed: u64,
    /// Of each sequence, and how many groups were appended.
    origins: HashMap<u64, Origin>,
    groups: u64,
}

fn name(revocation: &Revocation) -> (Kind, String) {
    let identifier = revocation.identifier().as_str().to_owned();
    (revocation.kind(), identifier)
}

fn is_swept(revocation: &Revocation, horizon: u64) -> bool {
    let horizon = Expiry::Known(UnixSeconds(horizon));
    matches!(revocation, Revocation::Token { expiry, .. } if *expiry < horizon)
}

impl Model {
    /// How many things the group changes.
    fn append(&mut self, group: &[Revocation]) -> usize {
        let before = self.held.clone();
        for revocation in group {
            if is_swept(revocation, self.horizon) {
                continue;
            }
            let change = match self.held.get(&name(revocation)) {
                Some(held) => revocation.over(held),
                None => Some(revocation.clone()),
            };
            if let Some(change) = change {
                self.held.insert(name(revocation), change);
            }
        }
        let changed =
            |(key, value): &(&(Kind, String), &Revocation)| before.get(*key) != Some(value);
        self.held.iter().filter(changed).count()
    }

    fn sweep(&mut self, horizon: u64) -> usize {
        let before = self.held.len();
        self.horizon = horizon;
        self.held.retain(|_, held| !is_swept(held, horizon));
        before - self.held.len()
    }

    fn check(&mut self, ledger: &Ledger) {
        let reader = ledger.reader();
        let head = reader.head();
        let live = reader.read(0, u64::MAX, usize::MAX);
        assert_eq!(live.len(), reader.len());
        let ascending = live
            .windows(2)
            .all(|pair| pair[0].sequence < pair[1].sequence);
        assert!(ascending);
        assert!(live.iter().all(|entry| entry.sequence <= head.sequence));
        let held: HashMap<_, _> = live
            .iter()
            .map(|entry| {
                let identifier = entry.revocation.identifier();
                let kind = entry.revocation.kind();
                assert_eq!(reader.find(kind, identifier).as_ref(), Some(entry));
                (name(&entry.revocation), entry.revocation.clone())
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
        self.check_digest(&reader);
        self.check_packed(&reader);
        self.follow(&reader);
    }

    fn check_digest(&self, reader: &LedgerReader) {
        let mut digests = Digests::new();
        self.held
            .values()
            .for_each(|held| digests.insert(&held.entry()));
        let checkpoint = reader.checkpoint();
        assert_eq!(checkpoint.horizon, UnixSeconds(self.horizon));
        let (digest, entries) = digests.from(checkpoint.horizon);
        assert_eq!((checkpoint.digest, checkpoint.entries), (digest, entries));
        assert_eq!(entries, self.held.len() as u64);
    }

    /// Whatever the size of the pages, packed ranges follow each other up to the head and hold what is live.
    fn check_packed(&self, reader: &LedgerReader) {
        let head = reader.head().sequence;
        let mut packed = Vec::new();
        let mut after = 0;
        while after < head {
            let range = reader.read_packed(after, head, 80);
            assert_eq!(range.after, after);
            assert!(range.to > after && range.entries > 0 || range.to == head);
            assert!(range.bytes.len() <= 80);
            packed.extend(packed::decode(&range.bytes, packed::BASE).unwrap());
            after = range.to;
        }
        // Ranges that are kept may hold what was superseded or swept since; never less than what is live.
        for held in self.held.values() {
            assert!(packed.contains(&held.entry()), "{held:?}");
        }
    }

    /// Of the next group, which will make so many entries.
    fn origin(&mut self, head: u64, changed: usize) -> Origin {
        self.groups += 1;
        let origin = Origin {
            at: UnixMillis(self.groups),
            source: format!("source {}", self.groups % 3),
        };
        for sequence in (head + 1..).take(changed) {
            self.origins.insert(sequence, origin.clone());
        }
        origin
    }

    /// Each live entry says when and whence it came, whatever has become of its row.
    fn check_origins(&self, ledger: &Ledger) {
        let reader = ledger.reader();
        for live in reader.read(0, u64::MAX, usize::MAX) {
            let said = reader.origin(live.sequence).unwrap();
            assert_eq!(said.as_ref(), self.origins.get(&live.sequence));
        }
    }

    /// Whoever follows misses nothing: no entry comes back at a sequence that everybody is past.
    fn follow(&mut self, reader: &LedgerReader) {
        let head = reader.head().sequence;
        for live in reader.read(self.followed, head, usize::MAX) {
            self.follower
                .insert(name(&live.revocation), live.revocation);
        }
        self.followed = head;
        for (name, held) in &self.held {
            assert_eq!(self.follower.get(name), Some(held));
        }
        let horizon = self.horizon;
        self.follower.retain(|_, held| !is_swept(held, horizon));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_ledger_holds_what_a_map_would_hold(steps in vec(a_step(), 1..30)) {
        let directory = TempDir::new().unwrap();
        let (mut ledger, opening) = Ledger::open(directory.path()).unwrap();
        let mut model = Model::default();
        model.epochs.push(opening.head.epoch);
        for step in steps {
            let before = ledger.reader().head();
            match step {
                Step::Append(group) => {
                    let changed = model.append(&group);
                    let origin = model.origin(before.sequence, changed);
                    let appended = ledger.append_from(&group, &origin).unwrap();
                    prop_assert_eq!(appended.changed, changed);
                    prop_assert_eq!(appended.head.sequence, before.sequence + changed as u64);
                    prop_assert_eq!(appended.head, ledger.reader().head());
                }
                Step::Reopen => {
                    drop(ledger);
                    let (again, opening) = Ledger::open(directory.path()).unwrap();
                    prop_assert!(opening.damage.is_empty());
                    prop_assert_eq!(opening.entries, model.held.len());
                    prop_assert_eq!(opening.head.sequence, before.sequence);
                    prop_assert!(!model.epochs.contains(&opening.head.epoch));
                    model.epochs.push(opening.head.epoch);
                    ledger = again;
                }
                Step::MarkComplete => {
                    ledger.mark_complete(UnixMillis(7)).unwrap();
                    model.complete = true;
                }
                Step::Sweep(bucket) => {
                    let horizon = bucket * Digests::BUCKET_SECONDS;
                    let dropped = model.sweep(horizon);
                    // Anywhere in the bucket is its beginning.
                    let swept = ledger.sweep(UnixSeconds(horizon + 599)).unwrap();
                    prop_assert_eq!(swept, Swept { horizon: UnixSeconds(horizon), dropped });
                }
                Step::Tidy => {
                    while ledger.tidy().unwrap() {}
                    model.check_origins(&ledger);
                }
                Step::LoseStore => ledger.store = None,
            }
            model.cursors.push(ledger.reader().head());
            model.check(&ledger);
        }
        model.check_origins(&ledger);
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
