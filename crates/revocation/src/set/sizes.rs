//! How large a shard is made.
//!
//! Shards are filled to 98.4 % and grow in small steps: there is hardly a free slot, and since only one shard of many grows
//! at a time, neither memory nor the time of a batch jumps.

use super::tags::SLOTS;

/// From this many buckets on a shard grows by a tenth, before by a half.
const FINE: usize = 64;

/// One slot of so many stays free.
const SPARE: usize = 64;

/// How many keys go into so many buckets. At least one slot stays free.
pub(super) fn room(buckets: usize) -> usize {
    let slots = buckets * SLOTS;
    slots - (slots / SPARE).max(1)
}

/// The number of buckets after `buckets`.
pub(super) fn next(buckets: usize) -> usize {
    let step = if buckets < FINE { 2 } else { 10 };
    prime_from(buckets + (buckets / step).max(1))
}

/// The number of buckets for so many keys and a few more.
pub(super) fn fitting(keys: usize) -> usize {
    let full = keys.saturating_mul(SPARE) / (SLOTS * (SPARE - 1));
    prime_from(full + full / 64 + 1)
}

/// The smallest prime that is not below `from`. One counts as prime: all of its steps lead through all of it.
fn prime_from(from: usize) -> usize {
    (from..)
        .find(|candidate| is_prime(*candidate))
        .unwrap_or(from)
}

fn is_prime(number: usize) -> bool {
    (2..)
        .take_while(|factor| factor * factor <= number)
        .all(|factor| !number.is_multiple_of(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_always_keeps_a_free_slot_and_always_grows() {
        let mut buckets = 1;
        while buckets < 1_000_000 {
            assert!(room(buckets) < buckets * SLOTS);
            let next = next(buckets);
            assert!(room(next) > room(buckets) && is_prime(next), "{buckets}");
            assert!(buckets < FINE || next <= buckets + buckets / 10 + 100);
            buckets = next;
        }
    }

    #[test]
    fn what_fits_has_room_and_not_much_more() {
        for keys in (0..3000).chain((3000..200_000).step_by(997)) {
            let buckets = fitting(keys);
            assert!(room(buckets) >= keys, "{keys}");
            assert!(keys < 5000 || room(buckets) < keys + keys / 20, "{keys}");
        }
    }

    #[test]
    fn primes_are_found() {
        let primes: Vec<_> = (2..30).filter(|number| is_prime(*number)).collect();
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert_eq!([1, 8, 14].map(prime_from), [1, 11, 17]);
    }
}
