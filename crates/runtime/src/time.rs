//! The wall clock, read at the edge and handed inwards: the domain takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

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
