//! The other adapters as they are shown.

use rescind_runtime::time::rfc3339;
use serde::Serialize;

use crate::peers::{Compared, Peer, Peers};

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    peer: String,
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// `null` while nothing was compared.
    equal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differs_since: Option<String>,
    #[serde(flatten)]
    compared: Option<Statements>,
}

/// What was compared.
#[derive(Debug, Serialize)]
struct Statements {
    compared_at: Option<String>,
    /// The peer's ledger, where it ends, and whether it may be called whole.
    ledger: String,
    head: String,
    complete: bool,
    /// Tokens that expired before this second were left out on both sides.
    horizon: u64,
    entries_here: u64,
    entries_there: u64,
}

pub(super) fn all(peers: &Peers) -> Vec<Shown> {
    peers.all().into_iter().map(shown).collect()
}

fn shown((address, peer): (String, Peer)) -> Shown {
    let Peer {
        reachable,
        error,
        compared,
        differs_since,
    } = peer;
    Shown {
        peer: address,
        reachable,
        error,
        equal: compared.as_ref().map(|compared| compared.equal),
        differs_since: differs_since.and_then(rfc3339),
        compared: compared.map(statements),
    }
}

fn statements(compared: Compared) -> Statements {
    let Compared {
        at,
        ledger,
        cursor,
        complete,
        horizon,
        ours,
        theirs,
        equal: _,
    } = compared;
    Statements {
        compared_at: rfc3339(at),
        ledger,
        head: cursor,
        complete,
        horizon: horizon.0,
        entries_here: ours,
        entries_there: theirs,
    }
}
