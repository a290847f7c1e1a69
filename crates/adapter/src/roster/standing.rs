//! Is it dead there yet? One enforcer, and one version.

use std::time::{Duration, Instant};

use rescind_xds::server::Method;
use serde::Serialize;

use super::{Live, Row, Subscription};

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
    /// It subscribes to a part alone, and so says nothing of this.
    Partial,
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
    /// The stream; `None` for one that is away.
    pub(crate) stream: Option<u64>,
    /// Whether it asks for all that there is.
    pub(crate) subscribes_to_all: bool,
    /// How this connection came; `None` for one that is away.
    pub(crate) method: Option<Method>,
    /// Where this connection is; where it was, for one that is away.
    pub(crate) acked: u64,
    /// `None` where nothing was asked about.
    pub(crate) standing: Option<Standing>,
    /// It counts for "everywhere".
    pub(crate) counts: bool,
}

impl Receipt {
    /// It keeps a version from being everywhere.
    pub(crate) fn blocks(&self) -> bool {
        !self.counts && self.standing != Some(Standing::Partial)
    }
}

/// The receipts of one row: one for each live connection, and one for who is away.
pub(super) fn receipts(
    row: &Row,
    live: &[Live],
    asked: Option<Asked>,
    now: Instant,
) -> Vec<Receipt> {
    let receipt = |live: Option<&Live>, standing: Option<Standing>| Receipt {
        row: row.clone(),
        connected: live.is_some(),
        stream: live.map(|live| live.stream),
        subscribes_to_all: live.map_or(row.subscribes_to_all, |live| {
            live.subscription == Subscription::All
        }),
        method: live.map(|live| live.method),
        acked: live.map_or(row.acked, |live| live.acked),
        standing,
        counts: match standing {
            Some(Standing::Acked) => true,
            // Only who had nowhere else to go is surely closed.
            Some(Standing::Gone) => row.declared.adapters == Some(1),
            _ => false,
        },
    };
    let mut receipts = Vec::with_capacity(live.len() + 1);
    for stream in live {
        let standing = asked.map(|asked| of_stream(row, stream, asked));
        receipts.push(receipt(Some(stream), standing));
    }
    // Who is away is not hidden by another one of its name.
    if live.is_empty() || row.away > 0 {
        let closed = live.is_empty() && is_closed(row, now);
        let standing = asked.map(|asked| of_away(row, closed, asked));
        receipts.push(receipt(None, standing));
    }
    receipts
}

/// An open stream is judged by itself.
fn of_stream(row: &Row, stream: &Live, asked: Asked) -> Standing {
    let takes_it = stream.takes_all || !asked.is_rule;
    match stream.subscription {
        Subscription::Part => Standing::Partial,
        _ if !takes_it => Standing::Cannot,
        Subscription::Left => Standing::Missing,
        Subscription::All if stream.acked < asked.sequence => Standing::Missing,
        Subscription::All if row.not_enforced > 0 => Standing::Cannot,
        Subscription::All => Standing::Acked,
    }
}

/// The row speaks for who is away.
fn of_away(row: &Row, closed: bool, asked: Asked) -> Standing {
    if !row.subscribes_to_all {
        return Standing::Partial;
    }
    if asked.is_rule && !row.takes_all {
        return Standing::Cannot;
    }
    match row.acked >= asked.sequence && row.durable {
        true if row.not_enforced > 0 => Standing::Cannot,
        true => Standing::Acked,
        false if closed => Standing::Gone,
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
