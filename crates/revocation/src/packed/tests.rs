use proptest::{collection::vec, prelude::*};

use super::*;
use crate::set::testing::entry;

const UUID: &str = "4e330dbd-75c6-4ab5-a749-b9497aa3521a";

fn token(expiry: Expiry) -> Entry {
    Entry::Token {
        id: TokenId::of(UUID),
        expiry,
    }
}

fn known(at: u64) -> Expiry {
    Expiry::Known(UnixSeconds(at))
}

/// The bytes of one section, by the module's description of them.
fn section(kind: u8, count: u32, rest: &[u8]) -> Vec<u8> {
    [&[kind][..], &count.to_be_bytes(), rest].concat()
}

#[test]
fn nothing_is_packed_as_nothing() {
    assert_eq!(encode([]), b"");
    assert_eq!(decode(b"", BASE), Ok(vec![]));
}

#[test]
fn a_token_is_its_identifier_and_its_second() {
    let id = TokenId::of(UUID).as_u128().to_be_bytes();
    let bytes = section(1, 1, &[&id[..], &0x1234_5678_u32.to_be_bytes()].concat());
    assert_eq!(encode([&token(known(0x1234_5678))]), bytes);
    assert_eq!(decode(&bytes, BASE), Ok(vec![token(known(0x1234_5678))]));
    assert_eq!(
        decode(&bytes, UnixSeconds(2)),
        Ok(vec![token(known(0x1234_567a))])
    );
}

#[test]
fn identifiers_stand_together_and_values_stand_together() {
    let entries = [(1, 3), (2, 4)].map(|(id, revoked_at)| Entry::App {
        id: TokenId::from_u128(id),
        revoked_at: UnixMillis(revoked_at),
    });
    let column = |numbers: [u128; 2]| numbers.map(u128::to_be_bytes).concat();
    let values = [3_u64, 4].map(u64::to_be_bytes).concat();
    let bytes = section(2, 2, &[column([1, 2]), values].concat());
    assert_eq!(encode(&entries), bytes);
    assert_eq!(decode(&bytes, BASE), Ok(entries.to_vec()));
}

#[test]
fn a_million_tokens_take_20_bytes_each() {
    let entries: Vec<_> = (0..1_000_000)
        .map(|n| Entry::Token {
            id: TokenId::from_u128(n << 64),
            expiry: known(1_700_000_000),
        })
        .collect();
    assert_eq!(encode(&entries).len(), 20_000_005);
}

#[test]
fn an_end_beyond_the_last_known_is_never() {
    for (value, base, expiry) in [
        (u32::MAX, 0, Expiry::Never),
        (u32::MAX - 1, 0, Expiry::Unknown),
        (u32::MAX - 1, u64::MAX, Expiry::Unknown),
        (u32::MAX - 2, 0, Expiry::Never),
        (0xfeff_ffff, 0, known(Expiry::LAST_KNOWN.0)),
        (0xfeff_ffff, 1, Expiry::Never),
        (0xff00_0000, 0, Expiry::Never),
        (5, u64::MAX, Expiry::Never),
    ] {
        let id = TokenId::of(UUID).as_u128().to_be_bytes();
        let bytes = section(1, 1, &[&id[..], &value.to_be_bytes()].concat());
        let decoded = decode(&bytes, UnixSeconds(base));
        assert_eq!(decoded, Ok(vec![token(expiry)]), "{value:#x} from {base}");
    }
    let beyond = [token(known(Expiry::LAST_KNOWN.0 + 1))];
    assert_eq!(
        decode(&encode(&beyond), BASE),
        Ok(vec![token(Expiry::Never)])
    );
}

