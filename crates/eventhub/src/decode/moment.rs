//! The two moments that the control plane sends, which it does in more than one unit and not always rightly.

use rescind_revocation::{Expiry, UnixMillis, UnixSeconds};

use super::{Received, Scalar};

/// A number below this counts seconds, from this on milliseconds: as seconds it is the year 5138, as milliseconds 1973.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;

/// How far clocks may differ, in milliseconds, before a moment is not believed.
const ALLOWANCE: u64 = 5 * 60 * 1000;

/// The expiry of a row of the list: seconds or milliseconds, rounded up to whole seconds; i64::MAX is never, and so is what
/// no form of an entry can say; absent, zero, negative and unreadable are unknown.
pub(crate) fn expiry(value: &Scalar) -> Expiry {
    match value.as_integer() {
        Some(i64::MAX) => Expiry::Never,
        Some(number @ 1..) => Expiry::Known(UnixSeconds(seconds(number.unsigned_abs()))).capped(),
        _ => Expiry::Unknown,
    }
}

/// The expiry of a live event. One that had expired before it came by more than the allowance, by either clock, is not
/// believed: real control planes send bogus ones, above all for tokens that never expire.
pub(super) fn live_expiry(value: &Scalar, received: Received) -> Expiry {
    let earliest = received.earliest().0;
    match expiry(value) {
        Expiry::Known(at) if UnixMillis::from(at).0.saturating_add(ALLOWANCE) < earliest => {
            Expiry::Unknown
        }
        expiry => expiry,
    }
}

/// When an application or a subject was revoked, and what was sent for it where that is not believed. What is absent, zero,
/// negative or unreadable, or lies beyond both clocks by more than the allowance, counts as the moment of its receipt: one
/// bogus event must not refuse an application for ever.
pub(crate) fn revoked_at(value: &Scalar, received: Received) -> (UnixMillis, Option<UnixMillis>) {
    let latest = received.latest();
    let sent = match value.as_integer() {
        Some(number @ 1..) => milliseconds(number.unsigned_abs()),
        _ => 0,
    };
    if sent == 0 || sent > latest.0.saturating_add(ALLOWANCE) {
        (latest, Some(UnixMillis(sent)))
    } else {
        (UnixMillis(sent), None)
    }
}

fn seconds(number: u64) -> u64 {
    if number < FIRST_MILLISECONDS {
        number
    } else {
        number.div_ceil(1000)
    }
}

