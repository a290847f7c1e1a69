use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{TokenId, UnixMillis, set::testing::entry};

fn token(name: u32, expiry: Expiry) -> Entry {
    Entry::Token {
        id: TokenId::of(&name.to_string()),
        expiry,
    }
}

fn known(at: u64) -> Expiry {
    Expiry::Known(UnixSeconds(at))
}

/// The digest of `entries` by definition: the sum of their hashes.
fn sum<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Digest {
    entries
        .into_iter()
        .fold(Digest::default(), |sum, entry| sum.plus(Digest::of(entry)))
}

#[test]
fn the_digest_of_an_entry_is_the_first_half_of_the_sha_256_of_its_26_bytes() {
    let entry = Entry::Token {
        id: TokenId::from_u128(1),
        expiry: known(2),
    };
    let mut bytes = [0; 26];
    bytes[9] = 2;
    bytes[25] = 1;
    let hash = digest(&SHA256, &bytes);
    assert_eq!(Digest::of(&entry).to_bytes(), hash.as_ref()[..16]);
    // So that another implementation can check itself against a number.
    assert_eq!(
        Digest::of(&entry).to_string(),
        "6012136fc47abe03c3712910cdb4f645"
    );
}

#[test]
fn kind_identifier_and_expiry_all_count() {
    let id = TokenId::of("a");
    let revoked_at = UnixMillis(5);
    let all = [
        token(1, known(5)),
        token(2, known(5)),
        token(1, known(6)),
        token(1, Expiry::Unknown),
        token(1, Expiry::Never),
        Entry::Token {
            id,
            expiry: known(5),
        },
        Entry::App { id, revoked_at },
        Entry::Subject { id, revoked_at },
        Entry::Subject {
            id,
            revoked_at: UnixMillis(6),
        },
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[..at] {
            assert_ne!(Digest::of(one), Digest::of(other), "{one:?} {other:?}");
        }
    }
}

#[test]
fn an_end_that_the_wire_cannot_say_counts_as_never() {
    assert_eq!(
        Digest::of(&token(1, known(1 << 33))),
        Digest::of(&token(1, Expiry::Never))
    );
}

#[test]
fn a_digest_is_read_back_from_its_text_and_from_nothing_else() {
    let digest = Digest::of(&token(1, Expiry::Never));
    assert_eq!(digest.to_string().parse(), Ok(digest));
    assert_eq!(Digest::from_bytes(digest.to_bytes()), digest);
    let text = "00000000000000000000000000000001";
    assert_eq!(text.parse(), Ok(Digest(1)));
    for text in [
        "",
        "1",
        &text[1..],
        &format!("{text}0"),
        &text.replace("00000001", "+0000001"),
        &text.replace('1', "A"),
    ] {
        assert_eq!(text.parse::<Digest>(), Err(DigestError), "{text}");
    }
}

#[test]
fn a_checkpoint_counts_the_buckets_from_its_horizon_and_what_never_expires() {
    let (early, late) = (token(1, known(1199)), token(2, known(1200)));
    let always = [
        token(3, Expiry::Unknown),
        token(4, Expiry::Never),
        Entry::App {
            id: TokenId::of("app"),
            revoked_at: UnixMillis(1),
        },
    ];
    let mut digests = Digests::new();
    for entry in always.iter().chain([&early, &late]) {
        digests.insert(entry);
    }
    let all = sum(always.iter().chain([&early, &late]));
    assert_eq!(digests.from(UnixSeconds(0)), (all, 5));
    assert_eq!(digests.from(UnixSeconds(600)), (all, 5));
    assert_eq!(digests.from(UnixSeconds(1199)), (all, 5));
    let without = sum(always.iter().chain([&late]));
    assert_eq!(digests.from(UnixSeconds(1200)), (without, 4));
    assert_eq!(digests.from(UnixSeconds(u64::MAX)), (sum(&always), 3));

    assert_eq!(digests.drop_before(UnixSeconds(1199)), 0);
    assert_eq!(digests.drop_before(UnixSeconds(1200)), 1);
    assert_eq!(digests.from(UnixSeconds(0)), (without, 4));
    digests.remove(&early);
    assert_eq!(digests.from(UnixSeconds(0)), (without, 4));
}

#[test]
fn a_horizon_is_the_boundary_before_it() {
    for (at, boundary) in [(0, 0), (599, 0), (600, 600), (1799, 1200)] {
        assert_eq!(Digests::boundary(UnixSeconds(at)), UnixSeconds(boundary));
    }
}

proptest! {
    #[test]
    fn order_and_detours_do_not_matter(entries in vec(entry(), 0..30), detours in vec(entry(), 0..30)) {
        let mut straight = Digests::new();
        entries.iter().for_each(|entry| straight.insert(entry));

        let mut other = Digests::new();
        detours.iter().for_each(|entry| other.insert(entry));
        entries.iter().rev().for_each(|entry| other.insert(entry));
        detours.iter().for_each(|entry| other.remove(entry));

        prop_assert_eq!(&straight, &other);
        prop_assert_eq!(straight.from(UnixSeconds(0)), (sum(&entries), entries.len() as u64));
    }

    #[test]
    fn a_change_is_a_removal_and_an_insertion(before in entry(), after in entry()) {
        let mut digests = Digests::new();
        digests.replace(None, &before);
        digests.replace(Some(&before), &after);
        prop_assert_eq!(digests.from(UnixSeconds(0)), (Digest::of(&after), 1));
    }
}
