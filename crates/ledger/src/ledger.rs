//! The writer: opens, appends, recovers from a failed commit.
//!
//! ```text
//! open ──> store is there ── append: changes, commit, merge, head ──┐
//!               ^   ^──────────────────────────────────────────────┘
//!               │   commit fails: the store is dropped, memory untouched
//!               └── next append: open again, read the end, take in what was durable all the same
//! ```

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

mod upkeep;

pub use upkeep::Swept;

use rescind_revocation::{Digests, Revocation, UnixMillis};

use crate::{
    Cursor, Damage, LedgerError, LedgerReader,
    directory::Directory,
    epochs::Epochs,
    found::{self, Found},
    groups::Groups,
    log::Log,
    memory::Memory,
    store::{Left, Origin, Store, Unsaved},
};

/// The writer of a ledger. It holds the directory: a second one is refused until this one is dropped.
#[derive(Debug)]
pub struct Ledger {
    directory: Directory,
    /// `None` after a failed commit, until the next write opens the file again.
    pub(crate) store: Option<Store>,
    reader: LedgerReader,
    unsaved: Unsaved,
    groups: Groups,
    /// Entries of commits that failed and were durable all the same: they are published, and no append has said so yet.
    unsaid: usize,
    /// The file is damaged and could not be salvaged yet: what is served is what is whole of it.
    is_damaged: bool,
}

/// What an opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Live entries.
    pub entries: usize,
    /// The head, in the epoch that this opening drew.
    pub head: Cursor,
    /// Whether a catch-up had finished in this ledger.
    pub complete: bool,
    /// When its source was last good.
    pub source_good_at: Option<UnixMillis>,
    /// What was broken; the rest was salvaged into a fresh file, or is served while there is no room for one.
    pub damage: Vec<Damage>,
    /// Where the damaged file is now.
    pub aside: Option<PathBuf>,
    /// Why the file could not be written to, if it could not. The ledger serves what it has; the next append tries again.
    pub unwritable: Option<String>,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The head after it.
    pub head: Cursor,
    /// How many of the revocations said something new, in this append or in one before it that had failed and was durable
    /// all the same.
    pub changed: usize,
}

impl Ledger {
    /// Opens the ledger in `directory`, or makes it (0700, its files 0600), and draws a new epoch.
    ///
    /// Blocks while the whole file is read and checked. Damage is repaired by leaving out what is broken; the damaged
    /// file stays in the directory under another name, and the ledger is not complete. Where the disk has no room for that,
    /// what is whole is served, and the next append tries again.
    ///
    /// # Errors
    ///
    /// Another process holds the directory, the file is of a later version or of another program, or it cannot be read.
    pub fn open(directory: impl AsRef<Path>) -> Result<(Self, Opening), LedgerError> {
        let directory = Directory::open(directory.as_ref())?;
        let Found {
            mut store,
            mut contents,
            damage,
            aside,
            mut unwritable,
            is_damaged,
        } = Found::in_directory(&directory)?;

        let epochs = Epochs::begin(contents.epochs, contents.head);
        let begun = epochs.current();
        let saved = store.as_mut().map(|store| store.save_epoch(begun));
        if let Some(Err(error)) = saved {
            unwritable = Some(error.to_string());
        }
        contents.log.shrink();
        contents.groups.review();
        let digests = digests(&contents.log);
        let mut memory = Memory::new(contents.log, digests, contents.head, epochs);
        memory.complete = contents.complete;
        memory.source_good_at = contents.source_good_at;
        memory.set_horizon(contents.horizon);
        let opening = Opening {
            entries: memory.log.len(),
            head: memory.head(),
            complete: memory.complete,
            source_good_at: contents.source_good_at,
            damage,
            aside,
            unwritable,
        };
        let database = directory.database();
        let ledger = Self {
            directory,
            store: store.filter(|_| opening.unwritable.is_none()),
            reader: LedgerReader::new(memory, database),
            unsaved: opening.unwritable.is_some().then_some(begun),
            groups: contents.groups,
            unsaid: 0,
            is_damaged,
        };
        Ok((ledger, opening))
    }

    /// A reader of this ledger; it outlives the writer.
    pub fn reader(&self) -> LedgerReader {
        self.reader.clone()
    }

    /// Whether the file is open for writing. Where it is not, the next write tries to open it.
    pub fn is_writable(&self) -> bool {
        self.store.is_some()
    }

    /// When the source was last good, as far as the ledger was told.
    pub fn source_good_at(&self) -> Option<UnixMillis> {
        self.reader.source_good_at()
    }

    /// Appends one group: what of it says something new gets the next sequences and is on disk when this returns. Only
    /// then does a reader see it.
    ///
    /// # Errors
    ///
    /// Nothing of the group is visible; append it again, and again, until it works.
    pub fn append(&mut self, group: &[Revocation]) -> Result<Appended, LedgerError> {
        self.append_with(group, None)
    }

