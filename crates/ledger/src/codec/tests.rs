use proptest::{collection::vec, prelude::*};

use rescind_revocation::Identifier;

use super::*;
use crate::tests::revocations::{a_revocation, app, doubted, subject, token};

fn encode<'a>(first: u64, entries: impl IntoIterator<Item = (u64, &'a Revocation)>) -> Vec<u8> {
    let mut group = Encoder::new(first);
    for (sequence, revocation) in entries {
        group.push(sequence, revocation);
    }
    group.finish().0
}

fn decode(first: u64, last: u64, bytes: &[u8]) -> Result<Vec<(u64, Revocation)>, CodecError> {
    let entries = super::decode(first, last, bytes)?;
    let entry = |raw: &Raw<'_>| (raw.sequence, raw.entry.revocation());
    Ok(entries.iter().map(entry).collect())
}

const UUID_TEXT: &str = "4e330dbd-75c6-4ab5-a749-b9497aa3521a";

#[test]
fn a_uuid_with_its_expiry_takes_22_bytes() {
    let revocation = token(UUID_TEXT, Expiry::Known(UnixSeconds(1_628_175_422)));
    assert_eq!(encode(7, [(7, &revocation)]).len(), 1 + 16 + 5);
}

#[test]
fn every_kind_and_spelling_is_read_back() {
    let entries = [
        token(UUID_TEXT, Expiry::Known(UnixSeconds(0))),
        token(&UUID_TEXT.to_uppercase(), Expiry::Known(Expiry::LAST_KNOWN)),
        token("é", Expiry::Unknown),
        token(&"x".repeat(Identifier::MAX_BYTES), Expiry::Never),
        app("key", 0),
        app(UUID_TEXT, u64::MAX),
        subject("someone", "USER_ID", 1_710_000_000_000),
        subject("someone", "", 1),
        doubted(app("key", 7), u64::MAX),
        doubted(subject("someone", "USER_ID", 7), 0),
    ];
    let numbered: Vec<_> = (5..).zip(entries).collect();
    let bytes = encode(5, numbered.iter().map(|(at, entry)| (*at, entry)));
    assert_eq!(decode(5, 14, &bytes), Ok(numbered));
}

#[test]
fn sequences_stay_within_the_key() {
    let revocation = app("key", 1);
    let bytes = encode(5, [(5, &revocation), (9, &revocation)]);
    assert!(decode(5, 9, &bytes).is_ok());
    assert_eq!(decode(5, 8, &bytes), Err(CodecError::Sequences));
    let bytes = encode(0, [(u64::MAX - 1, &revocation)]);
    assert_eq!(decode(2, u64::MAX, &bytes), Err(CodecError::Sequences));
}

#[test]
fn an_unknown_tag_is_named() {
    for tag in [0x03, 0x0c, 0x09, 0x0d, 0x40, 0x80] {
        assert_eq!(decode(1, 1, &[tag, 1, b'a', 1]), Err(CodecError::Tag(tag)));
    }
}

#[test]
fn an_end_that_no_other_form_can_say_is_never() {
    let beyond = token("a", Expiry::Known(UnixSeconds(Expiry::LAST_KNOWN.0 + 1)));
    let bytes = encode(1, [(1, &beyond)]);
    assert_eq!(
        decode(1, 1, &bytes),
        Ok(vec![(1, token("a", Expiry::Never))])
    );
}

#[test]
fn what_stands_in_memory_is_an_entry_without_its_gap() {
    let revocation = subject(UUID_TEXT, "USER_ID", 9);
    let bytes = encode(5, [(9, &revocation)]);
    let entries = super::decode(5, 9, &bytes).unwrap();
    let mut memory = Vec::new();
    entries[0].put(&mut memory);
    memory.push(0xff);
    let (entry, length) = get_entry(&memory).unwrap();
    assert_eq!((entry.revocation(), length), (revocation, bytes.len() - 1));
    let mut again = Encoder::new(5);
    again.push_bytes(9, &memory[..length]);
    assert_eq!(again.finish(), (bytes, 1));
}

#[test]
fn a_number_has_64_bits() {
    let bytes = [&[1, 1, b'a'][..], &[0xff; 9], &[2]].concat();
    assert_eq!(decode(1, 1, &bytes), Err(CodecError::Number));
    let bytes = [&[1, 1, b'a'][..], &[0xff; 9], &[1]].concat();
    assert_eq!(decode(1, 1, &bytes), Ok(vec![(1, app("a", u64::MAX))]));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        entries in vec((0..1000u64, a_revocation()), 1..40),
        first in 1..u64::MAX / 2,
    ) {
        let mut next = first;
        let numbered: Vec<_> = entries
            .into_iter()
            .map(|(gap, revocation)| {
                let sequence = next + gap;
                next = sequence + 1;
                (sequence, revocation)
            })
            .collect();
        let bytes = encode(first, numbered.iter().map(|(at, entry)| (*at, entry)));
        prop_assert_eq!(decode(first, next - 1, &bytes), Ok(numbered));
    }

    #[test]
    fn every_cut_is_an_error_or_a_shorter_group(entry in a_revocation(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(1, [(1, &entry)]);
        let cut = cut.index(bytes.len());
        let decoded = decode(1, 1, &bytes[..cut]);
        prop_assert!(decoded.is_err() || cut == 0);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(1, u64::MAX, &bytes);
    }
}
