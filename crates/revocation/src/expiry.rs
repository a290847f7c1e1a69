//! Until when a revoked token matters.

use crate::UnixSeconds;

/// When a revoked token expires by itself, in whole seconds, rounded up.
///
/// The order is total, `Known < Unknown < Never`, and a merge keeps the greatest: whatever order events arrive in, two
/// sets that saw the same ones agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expiry {
    /// At this second.
    Known(UnixSeconds),
    /// The control plane did not say. The entry is kept.
    Unknown,
    /// The token has no end.
    Never,
}

impl Expiry {
    /// The last second (in the year 2105) that every form of an entry can say. What ends later counts as never ending.
    pub const LAST_KNOWN: UnixSeconds = UnixSeconds(0xfeff_ffff);

    /// What all forms of an entry can say: an end beyond [`Self::LAST_KNOWN`] is never. Who makes an expiry caps it, so
    /// that a merge gives the same everywhere.
    pub fn capped(self) -> Self {
        match self {
            Self::Known(at) if at > Self::LAST_KNOWN => Self::Never,
            expiry => expiry,
        }
    }

    /// Reads the milliseconds of the classic wire (`RevokedToken.expirytime`): `i64::MAX` is never, and so is what lies
    /// beyond [`Self::LAST_KNOWN`]; what is not after the epoch is unknown.
    pub fn from_wire_millis(millis: i64) -> Self {
        match u64::try_from(millis) {
            Ok(0) | Err(_) => Self::Unknown,
            Ok(millis) => Self::Known(UnixSeconds(millis.div_ceil(1000))).capped(),
        }
    }

    /// The milliseconds of the classic wire. An end too far for it is never.
    pub fn to_wire_millis(self) -> i64 {
        match self {
            Self::Known(UnixSeconds(seconds)) => i64::try_from(seconds)
                .ok()
                .and_then(|seconds| seconds.checked_mul(1000))
                .unwrap_or(i64::MAX),
            Self::Unknown => 0,
            Self::Never => i64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_is_before_unknown_is_before_never() {
        assert!(Expiry::Known(UnixSeconds(u64::MAX)) < Expiry::Unknown);
        assert!(Expiry::Unknown < Expiry::Never);
        assert!(Expiry::Known(UnixSeconds(1)) < Expiry::Known(UnixSeconds(2)));
    }

    #[test]
    fn the_wire_has_zero_for_unknown_and_the_largest_for_never() {
        for (millis, expiry) in [
            (0, Expiry::Unknown),
            (-1, Expiry::Unknown),
            (i64::MIN, Expiry::Unknown),
            (1, Expiry::Known(UnixSeconds(1))),
            (1000, Expiry::Known(UnixSeconds(1))),
            (1_628_175_421_481, Expiry::Known(UnixSeconds(1_628_175_422))),
            (4_278_190_079_000, Expiry::Known(UnixSeconds(4_278_190_079))),
            (4_278_190_079_001, Expiry::Never),
            (i64::MAX, Expiry::Never),
        ] {
            assert_eq!(Expiry::from_wire_millis(millis), expiry, "{millis}");
        }
    }

    #[test]
    fn what_is_sent_is_read_back() {
        for expiry in [
            Expiry::Unknown,
            Expiry::Never,
            Expiry::Known(UnixSeconds(1)),
            Expiry::Known(UnixSeconds(4_102_444_800)),
        ] {
            assert_eq!(Expiry::from_wire_millis(expiry.to_wire_millis()), expiry);
        }
        assert_eq!(
            Expiry::Known(UnixSeconds(u64::MAX)).to_wire_millis(),
            i64::MAX
        );
    }
}
