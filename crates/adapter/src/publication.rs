//! The ledger as a source of the discovery service: sequences are its positions, cursors its versions.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use prost::Message as _;
use rescind_ledger::{Cursor, LedgerReader, Live, Resolved};
use rescind_proto::wso2::discovery::keymgt::{RevokedToken, revoked_token};
use rescind_revocation::{Kind, Revocation};
use rescind_xds::{
    Any, Audience, Chunk, Head, Names, Position, Ranges, Source, TYPE_URL, wire_len,
};
use tokio::sync::{mpsc, watch};
use tracing::warn;

mod chunks;
mod expired;
mod named;
mod packed;
mod source_age;

use crate::ingest::Command;
use source_age::SourceAge;

/// Entries that are copied out of the ledger in one go; its lock is held for no longer than that takes.
const PAGE: usize = 512;

/// The published ledger.
#[derive(Debug)]
pub(crate) struct Publication {
    reader: LedgerReader,
    head: watch::Receiver<Head>,
    commands: mpsc::Sender<Command>,
    told: AtomicBool,
    source: SourceFlag,
    source_age: SourceAge,
    /// There is no control plane whose list could be missing.
    complete_by_itself: bool,
    /// What has expired before counts as removed for third parties.
    removed_before: AtomicU64,
    expired: expired::Expired,
    chunks: chunks::Chunks,
}

/// Whether the ledger's own source is good at this moment: said by who hears it, asked by who serves. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceFlag(Arc<AtomicBool>);

impl SourceFlag {
    pub(crate) fn set(&self, good: bool) {
        self.0.store(good, Ordering::Relaxed);
    }

    fn is_good(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Publication {
    pub(crate) fn new(
        reader: LedgerReader,
        head: watch::Receiver<Head>,
        commands: mpsc::Sender<Command>,
        source: SourceFlag,
        complete_by_itself: bool,
    ) -> Self {
        Self {
            expired: expired::Expired::new(reader.clone()),
            reader,
            head,
            commands,
            told: AtomicBool::new(false),
            source,
            source_age: SourceAge::default(),
            complete_by_itself,
            removed_before: AtomicU64::new(0),
            chunks: chunks::Chunks::default(),
        }
    }

    /// What is published.
    pub(crate) fn reader(&self) -> &LedgerReader {
        &self.reader
    }

    /// Where the writer takes commands.
    pub(crate) fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    /// A client has seen more of this ledger than there is: it was set back to an old copy. Once is enough to know.
    fn set_back(&self, cursor: Cursor) {
        if !self.told.swap(true, Ordering::Relaxed) {
            warn!(%cursor, "A client has seen more of this ledger than it holds: it was set back to an old copy");
            if self.commands.try_send(Command::SetBack).is_err() {
                self.told.store(false, Ordering::Relaxed);
            }
        }
    }
}

impl Source for Publication {
    fn head(&self) -> watch::Receiver<Head> {
        self.head.clone()
    }

    fn resolve(&self, version_info: &str) -> Position {
        let Ok(cursor) = version_info.parse() else {
            return Position(0);
        };
        match self.reader.place(cursor) {
            Resolved::At(sequence) => Position(sequence),
            Resolved::Unknown => Position(0),
            Resolved::Beyond => {
                self.set_back(cursor);
                Position(0)
            }
        }
    }

    fn version(&self, at: Position) -> String {
        self.reader.cursor(at.0).to_string()
    }

    fn read(&self, after: Position, to: Position, audience: Audience, max_bytes: usize) -> Chunk {
        self.chunks.get((after, audience, max_bytes), to, || {
            self.make(after, to, audience, max_bytes)
        })
    }

    fn ranges(&self) -> Option<&dyn Ranges> {
        Some(self)
    }

    fn names(&self) -> Option<&dyn Names> {
        Some(self)
    }
}

impl Publication {
    /// The chunk, from the ledger.
    fn make(&self, after: Position, to: Position, audience: Audience, max_bytes: usize) -> Chunk {
        let mut resources = Vec::new();
        let mut bytes = 0;
        let mut from = after.0;
        loop {
            let page = self.reader.read(from, to.0, PAGE);
            for live in &page {
                if !takes(audience, live.revocation.kind()) {
                    continue;
                }
                let resource = resource(live);
                bytes += wire_len(&resource);
                if bytes > max_bytes {
                    // A first one that is too large goes alone; else the chunk ends right before the one that did not fit.
                    let alone = resources.is_empty();
                    if alone {
                        resources.push(resource);
                    }
                    let to = Position(live.sequence - u64::from(!alone));
                    return Chunk {
                        resources: resources.into(),
                        to,
                    };
                }
                resources.push(resource);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => from = last.sequence,
                _ => {
                    return Chunk {
                        resources: resources.into(),
                        to,
                    };
                }
            }
        }
    }
}

/// An older enforcer would take an application's or a subject's name for that of a token.
fn takes(audience: Audience, kind: Kind) -> bool {
    match audience {
        Audience::Classic => kind == Kind::Token,
        Audience::Rescind => true,
    }
}

fn resource(live: &Live) -> Any {
    Any {
        type_url: TYPE_URL.to_owned(),
        value: message(&live.revocation).encode_to_vec(),
    }
}

fn message(revocation: &Revocation) -> RevokedToken {
    let jti = revocation.identifier().as_str().to_owned();
    match revocation {
        Revocation::Token { expiry, .. } => RevokedToken {
            jti,
            expirytime: expiry.to_wire_millis(),
            kind: revoked_token::Kind::Token.into(),
            ..RevokedToken::default()
        },
        Revocation::App { revoked_at, .. } => RevokedToken {
            jti,
            kind: revoked_token::Kind::App.into(),
            revoked_at_ms: signed(revoked_at.0),
            ..RevokedToken::default()
        },
        Revocation::Subject {
            revoked_at,
            entity_type,
            ..
        } => RevokedToken {
            jti,
            kind: revoked_token::Kind::Subject.into(),
            entity_type: entity_type.to_string(),
            revoked_at_ms: signed(revoked_at.0),
            ..RevokedToken::default()
        },
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
