//! The roster as it is shown.

use rescind_ledger::LedgerReader;
use rescind_revocation::UnixMillis;
use rescind_runtime::time::unix_now_millis;
use rescind_xds::server::{Handle, StreamStatus};
use serde::Serialize;

use crate::roster::{Receipt, Roster, Row, Standing};

/// One enforcer.
#[derive(Debug, Serialize)]
pub(super) struct Enforcer {
    id: u64,
    /// The name in its certificate.
    identity: String,
    instance: String,
    /// Nothing tells it from others of the same certificate, which sent no `instanceIdentifier` either.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shared: bool,
    address: String,
    method: String,
    connected: bool,
    state: String,
    acked: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    /// Entries between what it has ACKed and the head.
    behind: u64,
    /// Seconds since it ACKed something or was connected last.
    seen_s: u64,
    first_seen_ms: u64,
    not_enforced: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_after_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_policy: Option<String>,
}

/// One enforcer, and a version.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    id: u64,
    identity: String,
    instance: String,
    connected: bool,
    standing: Option<Standing>,
    acked: String,
    seen_s: u64,
}

/// Everyone: each connection, and who is away.
pub(super) fn all(roster: &Roster, streams: &Handle, reader: &LedgerReader) -> Vec<Enforcer> {
    let now = UnixMillis(unix_now_millis());
    let head = reader.head().sequence;
    let mut streams = streams.roster();
    let receipts = roster.receipts(None).into_iter();
    receipts
        .map(|receipt| {
            let stream = take(&mut streams, &receipt);
            enforcer(&receipt, stream, reader, head, now)
        })
        .collect()
}

/// The stream that a receipt is of.
fn take(streams: &mut Vec<StreamStatus>, receipt: &Receipt) -> Option<StreamStatus> {
    let named = &receipt.row.named;
    let of_it = |stream: &StreamStatus| {
        stream.identity == named.identity && stream.instance == named.instance
    };
    let same = |stream: &StreamStatus| of_it(stream) && stream.acked.0 == receipt.acked;
    let at = streams
        .iter()
        .position(same)
        .or_else(|| streams.iter().position(of_it));
    at.filter(|_| receipt.connected)
        .map(|at| streams.swap_remove(at))
}

fn enforcer(
    receipt: &Receipt,
    stream: Option<StreamStatus>,
    reader: &LedgerReader,
    head: u64,
    now: UnixMillis,
) -> Enforcer {
    let Row {
        id,
        named,
        address,
        method,
        declared,
        state,
        last_error,
        not_enforced,
        first_seen_at,
        seen_at,
        ..
    } = receipt.row.clone();
    let version = |sequence| reader.cursor(sequence).to_string();
    let stream = stream.as_ref();
    let address_now = stream.and_then(|stream| stream.address);
    Enforcer {
        id,
        shared: named.instance.is_empty(),
        identity: named.identity,
        instance: named.instance,
        address: address_now.map_or(address, |address| address.to_string()),
        method,
        connected: receipt.connected,
        state: stream.map_or(state, |stream| stream.state.name().to_owned()),
        acked: version(receipt.acked),
        sent: stream.map(|stream| version(stream.sent.0)),
        behind: head.saturating_sub(receipt.acked),
        seen_s: now.0.saturating_sub(seen_at.0) / 1000,
        first_seen_ms: first_seen_at.0,
        not_enforced: stream.map_or(not_enforced, |stream| stream.not_enforced as u64),
        last_error: stream.map_or(last_error, |stream| stream.last_error.clone()),
        adapters: declared.adapters,
        stale_after_s: declared.stale_after_s,
        stale_policy: declared.stale_policy,
    }
}

pub(super) fn places(receipts: &[Receipt], reader: &LedgerReader) -> Vec<Place> {
    let now = unix_now_millis();
    let place = |receipt: &Receipt| Place {
        id: receipt.row.id,
        identity: receipt.row.named.identity.clone(),
        instance: receipt.row.named.instance.clone(),
        connected: receipt.connected,
        standing: receipt.standing,
        acked: reader.cursor(receipt.acked).to_string(),
        seen_s: now.saturating_sub(receipt.row.seen_at.0) / 1000,
    };
    receipts.iter().map(place).collect()
}
