//! A bucket's tag word: for each of its eight slots seven bits of what is in it, and eight bits that say who went on.
//!
//! ```text
//! lane i, bits 0-6   tag of slot i, 1 to 127; 0 = the slot is free
//! lane i, bit 7      a key of group i found the bucket full and went on to another one
//! ```
//!
//! So a look-up that does not find its key goes on only if its group has gone on, and one load tells both. All words of a
//! table are searched eight slots at a time, without a loop.

use super::mix::Mixed;

pub(super) const SLOTS: usize = 8;

const ONES: u64 = 0x0101_0101_0101_0101;
const TAGS: u64 = 0x7f * ONES;
const MARKS: u64 = 0x80 * ONES;

/// What a tag word knows of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    tag: u64,
    group: u32,
}

impl Tag {
    #[inline]
    pub(super) fn of(key: Mixed) -> Self {
        Self {
            tag: (key.low & 0x7f).max(1),
            group: (key.low >> 7 & 7) as u32,
        }
    }

    /// The slots that hold this tag.
    #[inline]
    pub(super) fn matches(self, word: u64) -> Slots {
        Slots::of_zeros((word & TAGS) ^ (self.tag * ONES))
    }

    /// Whether this tag's group has gone on from the bucket.
    #[inline]
    pub(super) fn went_on(self, word: u64) -> bool {
        word >> (self.group * 8 + 7) & 1 == 1
    }

    /// The word after this tag has gone on from its bucket.
    pub(super) fn go_on(self, word: u64) -> u64 {
        word | 0x80 << (self.group * 8)
    }

    /// The word after this tag has been put into `slot`, which is free.
    pub(super) fn put(self, word: u64, slot: usize) -> u64 {
        word | self.tag << (slot * 8)
    }
}

/// The first free slot of a bucket.
pub(super) fn free_slot(word: u64) -> Option<usize> {
    Slots::of_zeros(word & TAGS).next()
}

/// The slots that something is in.
pub(super) fn taken(word: u64) -> Slots {
    Slots(!Slots::of_zeros(word & TAGS).0 & MARKS)
}

/// Slots of one bucket, in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots(u64);

impl Slots {
    /// The lanes that are zero, in a word whose marks are all zero: adding cannot carry from one lane to the next.
    #[inline]
    fn of_zeros(word: u64) -> Self {
        Self(!(word + TAGS) & MARKS)
    }
}

impl Iterator for Slots {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() / 8;
        self.0 &= self.0 - 1;
        Some(slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;

    fn tag(low: u64) -> Tag {
        Tag::of(Mixed { high: 0, low })
    }

    proptest! {
        #[test]
        fn a_word_is_searched_as_lane_by_lane(word: u64, low: u64) {
            let tag = tag(low);
            let lanes = word.to_le_bytes();
            let matches: Vec<_> = tag.matches(word).collect();
            let expected: Vec<_> = (0..8).filter(|lane| u64::from(lanes[*lane] & 0x7f) == tag.tag).collect();
            prop_assert_eq!(matches, expected);
            prop_assert_eq!(free_slot(word), lanes.iter().position(|lane| lane & 0x7f == 0));
            let in_use: Vec<_> = (0..8).filter(|lane| lanes[*lane] & 0x7f != 0).collect();
            prop_assert_eq!(taken(word).collect::<Vec<_>>(), in_use);
        }

        #[test]
        fn what_was_put_is_found_and_changes_nothing_else(word: u64, free: Index, low: u64) {
            let (tag, word) = (tag(low), word & !(0x7f << (free.index(8) * 8)));
            let slot = free_slot(word).unwrap();
            let after = tag.put(word, slot);
            prop_assert!(tag.matches(after).any(|found| found == slot));
            prop_assert!(taken(after).any(|taken| taken == slot));
            prop_assert_eq!(after & !(0x7f << (slot * 8)), word & !(0x7f << (slot * 8)));
        }

        #[test]
        fn who_went_on_is_remembered_by_group(low: u64, other: u64) {
            let word = tag(low).go_on(0);
            prop_assert_eq!(tag(other).went_on(word), tag(other).group == tag(low).group);
            prop_assert_eq!(free_slot(word), Some(0));
        }
    }
}
