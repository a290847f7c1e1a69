//! Is it dead there yet? One enforcer, and one version.

use std::time::{Duration, Instant};

use rescind_xds::server::Method;
use serde::Serialize;

use super::{Live, Row};

/// How an enforcer stands towards a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Standing {
    /// It has applied it.
    Acked,
    /// It has not, as far as is known, and may be deciding without it.
    Missing,
    /// It has been away for longer than it trusts an old set, and refuses everything since.
    Gone,
    /// It cannot enforce it: an older enforcer and an application or a subject, or entries that it refused.
    Cannot,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The sequence.
    pub(crate) sequence: u64,
    /// It revokes an application or a subject.
    pub(crate) is_rule: bool,
}

/// One enforcer, or one of several connections of one name.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) row: Row,
    pub(crate) connected: bool,
    /// How this connection came; `None` for one that is away.
    pub(crate) method: Option<Method>,
    /// Where this connection is; where it was, for one that is away.
    pub(crate) acked: u64,
    /// `None` where nothing was asked about.
    pub(crate) standing: Option<Standing>,
    /// It counts for "everywhere".
    pub(crate) counts: bool,
}

/// The receipts of one row: one for each live connection, or one for who is away.
pub(super) fn receipts(
    row: &Row,
    live: &[Live],
    asked: Option<Asked>,
    now: Instant,
) -> Vec<Receipt> {
    let receipt = |live: Option<&Live>| {
        let standing = asked.map(|asked| standing(row, live, asked, now));
        let counts = match standing {
            Some(Standing::Acked) => true,
            // Only who had nowhere else to go is surely closed.
            Some(Standing::Gone) => row.declared.adapters == Some(1),
            _ => false,
        };
        Receipt {
            row: row.clone(),
            connected: live.is_some(),
            method: live.map(|live| live.method),
            acked: live.map_or(row.acked, |live| live.acked),
            standing,
            counts,
        }
    };
    if live.is_empty() {
        return vec![receipt(None)];
    }
    live.iter().map(|live| receipt(Some(live))).collect()
}

/// Each open stream is judged by itself; the row speaks for who is away.
fn standing(row: &Row, live: Option<&Live>, asked: Asked, now: Instant) -> Standing {
    let (acked, takes_all) = match live {
        Some(live) => (live.acked, live.takes_all),
        None => (row.acked, row.takes_all),
    };
    if asked.is_rule && !takes_all {
        return Standing::Cannot;
    }
    let has = acked >= asked.sequence && (live.is_some() || row.durable);
    if has && row.not_enforced > 0 {
        return Standing::Cannot;
    }
    if has {
        return Standing::Acked;
    }
    match live.is_none() && is_closed(row, now) {
        true => Standing::Gone,
        false => Standing::Missing,
    }
}

/// Whether an enforcer that is away refuses everything by now. A wall clock that jumps must not say so.
fn is_closed(row: &Row, now: Instant) -> bool {
    let declared = &row.declared;
    let Some(bound) = declared.stale_after_s else {
        return false;
    };
    let away = now.saturating_duration_since(row.heard_at);
    declared.stale_policy.as_deref() == Some("deny") && away > Duration::from_secs(bound)
}
