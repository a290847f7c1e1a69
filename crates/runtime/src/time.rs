//! The wall clock, read at the edge and handed inwards: the domain takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Milliseconds since the Unix epoch by the wall clock; 0 for a clock before 1970.
pub fn unix_now_millis() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whole seconds since the Unix epoch by the wall clock; 0 for a clock before 1970.
pub fn unix_now_seconds() -> u64 {
    unix_now_millis() / 1000
}

/// Milliseconds since the Unix epoch as RFC 3339 in UTC, such as `2026-11-25T03:00:00.123Z`. `None` beyond the year 9999.
pub fn rfc3339(millis: u64) -> Option<String> {
    let moment = Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok()?;
    Some(moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc() {
        let written = rfc3339(1_764_043_200_123);
        assert_eq!(written.as_deref(), Some("2025-11-25T04:00:00.123Z"));
        assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(rfc3339(u64::MAX), None);
    }
}
