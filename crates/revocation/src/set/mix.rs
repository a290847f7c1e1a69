//! Where an identifier stands in the table: a keyed bijection on its 128 bits.
//!
//! Being a bijection it keeps the set exact: two identifiers never become one. Being keyed, with a key that each process
//! draws for itself, it keeps whoever chooses identifiers from piling them up in one place. It is a Feistel network of
//! four rounds, each a multiplication folded to 64 bits; it hides nothing and need not.

use std::{fmt, hash::BuildHasher};

use crate::TokenId;

/// An identifier's bits after mixing: any of them are as good as random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mixed {
    pub(super) high: u64,
    pub(super) low: u64,
}

/// The bijection, with its key.
#[derive(Clone, Copy)]
pub(super) struct Mixer {
    keys: [u64; 4],
    factor: u64,
}

impl fmt::Debug for Mixer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mixer").finish_non_exhaustive()
    }
}

impl Mixer {
    /// A bijection with a new random key.
    pub(super) fn new() -> Self {
        if cfg!(feature = "loom") {
            // A model is run again and again, and has to take the same way each time.
            return Self::with_keys([1, 2, 3, 4, 5]);
        }
        let random = std::hash::RandomState::new();
        Self::with_keys(std::array::from_fn(|round| random.hash_one(round)))
    }

    pub(super) fn with_keys([a, b, c, d, factor]: [u64; 5]) -> Self {
        Self {
            keys: [a, b, c, d],
            factor: factor | 1,
        }
    }

    /// What [`with_keys`](Self::with_keys) makes the same bijection of.
    pub(super) fn keys(&self) -> [u64; 5] {
        let [a, b, c, d] = self.keys;
        [a, b, c, d, self.factor]
    }

    #[inline]
    pub(super) fn mix(&self, id: TokenId) -> Mixed {
        let [mut high, mut low] = halves(id.as_u128());
        let [a, b, c, d] = self.keys;
        high ^= self.round(low, a);
        low ^= self.round(high, b);
        high ^= self.round(low, c);
        low ^= self.round(high, d);
        Mixed { high, low }
    }

    /// The identifier that was mixed.
    pub(super) fn unmix(&self, Mixed { mut high, mut low }: Mixed) -> TokenId {
        let [a, b, c, d] = self.keys;
        low ^= self.round(high, d);
        high ^= self.round(low, c);
        low ^= self.round(high, b);
        high ^= self.round(low, a);
        TokenId::from_u128(u128::from(high) << 64 | u128::from(low))
    }

    #[inline]
    fn round(&self, half: u64, key: u64) -> u64 {
        let product = u128::from(half ^ key) * u128::from(self.factor ^ key.rotate_left(32));
        let [high, low] = halves(product);
        high ^ low
    }
}

#[inline]
fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_mixer_has_its_own_key() {
        let id = TokenId::from_u128(1);
        assert_ne!(Mixer::new().mix(id), Mixer::new().mix(id));
    }

    #[test]
    fn neighbours_are_spread_over_all_bits() {
        let mixer = Mixer::new();
        for part in [
            |mixed: Mixed| mixed.high >> 57,
            |mixed: Mixed| mixed.low & 127,
        ] {
            let mut counts = [0_u32; 128];
            for n in 0..128_000 {
                counts[part(mixer.mix(TokenId::from_u128(n))) as usize] += 1;
            }
            // 1000 expected in each, with a standard deviation of 32.
            assert!(counts.iter().all(|count| (750..1250).contains(count)));
        }
    }

    proptest! {
        #[test]
        fn mixing_is_undone(bits: u128, keys: [u64; 5]) {
            let mixer = Mixer::with_keys(keys);
            let id = TokenId::from_u128(bits);
            prop_assert_eq!(mixer.unmix(mixer.mix(id)), id);
        }

        #[test]
        fn two_identifiers_never_become_one(one: u128, bit in 0..128_u32) {
            let mixer = Mixer::new();
            let other = one ^ 1 << bit;
            prop_assert_ne!(mixer.mix(TokenId::from_u128(one)), mixer.mix(TokenId::from_u128(other)));
        }
    }
}
