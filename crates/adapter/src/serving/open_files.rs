//! The limit of open files: every connection is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

/// What the process has open beside its enforcers: ledger, roster, ports, the control plane, who reads metrics.
const OTHERS: u64 = 100;

/// Raises the limit as far as it goes, and says so where that is too little for `streams`.
pub(crate) fn raise(streams: u32) {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match raised {
        Ok(limit) if limit < needed(streams) => warn!(
            limit,
            needed = needed(streams),
            "The limit of open files is too low for adapter.xds.maxStreamsPerClient: about {} enforcers can connect; \
             raise it (LimitNOFILE, ulimit -Hn) or lower that",
            limit.saturating_sub(OTHERS)
        ),
        Ok(limit) => info!(limit, "Open files"),
        Err(error) => warn!(%error, "The limit of open files cannot be raised"),
    }
}

/// Each stream may have a connection of its own.
fn needed(streams: u32) -> u64 {
    u64::from(streams) + OTHERS
}
