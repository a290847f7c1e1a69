//! Builders and generators of revocations.

use proptest::prelude::*;
use rescind_revocation::{Expiry, Identifier, Revocation, UnixMillis, UnixSeconds};

pub(crate) fn token(identifier: &str, expiry: Expiry) -> Revocation {
    Revocation::Token {
        identifier: Identifier::new(identifier).unwrap(),
        expiry,
    }
}

/// A token with a known expiry.
pub(crate) fn known(identifier: &str, seconds: u64) -> Revocation {
    token(identifier, Expiry::Known(UnixSeconds(seconds)))
}

pub(crate) fn app(consumer_key: &str, revoked_at: u64) -> Revocation {
    Revocation::App {
        consumer_key: Identifier::new(consumer_key).unwrap(),
        revoked_at: UnixMillis(revoked_at),
        disbelieved: None,
    }
}

pub(crate) fn subject(entity_id: &str, entity_type: &str, revoked_at: u64) -> Revocation {
    Revocation::Subject {
        entity_id: Identifier::new(entity_id).unwrap(),
        entity_type: entity_type.into(),
        revoked_at: UnixMillis(revoked_at),
        disbelieved: None,
    }
}

/// The same, once another moment was sent for it and not believed.
pub(crate) fn doubted(revocation: Revocation, moment: u64) -> Revocation {
    let mut doubted = revocation;
    if let Revocation::App { disbelieved, .. } | Revocation::Subject { disbelieved, .. } =
        &mut doubted
    {
        *disbelieved = Some(UnixMillis(moment));
    }
    doubted
}

fn an_identifier() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u128>().prop_map(|bits| uuid(bits, '-')),
        any::<u128>().prop_map(|bits| uuid(bits, '_')),
        "\\PC{1,40}",
        "[a-c]",
    ]
}

fn uuid(bits: u128, separator: char) -> String {
    let digits = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join(&separator.to_string())
}

fn an_expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        (0..4u64).prop_map(|seconds| Expiry::Known(UnixSeconds(seconds))),
        (0..2400u64).prop_map(|seconds| Expiry::Known(UnixSeconds(seconds))),
        any::<u32>().prop_map(|seconds| Expiry::Known(UnixSeconds(seconds.into())).capped()),
        Just(Expiry::Unknown),
        Just(Expiry::Never),
    ]
}

/// Any revocation; a few identifiers and times come often, so that they meet each other.
pub(crate) fn a_revocation() -> impl Strategy<Value = Revocation> {
    let moment = || prop_oneof![0..4u64, any::<u64>()];
    prop_oneof![
        (an_identifier(), an_expiry()).prop_map(|(id, expiry)| token(&id, expiry)),
        (an_identifier(), moment()).prop_map(|(key, at)| app(&key, at)),
        (an_identifier(), "[A-Z_]{0,9}", moment())
            .prop_map(|(id, kind, at)| subject(&id, &kind, at)),
        (an_identifier(), moment(), moment())
            .prop_map(|(key, at, moment)| doubted(app(&key, at), moment)),
    ]
}
