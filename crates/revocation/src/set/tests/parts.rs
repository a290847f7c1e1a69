//! Parts, what was named, and sets that several threads have filled.

use std::{collections::HashSet, thread};

use proptest::{collection::vec, prelude::*};

use super::{super::testing::entry, *};
use crate::{Kind, Loader, Merged, Placement, Swept};

fn tokens(range: std::ops::Range<u32>) -> Vec<Entry> {
    range.map(|n| until(n, u64::from(n))).collect()
}

#[test]
fn each_entry_is_visited_once_and_in_its_part() {
    let set = RevokedSet::new();
    let app = Entry::App {
        id: TokenId::of("app"),
        revoked_at: UnixMillis(1),
    };
    let mut batch = tokens(0..5000);
    batch.push(app);
    set.apply(&batch, "1");
    let mut seen = Vec::new();
    for part in 0..RevokedSet::PARTS {
        set.visit_part(part, |entry, named| {
            assert!(named, "nobody asked");
            seen.push((part, entry));
        });
    }
    assert!(
        seen.iter()
            .all(|(part, entry)| set.placement().part_of(entry) == *part)
    );
    let seen: Vec<_> = seen.into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(sorted(&seen), sorted(&batch));
}

#[test]
fn who_visits_part_after_part_meets_everything_that_was_there_whatever_comes_meanwhile() {
    let set = RevokedSet::new();
    set.apply(&tokens(0..5000), "1");
    let mut seen = HashSet::new();
    for part in 0..RevokedSet::PARTS {
        set.visit_part(part, |entry, _| {
            seen.insert(entry.id());
        });
        // Shards grow behind and before the visitor.
        let first = 5000 + 300 * part as u32;
        set.apply(&tokens(first..first + 300), "2");
        set.sweep_part(RevokedSet::PARTS - 1 - part, UnixSeconds(100));
    }
    assert!(tokens(100..5000).iter().all(|e| seen.contains(&e.id())));
}

#[test]
fn a_part_is_swept_by_itself() {
    let set = RevokedSet::new();
    set.apply(&tokens(0..2000), "1");
    let mut swept = 0;
    let mut looked_at = 0;
    for part in 0..RevokedSet::PARTS {
        let of: Swept = set.sweep_part(part, UnixSeconds(500));
        swept += of.swept;
        looked_at += of.looked_at;
        assert_eq!(set.read(View::len), 2000 - swept);
    }
    assert_eq!((swept, looked_at), (500, 2000));
    assert_eq!(entries(&set), sorted(&tokens(500..2000)));
}

#[test]
fn each_entry_of_a_batch_is_told_with_what_came_of_it() {
    let set = RevokedSet::new();
    let mut told = Vec::new();
    let mut apply = |batch: &[Entry]| {
        told.clear();
        set.apply_each(batch.iter().copied(), "", |entry, merged| {
            told.push((entry, merged));
        });
        told.clone()
    };
    let (low, high) = (until(1, 5), until(1, 9));
    assert_eq!(apply(&[low]), [(low, Merged::New)]);
    assert_eq!(apply(&[high]), [(high, Merged::Raised(low))]);
    let held = |named| Merged::Kept { held: high, named };
    assert_eq!(apply(&[low]), [(low, held(false))]);
    set.begin_naming();
    assert_eq!(
        apply(&[low, high]),
        [(low, held(false)), (high, held(true))]
    );
    set.end_naming();
    assert_eq!(apply(&[low]), [(low, held(false))]);
}

#[test]
fn a_placement_is_read_as_it_was_written_and_shows_nothing() {
    let set = RevokedSet::new();
    let placement = Placement::from_bytes(set.placement().to_bytes());
    let again = Loader::new(0, placement).finish("");
    for n in 0..1000 {
        assert_eq!(
            placement.part_of(&token(n)),
            again.placement().part_of(&token(n))
        );
    }
    assert_eq!(format!("{placement:?}"), "Placement(Mixer { .. })");
    let other = Placement::random();
    assert!((0..1000).any(|n| placement.part_of(&token(n)) != other.part_of(&token(n))));
}

#[test]
fn a_loaded_set_takes_no_more_than_one_that_was_filled_with_room() {
    let loader = Loader::new(100_000, Placement::random());
    loader.add(tokens(0..100_000));
    let (loaded, filled) = (loader.finish("1"), RevokedSet::with_capacity(100_000));
    filled.apply(&tokens(0..100_000), "1");
    assert_eq!(loaded.memory().tokens, 100_000);
    assert!(loaded.memory().slots <= filled.memory().slots * 101 / 100);
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<Entry>),
    Flood(u32, u32),
    Sweep(u64),
}

impl Step {
    /// Does it, and says what it has named.
    fn take(&self, set: &RevokedSet) -> Vec<(Kind, TokenId)> {
        let batch = match self {
            Self::Apply(batch) => batch.clone(),
            Self::Flood(from, count) => (*from..from + count).map(token).collect(),
            Self::Sweep(horizon) => {
                set.sweep(UnixSeconds(*horizon));
                return Vec::new();
            }
        };
        set.apply(&batch, "");
        batch
            .iter()
            .map(|entry| (entry.kind(), entry.id()))
            .collect()
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => vec(entry(), 0..40).prop_map(Step::Apply),
        2 => (0..6000_u32, 0..3000_u32).prop_map(|(from, count)| Step::Flood(from, count)),
        1 => (0..60_u64).prop_map(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_named_is_known_however_the_set_grew(
        before in vec(step(), 0..4),
        after in vec(step(), 0..6),
    ) {
        let set = RevokedSet::new();
        before.iter().for_each(|step| drop(step.take(&set)));
        set.begin_naming();
        let named: HashSet<_> = after.iter().flat_map(|step| step.take(&set)).collect();
        for part in 0..RevokedSet::PARTS {
            set.visit_part(part, |entry, is_named| {
                let expected = named.contains(&(entry.kind(), entry.id())) || entry.kind() != Kind::Token;
                assert_eq!(is_named, expected);
            });
        }
    }

    #[test]
    fn threads_fill_a_set_as_one_batch_would(
        batch in vec(entry(), 0..60),
        flood in 0..4000_u32,
        room in 0..4000_usize,
        own in any::<bool>(),
    ) {
        let expected = RevokedSet::new();
        let mut batch = batch;
        batch.extend((0..flood).map(token));
        expected.apply(&batch, "7-0a");
        let placement = if own { expected.placement() } else { Placement::random() };
        let loader = Loader::new(room, placement);
        thread::scope(|scope| {
            for share in batch.chunks(batch.len() / 3 + 1) {
                let loader = &loader;
                scope.spawn(move || loader.add(share.iter().copied()));
            }
        });
        let set = loader.finish("7-0a");
        prop_assert_eq!(entries(&set), entries(&expected));
        set.read(|view| {
            assert_eq!((view.len(), &**view.version()), (entries(&set).len(), "7-0a"));
            assert!(batch.iter().filter(|e| e.kind() == Kind::Token).all(|e| view.has_token(e.id())));
        });
        // And it goes on as any other.
        let more: Vec<_> = (flood..flood + 500).map(token).collect();
        set.apply(&more, "8-0a");
        expected.apply(&more, "8-0a");
        prop_assert_eq!(entries(&set), entries(&expected));
    }
}