#[test]
fn what_is_not_packed_is_refused_with_its_offset() {
    let good = encode([&token(Expiry::Never)]);
    let after = |tail: &[u8]| [&good[..], tail].concat();
    let offset = 25;
    let truncated = |needed, left| PackedError::Truncated {
        offset,
        needed,
        left,
    };
    for (bytes, error) in [
        (after(&[1]), truncated(5, 1)),
        (after(&[0, 0, 0, 0]), truncated(5, 4)),
        (after(&section(1, 0, &[])), PackedError::Empty { offset }),
        (after(&section(1, 1, &[0; 19])), truncated(25, 24)),
        (after(&section(3, 2, &[0; 47])), truncated(53, 52)),
        (
            after(&section(2, u32::MAX, &[0; 64])),
            truncated(5 + u64::from(u32::MAX) * 24, 69),
        ),
        (
            after(&section(0, 1, &[0; 24])),
            PackedError::UnknownKind { kind: 0, offset },
        ),
        (
            after(&section(4, 1, &[0; 16])),
            PackedError::UnknownKind { kind: 4, offset },
        ),
        (
            after(&section(255, 1, &[0; 24])),
            PackedError::UnknownKind { kind: 255, offset },
        ),
    ] {
        assert_eq!(decode(&bytes, BASE), Err(error), "{bytes:02x?}");
    }
    assert_eq!(
        truncated(25, 24).to_string(),
        "section at offset 25 takes 25 bytes, but 24 are left"
    );
}

#[test]
fn fifty_thousand_mutations_never_panic_and_never_grow() {
    let entries: Vec<_> = (0..12_u64)
        .map(|n| match n % 3 {
            0 => token(known(n)),
            1 => Entry::App {
                id: TokenId::from_u128(n.into()),
                revoked_at: UnixMillis(n),
            },
            _ => Entry::Subject {
                id: TokenId::from_u128(n.into()),
                revoked_at: UnixMillis(n),
            },
        })
        .collect();
    let good = encode(&entries);
    let mut random = fastrand_like(0x5eed);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..50_000 {
        let bytes = mutated(&good, &mut random);
        match decode(&bytes, UnixSeconds(random())) {
            // No entry comes from nothing: each took at least 20 bytes.
            Ok(entries) => {
                taken += 1;
                assert!(entries.len() * 20 <= bytes.len());
            }
            Err(
                PackedError::UnknownKind { offset, .. }
                | PackedError::Truncated { offset, .. }
                | PackedError::Empty { offset },
            ) => {
                refused += 1;
                assert!(offset < bytes.len());
            }
        }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
}

/// One to four edits: a byte changed, bytes cut off, bytes doubled, a section's header overwritten.
fn mutated(good: &[u8], random: &mut impl FnMut() -> u64) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random() % 4 {
        let at = random() as usize % bytes.len().max(1);
        match random() % 4 {
            0 if !bytes.is_empty() => bytes[at] = random() as u8,
            1 => bytes.truncate(at),
            2 => bytes.extend_from_within(at..),
            _ => {
                let header = [
                    random() as u8 % 5,
                    0,
                    0,
                    random() as u8 % 2,
                    random() as u8 % 5,
                ];
                bytes.splice(at..(at + 5).min(bytes.len()), header);
            }
        }
    }
    bytes
}

/// Numbers that are the same in each run (xorshift64).
fn fastrand_like(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn by_kind(entries: &[Entry]) -> Vec<Entry> {
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(Entry::kind);
    sorted
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(entries in vec(entry(), 0..60)) {
        let bytes = encode(&entries);
        prop_assert_eq!(decode(&bytes, BASE), Ok(by_kind(&entries)));
        let packed = Packed::parse(&bytes, BASE).unwrap();
        prop_assert_eq!(packed.len(), entries.len());
        prop_assert_eq!(packed.iter().collect::<Vec<_>>(), by_kind(&entries));
    }

    #[test]
    fn joined_bytes_are_joined_ranges(left in vec(entry(), 0..20), right in vec(entry(), 0..20)) {
        let bytes = [encode(&left), encode(&right)].concat();
        let expected = [by_kind(&left), by_kind(&right)].concat();
        prop_assert_eq!(decode(&bytes, BASE), Ok(expected));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..200), base: u64) {
        let _ = decode(&bytes, UnixSeconds(base));
    }
}
