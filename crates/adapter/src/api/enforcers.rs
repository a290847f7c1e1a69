//! The roster as it is shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    /// Whether it asks for all that there is, and so counts for "everywhere".
    subscribes_to_all: bool,
    connected: bool,
    /// How many of this name are away, where it is more than this one.
    #[serde(skip_serializing_if = "is_one")]
    away: usize,
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
    let streams = streams.roster().into_iter();
    let mut streams: HashMap<_, _> = streams.map(|stream| (stream.stream, stream)).collect();
    let receipts = roster.receipts(None).into_iter();
    receipts
        .map(|receipt| {
            let stream = receipt.stream.and_then(|stream| streams.remove(&stream));
            enforcer(&receipt, stream, reader, head, now)
        })
        .collect()
}

/// The certificates that more than one of them shows.
pub(super) fn shared_certificates(enforcers: &[Enforcer]) -> Vec<String> {
    let mut named = BTreeMap::<&str, BTreeSet<u64>>::new();
    for enforcer in enforcers {
        named
            .entry(&enforcer.identity)
            .or_default()
            .insert(enforcer.id);
    }
    let shared = named.into_iter().filter(|(_, ids)| ids.len() > 1);
    shared.map(|(identity, _)| identity.to_owned()).collect()
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
        away,
        ..
    } = receipt.row.clone();
    let version = |sequence| reader.cursor(sequence).to_string();
    let stream = stream.as_ref();
    let method_now = receipt.method.map(|method| method.name().to_owned());
    let declared = stream.map_or(declared, |stream| stream.declared.clone());
    let address_now = stream.and_then(|stream| stream.address);
    Enforcer {
        id,
        shared: named.instance.is_empty(),
        identity: named.identity,
        instance: named.instance,
        address: address_now.map_or(address, |address| address.to_string()),
        method: method_now.unwrap_or(method),
        subscribes_to_all: receipt.subscribes_to_all,
        connected: receipt.connected,
        away: match receipt.connected {
            true => 0,
            false => away,
        },
        state: stream.map_or(state, |stream| stream.state.name().to_owned()),
        acked: version(receipt.acked),
        sent: stream.map(|stream| version(stream.sent.0)),
        behind: head.saturating_sub(receipt.acked),
        seen_s: now.0.saturating_sub(seen_at.0) / 1000,
        first_seen_ms: first_seen_at.0,
        // The row hears of each refusal, and unlike the streams remembers it over a restart.
        not_enforced,
        last_error: stream.map_or(last_error, |stream| stream.last_error.clone()),
        adapters: declared.adapters,
        stale_after_s: declared.stale_after_s,
        stale_policy: declared.stale_policy,
    }
}

/// One is what a line says by itself.
fn is_one(away: &usize) -> bool {
    *away <= 1
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rescind_ledger::Ledger;
    use rescind_xds::{
        Audience, Position,
        server::{Client, ClientState, Declared, Method, Watch as _},
    };
    use tempfile::TempDir;

    use super::*;
    use crate::{Metrics, testing::token};

    fn client(stream: u64, method: Method) -> Client {
        Client {
            stream,
            identity: "gateway".to_owned(),
            instance: "pod".to_owned(),
            address: None,
            audience: Audience::Rescind,
            method,
            subscribes_to_all: true,
            declared: Declared::default(),
        }
    }

    fn status(method: Method, acked: u64) -> StreamStatus {
        StreamStatus {
            stream: 1,
            identity: "gateway".to_owned(),
            instance: "pod".to_owned(),
            address: None,
            audience: Audience::Rescind,
            method,
            subscribes_to_all: true,
            declared: Declared::default(),
            proof: None,
            acked: Position(acked),
            sent: Position(acked),
            state: ClientState::Synced,
            last_error: None,
            not_enforced: 0,
        }
    }

    fn fixture() -> (TempDir, Ledger, Roster) {
        let directory = TempDir::new().unwrap();
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        ledger.append(&[token("a"), token("b")]).unwrap();
        let roster = Roster::new(Vec::new(), ledger.reader(), Arc::new(Metrics::default()));
        (directory, ledger, roster)
    }

    #[test]
    fn what_is_not_enforced_is_shown_after_a_restart_of_the_adapter_too() {
        let (_directory, ledger, roster) = fixture();
        roster.opened(&client(1, Method::DeltaRange), Position(2), Position(2));
        let mut receipt = roster.receipts(None).remove(0);
        receipt.row.not_enforced = 1;
        // The streams of this process know nothing of it.
        let stream = Some(status(Method::DeltaRange, 2));
        let shown = enforcer(&receipt, stream, &ledger.reader(), 2, UnixMillis(0));
        assert_eq!(shown.not_enforced, 1);
    }
}
