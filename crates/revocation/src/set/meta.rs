//! A slot's meta word: since when its key is in the set, and until when it matters.
//!
//! ```text
//! 0 ... 0xFEFFFFFF           in the set; expires at this second
//! 0xFF000000 + 2 i + parity  in the set from the batch on whose sequence has this parity; the i-th pending of its shard
//! 0xFFFFFFFD                 the slot is free
//! 0xFFFFFFFE                 in the set; expiry unknown
//! 0xFFFFFFFF                 in the set; never expires
//! ```
//!
//! Settled words are ordered as expiries are, so of two the greater stays.

use crate::{Expiry, UnixSeconds};

const FIRST_PENDING: u32 = 0xff00_0000;

/// The word of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Meta(pub(super) u32);

impl Meta {
    pub(super) const FREE: Self = Self(0xffff_fffd);
    const UNKNOWN: Self = Self(0xffff_fffe);
    const NEVER: Self = Self(0xffff_ffff);

    pub(super) fn settled(expiry: Expiry) -> Self {
        match expiry.capped() {
            Expiry::Known(UnixSeconds(at)) => u32::try_from(at).map_or(Self::NEVER, Self),
            Expiry::Unknown => Self::UNKNOWN,
            Expiry::Never => Self::NEVER,
        }
    }

    /// The word of the `index`-th key that the batch with this sequence brings into its shard.
    pub(super) fn pending(index: usize, sequence: u64) -> Self {
        Self(FIRST_PENDING + 2 * index as u32 + (sequence & 1) as u32)
    }

    /// Whether a reader of the version with this sequence finds the key.
    #[inline]
    pub(super) fn is_visible(self, sequence: u64) -> bool {
        if self.0 < FIRST_PENDING || self >= Self::UNKNOWN {
            return true;
        }
        // Only the newest published batch and the next one can be pending, and their parities differ.
        self != Self::FREE && u64::from(self.0 & 1) == sequence & 1
    }

    /// The place in its shard's list, of a pending key.
    pub(super) fn pending_index(self) -> Option<usize> {
        let is_pending = self.0 >= FIRST_PENDING && self < Self::FREE;
        is_pending.then(|| (self.0 - FIRST_PENDING) as usize / 2)
    }

    /// The expiry, of a settled word.
    pub(super) fn expiry(self) -> Expiry {
        match self {
            Self::UNKNOWN => Expiry::Unknown,
            Self::NEVER => Expiry::Never,
            Self(at) => Expiry::Known(UnixSeconds(at.into())),
        }
    }

    pub(super) fn expires_before(self, horizon: UnixSeconds) -> bool {
        self.0 < FIRST_PENDING && u64::from(self.0) < horizon.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::set::part::MOST_PENDING;

    #[test]
    fn a_free_slot_is_visible_to_nobody() {
        assert!(!Meta::FREE.is_visible(0) && !Meta::FREE.is_visible(1));
        assert_eq!(Meta::FREE.pending_index(), None);
    }

    #[test]
    fn a_pending_key_is_visible_from_its_batch_on_and_not_before() {
        for index in [0, 1, MOST_PENDING - 1] {
            for sequence in [4, 5] {
                let meta = Meta::pending(index, sequence);
                assert!(meta.is_visible(sequence) && !meta.is_visible(sequence - 1));
                assert_eq!(meta.pending_index(), Some(index));
                assert!(!meta.expires_before(UnixSeconds(u64::MAX)));
            }
        }
    }

    fn expiry() -> impl Strategy<Value = Expiry> {
        let last = Expiry::LAST_KNOWN.0;
        prop_oneof![
            (0..=last).prop_map(|at| Expiry::Known(UnixSeconds(at))),
            (last - 5..=last).prop_map(|at| Expiry::Known(UnixSeconds(at))),
            Just(Expiry::Unknown),
            Just(Expiry::Never),
        ]
    }

    proptest! {
        #[test]
        fn a_settled_word_is_its_expiry_in_the_same_order(one in expiry(), other in expiry(), sequence: u64) {
            let meta = Meta::settled(one);
            prop_assert_eq!(meta.expiry(), one);
            prop_assert!(meta.is_visible(sequence));
            prop_assert_eq!(meta.pending_index(), None);
            prop_assert_eq!(meta.cmp(&Meta::settled(other)), one.cmp(&other));
        }

        #[test]
        fn only_a_known_end_is_before_a_horizon(one in expiry(), horizon: u32) {
            let horizon = UnixSeconds(horizon.into());
            prop_assert_eq!(Meta::settled(one).expires_before(horizon), one < Expiry::Known(horizon));
        }
    }
}
