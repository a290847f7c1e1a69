//! The set beside a map that is obviously right.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{super::testing::entry, *};
use crate::{Digests, Kind};

/// Identifiers, seconds and moments of [`entry`] are below this.
const NAMES: u8 = 8;

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<Entry>),
    Sweep(u64),
    /// Many tokens at once, so that shards grow between the steps.
    Flood(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec(entry(), 0..40).prop_map(Step::Apply),
        2 => (0..60_u64).prop_map(Step::Sweep),
        1 => (0..3000_u32).prop_map(Step::Flood),
    ]
}

#[derive(Default)]
struct Model(HashMap<(Kind, TokenId), Entry>);

impl Model {
    fn apply(&mut self, batch: &[Entry]) {
        for entry in batch {
            let held = self.0.entry((entry.kind(), entry.id())).or_insert(*entry);
            if value(entry) > value(held) {
                *held = *entry;
            }
        }
    }

    fn sweep(&mut self, horizon: u64) -> usize {
        let before = self.0.len();
        self.0.retain(|_, entry| match entry {
            Entry::Token { expiry, .. } => *expiry >= Expiry::Known(UnixSeconds(horizon)),
            Entry::App { .. } | Entry::Subject { .. } => true,
        });
        before - self.0.len()
    }

    fn entries(&self) -> Vec<Entry> {
        sorted(&self.0.values().copied().collect::<Vec<_>>())
    }
}

fn value(entry: &Entry) -> (Option<Expiry>, Option<UnixMillis>) {
    match *entry {
        Entry::Token { expiry, .. } => (Some(expiry), None),
        Entry::App { revoked_at, .. } | Entry::Subject { revoked_at, .. } => {
            (None, Some(revoked_at))
        }
    }
}

fn assert_same(set: &RevokedSet, model: &Model, version: &str) {
    assert_eq!(entries(set), model.entries());
    set.read(|view| {
        assert_eq!((view.len(), &**view.version()), (model.0.len(), version));
        for id in (0..NAMES).map(|name| TokenId::of(&name.to_string())) {
            let moment = |kind| model.0.get(&(kind, id)).and_then(|entry| value(entry).1);
            assert_eq!(view.has_token(id), model.0.contains_key(&(Kind::Token, id)));
            assert_eq!(view.app_revoked_at(id), moment(Kind::App));
            assert_eq!(view.subject_revoked_at(id), moment(Kind::Subject));
        }
        for entry in model.0.values().filter(|entry| entry.kind() == Kind::Token) {
            assert!(view.has_token(entry.id()));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_set_holds_what_a_map_would(steps in vec(step(), 1..20)) {
        let (set, mut model, mut digests) = (RevokedSet::new(), Model::default(), Digests::new());
        let mut version = String::new();
        for (number, step) in steps.iter().enumerate() {
            let batch = match step {
                Step::Apply(batch) => batch.clone(),
                Step::Flood(tokens) => (0..*tokens).map(token).collect(),
                Step::Sweep(horizon) => {
                    let horizon = UnixSeconds(*horizon);
                    let mut swept = Vec::new();
                    set.for_each(|entry| match entry {
                        Entry::Token { expiry, .. } if expiry < Expiry::Known(horizon) => swept.push(entry),
                        _ => (),
                    });
                    swept.iter().for_each(|entry| digests.remove(entry));
                    prop_assert_eq!(set.sweep(horizon), swept.len());
                    prop_assert_eq!(model.sweep(horizon.0), swept.len());
                    assert_same(&set, &model, &version);
                    continue;
                }
            };
            version = number.to_string();
            set.apply_observed(batch.iter().copied(), &version, |change| {
                digests.replace(change.before.as_ref(), &change.after);
            });
            model.apply(&batch);
            assert_same(&set, &model, &version);
        }
        let mut afresh = Digests::new();
        set.for_each(|entry| afresh.insert(&entry));
        prop_assert_eq!(digests, afresh);
    }

    #[test]
    fn the_order_and_the_cut_of_batches_do_not_matter(
        batch in vec(entry(), 0..40),
        order in vec(any::<Index>(), 40),
        cut: Index,
    ) {
        let whole = RevokedSet::new();
        whole.apply(&batch, "all");

        let mut shuffled = batch.clone();
        for (at, index) in order.iter().enumerate().take(batch.len()) {
            shuffled.swap(at, index.index(batch.len()));
        }
        let parts = RevokedSet::new();
        let (first, second) = shuffled.split_at(cut.index(batch.len() + 1));
        parts.apply(first, "first");
        parts.apply(second, "second");

        prop_assert_eq!(entries(&whole), entries(&parts));
    }
}