    /// The same for a group of which it is known when and whence it came: [`LedgerReader::origin`] says it again for as long
    /// as an entry of it is live.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_from(
        &mut self,
        group: &[Revocation],
        origin: &Origin,
    ) -> Result<Appended, LedgerError> {
        self.append_with(group, Some(origin))
    }

    fn append_with(
        &mut self,
        group: &[Revocation],
        origin: Option<&Origin>,
    ) -> Result<Appended, LedgerError> {
        self.ensure_open()?;
        let changes = self.reader.memory().changes(group);
        let head = self.reader.head().sequence;
        let changed = changes.len();
        let entries: Vec<_> = (head + 1..).zip(changes).collect();
        if let Some((last, _)) = entries.last() {
            let sequences = head + 1..=*last;
            self.commit("append to", |store, unsaved| {
                store.append(unsaved, sequences.clone(), &entries, origin)
            })?;
            self.take_in(&sequences, &entries);
        }
        Ok(Appended {
            head: self.reader.head(),
            changed: changed + std::mem::take(&mut self.unsaid),
        })
    }

    /// Stores that a catch-up has finished in this ledger, at `now`.
    ///
    /// # Errors
    ///
    /// The ledger is as complete as it was before.
    pub fn mark_complete(&mut self, now: UnixMillis) -> Result<(), LedgerError> {
        self.set_source(true, Some(now))
    }

    /// Takes back that the ledger is complete, until the next catch-up finishes.
    ///
    /// # Errors
    ///
    /// It is not complete for its readers all the same; the next opening may find it complete.
    pub fn mark_incomplete(&mut self) -> Result<(), LedgerError> {
        self.reader.memory_mut().complete = false;
        self.set_source(false, self.source_good_at())
    }

    /// Stores that the source is good at `now`.
    ///
    /// # Errors
    ///
    /// The moment stored before stays.
    pub fn source_good(&mut self, now: UnixMillis) -> Result<(), LedgerError> {
        self.set_source(self.reader.is_complete(), Some(now))
    }

    fn set_source(
        &mut self,
        complete: bool,
        good_at: Option<UnixMillis>,
    ) -> Result<(), LedgerError> {
        self.ensure_open()?;
        self.commit("write to", |store, unsaved| {
            store.set_source(unsaved, complete, good_at)
        })?;
        let mut memory = self.reader.memory_mut();
        memory.source_good_at = good_at;
        memory.complete = complete;
        Ok(())
    }

    fn commit(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut Store, Unsaved) -> rusqlite::Result<()>,
    ) -> Result<(), LedgerError> {
        let store = self.store.as_mut().expect("ensure_open() went before");
        match work(store, self.unsaved) {
            Ok(()) => {
                self.unsaved = None;
                Ok(())
            }
            Err(source) => {
                // What the file holds now is unknown; the next write reads it.
                self.store = None;
                Err(self.sqlite(doing, source))
            }
        }
    }

    /// Opens the file again where a commit has failed, and takes in what that commit wrote all the same. Nothing of it
    /// was visible, so its sequences are still free in this epoch where it wrote nothing.
    fn ensure_open(&mut self) -> Result<(), LedgerError> {
        if self.store.is_some() {
            return Ok(());
        }
        self.directory.ensure_locked()?;
        let path = self.directory.database();
        if self.is_damaged {
            found::salvage(&self.directory)?;
            return Err(LedgerError::Salvaged { path });
        }
        let head = self.reader.head().sequence;
        if found::cut(&path)?.is_some() {
            return Err(LedgerError::Behind { path, end: 0, head });
        }
        let store = Store::open(&path)?;
        let end = store.end().map_err(|error| self.sqlite("read", error))?;
        if end < head {
            return Err(LedgerError::Behind {
                path: self.directory.database(),
                end,
                head,
            });
        }
        let left = store
            .left_behind(head)
            .map_err(|error| self.sqlite("read", error))?;
        let keys = store.keys().map_err(|error| self.sqlite("read", error))?;
        let mut first = head + 1;
        for Left { last, entries } in left {
            self.take_in(&(first..=last), &entries);
            self.unsaid += entries.len();
            first = last + 1;
        }
        self.count_rows(&keys);
        self.store = Some(store);
        Ok(())
    }

    /// Makes visible what is durable.
    fn take_in(&mut self, sequences: &RangeInclusive<u64>, entries: &[(u64, Revocation)]) {
        let stored = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.groups.push(sequences, stored);
        let groups = &mut self.groups;
        let mut memory = self.reader.memory_mut();
        memory.merge(entries, *sequences.end(), |sequence| {
            groups.dropped(sequence);
        });
    }

    fn sqlite(&self, doing: &'static str, source: rusqlite::Error) -> LedgerError {
        LedgerError::Sqlite {
            doing,
            path: self.directory.database(),
            source,
        }
    }
}

fn digests(log: &Log) -> Digests {
    let mut digests = Digests::new();
    for (_, entry) in log.range(0, u64::MAX) {
        digests.insert(&entry.entry());
    }
    digests
}
