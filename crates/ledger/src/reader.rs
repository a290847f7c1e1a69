//! What everybody but the writer sees of the ledger.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rescind_revocation::{Digest, Digests, Identifier, Kind, Revocation, UnixMillis, UnixSeconds};

use crate::{
    Cursor, Epoch, LedgerError, PackedRange, Resolved,
    memory::Memory,
    packed::{self, Cache},
    store::{Origin, read_origin},
};

/// A live entry with its place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its sequence.
    pub sequence: u64,
    /// What is revoked.
    pub revocation: Revocation,
}

/// What is said of the set at one moment: at this cursor, from this horizon, it has this digest and so many entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where the ledger ends.
    pub head: Cursor,
    /// Whether a catch-up has finished in it.
    pub complete: bool,
    /// Tokens that expired before this second were dropped. A boundary of ten minutes.
    pub horizon: UnixSeconds,
    /// The digest of what is live from the horizon on.
    pub digest: Digest,
    /// How many entries that is.
    pub entries: u64,
    /// When the source was last good.
    pub source_good_at: Option<UnixMillis>,
}

/// Reads a ledger while it is written. Nothing above the durable head is visible through it.
///
/// Every call takes short locks and copies out what it returns; no lock is held between calls.
#[derive(Debug, Clone)]
pub struct LedgerReader {
    shared: Arc<RwLock<Memory>>,
    pub(crate) packed: Arc<Cache>,
    database: Arc<Path>,
}

impl LedgerReader {
    pub(crate) fn new(memory: Memory, database: PathBuf) -> Self {
        Self {
            shared: Arc::new(RwLock::new(memory)),
            database: database.into(),
            packed: Arc::default(),
        }
    }

    /// Where the ledger ends, in the current epoch.
    pub fn head(&self) -> Cursor {
        self.memory().head()
    }

    /// The cursor for a sequence at or below the head: [`resolve`](Self::resolve) leads back to it, as long as the ledger
    /// is the same one.
    pub fn cursor(&self, sequence: u64) -> Cursor {
        let memory = self.memory();
        memory.epochs.cursor(sequence, memory.head().sequence)
    }

    /// The ledger's name: its first epoch.
    pub fn ledger_id(&self) -> Epoch {
        self.memory().epochs.ledger_id()
    }

    /// Whether a catch-up has finished in this ledger, so that its set may be called whole.
    pub fn is_complete(&self) -> bool {
        self.memory().complete
    }

    /// Before this expiry tokens were dropped. A boundary of ten minutes.
    pub fn horizon(&self) -> UnixSeconds {
        self.memory().horizon()
    }

    /// When the source was last good, as far as the ledger was told.
    pub fn source_good_at(&self) -> Option<UnixMillis> {
        self.memory().source_good_at
    }

    /// What can be said of the set now; all of it is of one moment.
    pub fn checkpoint(&self) -> Checkpoint {
        self.checkpoint_from(UnixSeconds(0))
    }

    /// The same from another horizon on, where that is later than this ledger's: to compare it with one that has dropped
    /// more.
    pub fn checkpoint_from(&self, horizon: UnixSeconds) -> Checkpoint {
        let memory = self.memory();
        let horizon = Digests::boundary(horizon).max(memory.horizon());
        let (digest, entries) = memory.digest(horizon);
        Checkpoint {
            head: memory.head(),
            complete: memory.complete,
            horizon,
            digest,
            entries,
            source_good_at: memory.source_good_at,
        }
    }

    /// How many entries are live.
    pub fn len(&self) -> usize {
        self.memory().log.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How far whoever shows this cursor has come: 0, before everything, for `""` and for what is no place here.
    pub fn resolve(&self, cursor: &str) -> u64 {
        match cursor.parse().map(|cursor| self.place(cursor)) {
            Ok(Resolved::At(sequence)) => sequence,
            _ => 0,
        }
    }

    /// What a cursor means to this ledger.
    pub fn place(&self, cursor: Cursor) -> Resolved {
        let memory = self.memory();
        memory.epochs.resolve(cursor, memory.head().sequence)
    }

    /// The live entries after the sequence `after` up to `to`, in order, at most `limit` of them. Fewer than `limit` are
    /// all.
    pub fn read(&self, after: u64, to: u64, limit: usize) -> Vec<Live> {
        if after >= to {
            return Vec::new();
        }
        let memory = self.memory();
        memory
            .log
            .range(after, to)
            .take(limit)
            .map(|(sequence, entry)| Live {
                sequence,
                revocation: entry.revocation(),
            })
            .collect()
    }

    /// The live entries after `after` as packed bytes: up to `to` or the head, or less far where more than `max_bytes`
    /// or 65 536 entries lie between. Go on from [`PackedRange::to`]; at least one entry is taken, if there is one.
    ///
    /// Cuts fall on sequences that all readers share, and who reads the same range gets the same bytes.
    pub fn read_packed(&self, after: u64, to: u64, max_bytes: usize) -> Arc<PackedRange> {
        packed::read(self, after, to, max_bytes)
    }

    /// The live entry for one thing.
    pub fn find(&self, kind: Kind, identifier: &Identifier) -> Option<Live> {
        let memory = self.memory();
        let (sequence, entry) = memory.log.find((kind, identifier.id()))?;
        Some(Live {
            sequence,
            revocation: entry.revocation(),
        })
    }

    /// When and whence the live entry at `sequence` came; `None` where that was not said, as before files had a place for
    /// it. Reads the file: call it where blocking is no harm.
    ///
    /// # Errors
    ///
    /// The file cannot be read beside its writer, as on a full disk.
    pub fn origin(&self, sequence: u64) -> Result<Option<Origin>, LedgerError> {
        read_origin(&self.database, sequence).map_err(|source| LedgerError::Sqlite {
            doing: "read",
            path: self.database.to_path_buf(),
            source,
        })
    }

    /// A panic elsewhere leaves the memory whole: what is inserted is durable already, and the head moves last.
    pub(crate) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only the one writer calls this.
    pub(crate) fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}
