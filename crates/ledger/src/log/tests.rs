use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::tests::revocations::{a_revocation, known};

fn sequences(log: &Log, after: u64, to: u64) -> Vec<u64> {
    log.range(after, to).map(|(sequence, _)| sequence).collect()
}

#[test]
fn a_range_runs_over_the_ends_of_windows() {
    let mut log = Log::default();
    for sequence in [1, 65_535, 65_536, 65_537, 1 << 40] {
        log.push(sequence, &known(&sequence.to_string(), 1));
    }
    assert_eq!(
        sequences(&log, 0, u64::MAX),
        [1, 65_535, 65_536, 65_537, 1 << 40]
    );
    assert_eq!(sequences(&log, 1, 65_536), [65_535, 65_536]);
    assert_eq!(sequences(&log, 65_535, 65_536), [65_536]);
    assert_eq!(sequences(&log, 65_537, (1 << 40) - 1), [0; 0]);
    for (after, to) in [(5, 4), (65_537, 65_537), (u64::MAX, u64::MAX)] {
        assert_eq!(sequences(&log, after, to), [0; 0]);
    }
}

#[test]
fn streams_share_their_cuts_wherever_they_begin() {
    let mut log = Log::default();
    for sequence in 1..=200_000 {
        log.push(sequence, &known(&sequence.to_string(), 1));
    }
    let limit = 65_536;
    for (after, cut) in [
        (0, 65_535),
        (1_000, 65_535),
        (65_534, 65_535),
        (65_535, 131_071),
        (150_000, u64::MAX),
    ] {
        assert_eq!(log.cut(after, limit), Some(cut), "{after}");
    }
    assert_eq!(log.cut(0, 60_000), None);
    // Thinned neighbours go together.
    for sequence in 1..=100_000 {
        log.remove(sequence);
    }
    assert_eq!(log.cut(0, 97_000), Some(196_607));
    assert_eq!(log.cut(0, limit), Some(131_071));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_holds_what_a_map_would_hold(
        pushed in vec((prop_oneof![Just(1u64), 1..40_000u64], a_revocation(), any::<prop::sample::Index>()), 1..150),
    ) {
        let mut log = Log::default();
        let mut model: BTreeMap<u64, Revocation> = BTreeMap::new();
        let mut sequence = 0;
        for (gap, revocation, victim) in pushed {
            sequence += gap;
            let superseded = log.push(sequence, &revocation);
            let same = |held: &&Revocation| {
                (held.kind(), held.identifier()) == (revocation.kind(), revocation.identifier())
            };
            let before = model.iter().find(|(_, held)| same(held)).map(|(at, _)| *at);
            prop_assert_eq!(superseded.map(|superseded| superseded.sequence), before);
            if let Some(before) = before {
                model.remove(&before);
            }
            model.insert(sequence, revocation);
            if sequence % 3 == 0 {
                let keys: Vec<u64> = model.keys().copied().collect();
                let victim = keys[victim.index(keys.len())];
                let entry = model.remove(&victim).map(|held| held.entry());
                prop_assert_eq!(log.remove(victim), entry);
                prop_assert_eq!(log.remove(victim), None);
            }
        }
        prop_assert_eq!(log.len(), model.len());
        let held: Vec<_> = log.range(0, u64::MAX).map(|(at, entry)| (at, entry.revocation())).collect();
        prop_assert_eq!(held, Vec::from_iter(model.clone()));
        for (at, revocation) in &model {
            let key = (revocation.kind(), revocation.identifier().id());
            prop_assert_eq!(log.find(key).map(|(at, _)| at), Some(*at));
        }
        let middle = sequence / 2;
        prop_assert_eq!(log.count(0, middle), model.range(..=middle).count());
        prop_assert_eq!(log.count(middle, sequence), model.range(middle + 1..).count());
    }
}
