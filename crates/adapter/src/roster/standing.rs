//! Is it dead there yet? One enforcer, and one version.

use rescind_revocation::UnixMillis;
use serde::Serialize;

use super::Row;

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
    live: &[u64],
    asked: Option<Asked>,
    now: UnixMillis,
) -> Vec<Receipt> {
    let receipt = |connected, acked| {
        let standing = asked.map(|asked| standing(row, connected, acked, asked, now));
        let counts = match standing {
            Some(Standing::Acked) => true,
            // Only who had nowhere else to go is surely closed.
            Some(Standing::Gone) => row.declared.adapters == Some(1),
            _ => false,
        };
        Receipt {
            row: row.clone(),
            connected,
            acked,
            standing,
            counts,
        }
    };
    if live.is_empty() {
        return vec![receipt(false, row.acked)];
    }
    live.iter().map(|acked| receipt(true, *acked)).collect()
}

fn standing(row: &Row, connected: bool, acked: u64, asked: Asked, now: UnixMillis) -> Standing {
    if asked.is_rule && !row.takes_all {
        return Standing::Cannot;
    }
    let has = acked >= asked.sequence && (connected || row.durable);
    if has && row.not_enforced > 0 {
        return Standing::Cannot;
    }
    if has {
        return Standing::Acked;
    }
    match !connected && is_closed(row, now) {
        true => Standing::Gone,
        false => Standing::Missing,
    }
}

/// Whether an enforcer that is away refuses everything by now.
fn is_closed(row: &Row, now: UnixMillis) -> bool {
    let declared = &row.declared;
    let Some(bound) = declared.stale_after_s else {
        return false;
    };
    let away = now.0.saturating_sub(row.seen_at.0) / 1000;
    declared.stale_policy.as_deref() == Some("deny") && away > bound
}