fn milliseconds(number: u64) -> u64 {
    if number < FIRST_MILLISECONDS {
        number * 1000
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_710_000_000_000);

    const LAST: i64 = Expiry::LAST_KNOWN.0.cast_signed();

    fn known(seconds: u64) -> Expiry {
        Expiry::Known(UnixSeconds(seconds))
    }

    #[test]
    fn seconds_and_milliseconds_are_told_apart() {
        for (number, expected) in [
            (1, known(1)),
            (1_628_175_421, known(1_628_175_421)),
            (99_999_999_999, Expiry::Never),
            (100_000_000_000, known(100_000_000)),
            (1_628_175_421_000, known(1_628_175_421)),
            (1_628_175_421_001, known(1_628_175_422)),
            (LAST, known(LAST.unsigned_abs())),
            (LAST + 1, Expiry::Never),
            (LAST * 1000, known(LAST.unsigned_abs())),
            (LAST * 1000 + 1, Expiry::Never),
            (i64::MAX - 1, Expiry::Never),
            (i64::MAX, Expiry::Never),
            (0, Expiry::Unknown),
            (-1, Expiry::Unknown),
            (i64::MIN, Expiry::Unknown),
        ] {
            assert_eq!(expiry(&Scalar::Integer(number)), expected, "{number}");
            assert_eq!(expiry(&Scalar::Text(number.to_string().into())), expected);
        }
    }

    #[test]
    fn an_expiry_that_cannot_be_read_is_unknown() {
        for value in [Scalar::Absent, Scalar::Other, Scalar::Text("soon".into())] {
            assert_eq!(expiry(&value), Expiry::Unknown, "{value:?}");
        }
    }

    #[test]
    fn a_live_event_that_was_long_expired_is_not_believed() {
        let at = |number| live_expiry(&Scalar::Integer(number), NOW.into());
        assert_eq!(at(1_709_999_699_000), Expiry::Unknown);
        assert_eq!(at(1_709_999_700_000), known(1_709_999_700));
        assert_eq!(at(1_709_999_699), Expiry::Unknown);
        assert_eq!(at(3600), Expiry::Unknown);
        assert_eq!(at(1_710_003_600_000), known(1_710_003_600));
        assert_eq!(at(i64::MAX), Expiry::Never);
    }

    #[test]
    fn a_moment_of_revocation_that_cannot_be_is_the_moment_of_receipt() {
        let at = |value| revoked_at(&value, NOW.into());
        for (value, sent) in [
            (Scalar::Absent, 0),
            (Scalar::Other, 0),
            (Scalar::Text("yesterday".into()), 0),
            (Scalar::Integer(0), 0),
            (Scalar::Integer(-5), 0),
            (Scalar::Integer(1_710_000_300_001), 1_710_000_300_001),
            (Scalar::Integer(i64::MAX), i64::MAX.unsigned_abs()),
            (Scalar::Integer(4_070_908_800), 4_070_908_800_000),
        ] {
            assert_eq!(
                at(value.clone()),
                (NOW, Some(UnixMillis(sent))),
                "{value:?}"
            );
        }
        for number in [1_710_000_300_000i64, 1_709_000_000_123] {
            let believed = (UnixMillis(number.unsigned_abs()), None);
            assert_eq!(at(Scalar::Integer(number)), believed);
            assert_eq!(at(Scalar::Text(number.to_string().into())), believed);
        }
        assert_eq!(at(Scalar::Integer(1_709_000_000)).0.0, 1_709_000_000_000);
    }

    #[test]
    fn two_clocks_are_taken_so_that_neither_harms() {
        const HOUR: u64 = 3_600_000;
        for control_plane in [NOW.0 - HOUR, NOW.0 + HOUR].map(UnixMillis) {
            let received = Received {
                at: NOW,
                control_plane: Some(control_plane),
            };
            let (earliest, latest) = (NOW.min(control_plane), NOW.max(control_plane));
            // A token of half an hour, by the control plane's clock: not believed to have expired.
            let expires = UnixSeconds(earliest.0 / 1000 + 1800);
            let sent = Scalar::Integer(expires.0.cast_signed());
            assert_eq!(live_expiry(&sent, received), Expiry::Known(expires));
            // A revocation of now, by either clock: believed.
            for at in [earliest, latest] {
                let sent = Scalar::Integer(at.0.cast_signed());
                assert_eq!(revoked_at(&sent, received), (at, None));
            }
            let absent = revoked_at(&Scalar::Absent, received);
            assert_eq!(absent, (latest, Some(UnixMillis(0))));
        }
    }

    proptest! {
        #[test]
        fn no_number_overflows(number: i64, received_at: u64) {
            let value = Scalar::Integer(number);
            let received = UnixMillis(received_at).into();
            let _ = live_expiry(&value, received);
            let (at, _) = revoked_at(&value, received);
            prop_assert!(at.0 <= received_at.saturating_add(ALLOWANCE));
        }

        #[test]
        fn an_expiry_is_never_before_what_was_sent(millis in 100_000_000_000i64..LAST * 1000) {
            let Expiry::Known(at) = expiry(&Scalar::Integer(millis)) else {
                return Err(TestCaseError::fail("not known"));
            };
            let early = at.0 * 1000 - millis.unsigned_abs();
            prop_assert!(early < 1000);
        }
    }
}
