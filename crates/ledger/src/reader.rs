//! What everybody but the writer sees of the ledger.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rescind_revocation::{Identifier, Kind, Revocation};

use crate::{Cursor, Epoch, Resolved, memory::Memory};

/// A live entry with its place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its sequence.
    pub sequence: u64,
    /// What is revoked.
    pub revocation: Arc<Revocation>,
}

/// Reads a ledger while it is written. Nothing above the durable head is visible through it.
///
/// Every call takes a short lock and copies out what it returns; no lock is held between calls.
#[derive(Debug, Clone)]
pub struct LedgerReader {
    shared: Arc<RwLock<Memory>>,
}

impl LedgerReader {
    pub(crate) fn new(memory: Memory) -> Self {
        Self {
            shared: Arc::new(RwLock::new(memory)),
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
            .range(after + 1..=to)
            .take(limit)
            .map(|(sequence, revocation)| Live {
                sequence: *sequence,
                revocation: Arc::clone(revocation),
            })
            .collect()
    }

    /// The live entry for one thing.
    pub fn find(&self, kind: Kind, identifier: &Identifier) -> Option<Live> {
        let memory = self.memory();
        let (sequence, revocation) = memory.find((kind, identifier.id()))?;
        Some(Live {
            sequence,
            revocation: Arc::clone(revocation),
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
