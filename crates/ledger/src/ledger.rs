//! The writer: opens, appends, recovers from a failed commit.
//!
//! ```text
//! open ──> store is there ── append: changes, commit, merge, head ──┐
//!               ^   ^──────────────────────────────────────────────┘
//!               │   commit fails: the store is dropped, memory untouched
//!               └── next append: open again, read the end, take in what was durable all the same
//! ```

use std::path::{Path, PathBuf};

use rescind_revocation::{Revocation, UnixMillis};

use crate::{
    Cursor, Damage, LedgerError, LedgerReader,
    directory::Directory,
    epochs::Epochs,
    memory::Memory,
    salvage,
    store::{Contents, Store, Unsaved, is_damage},
};

/// The writer of a ledger. It holds the directory: a second one is refused until this one is dropped.
#[derive(Debug)]
pub struct Ledger {
    directory: Directory,
    /// `None` after a failed commit, until the next write opens the file again.
    pub(crate) store: Option<Store>,
    reader: LedgerReader,
    unsaved: Unsaved,
    source_good_at: Option<UnixMillis>,
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
    /// What was broken; the rest was salvaged into a fresh file.
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
    /// How many of the revocations said something new.
    pub changed: usize,
}

impl Ledger {
    /// Opens the ledger in `directory`, or makes it (0700, its files 0600), and draws a new epoch.
    ///
    /// Blocks while the whole file is read and checked. Damage is repaired by leaving out what is broken; the damaged
    /// file stays in the directory under another name, and the ledger is not complete.
    ///
    /// # Errors
    ///
    /// Another process holds the directory, the file is of a later version or of another program, or it cannot be read.
    pub fn open(directory: impl AsRef<Path>) -> Result<(Self, Opening), LedgerError> {
        let directory = Directory::open(directory.as_ref())?;
        let mut aside = salvage::finish(&directory)?;
        let (mut store, mut contents) = read(&directory)?;
        let damage = std::mem::take(&mut contents.damage);
        if !damage.is_empty() {
            drop(store);
            aside = salvage::salvage(&directory, &contents)?.or(aside);
            contents.complete = false;
            store = Some(Store::open(&directory.database())?);
        }
        directory.sync()?;

        let epochs = Epochs::begin(contents.epochs, contents.head);
        let begun = epochs.current();
        let saved = store.as_mut().map(|store| store.save_epoch(begun));
        let unwritable = saved.and_then(Result::err).map(|error| error.to_string());
        let memory = Memory::new(contents.entries, contents.head, epochs, contents.complete);
        let opening = Opening {
            entries: memory.log.len(),
            head: memory.head(),
            complete: memory.complete,
            source_good_at: contents.source_good_at,
            damage,
            aside,
            unwritable,
        };
        let ledger = Self {
            directory,
            store: store.filter(|_| opening.unwritable.is_none()),
            reader: LedgerReader::new(memory),
            unsaved: opening.unwritable.is_some().then_some(begun),
            source_good_at: contents.source_good_at,
        };
        Ok((ledger, opening))
    }

    /// A reader of this ledger; it outlives the writer.
    pub fn reader(&self) -> LedgerReader {
        self.reader.clone()
    }

    /// When the source was last good, as far as the ledger was told.
    pub fn source_good_at(&self) -> Option<UnixMillis> {
        self.source_good_at
    }

    /// Appends one group: what of it says something new gets the next sequences and is on disk when this returns. Only
    /// then does a reader see it.
    ///
    /// # Errors
    ///
    /// Nothing of the group is visible; append it again, and again, until it works.
    pub fn append(&mut self, group: &[Revocation]) -> Result<Appended, LedgerError> {
        self.ensure_open()?;
        let changes = self.reader.memory().changes(group);
        let head = self.reader.head().sequence;
        let changed = changes.len();
        let entries: Vec<_> = (head + 1..).zip(changes).collect();
        if let Some((last, _)) = entries.last() {
            let last = *last;
            self.commit("append to", |store, unsaved| {
                store.append(unsaved, head + 1..=last, &entries)
            })?;
            self.reader.memory_mut().merge(entries, last);
        }
        Ok(Appended {
            head: self.reader.head(),
            changed,
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
        self.set_source(false, self.source_good_at)
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
        self.source_good_at = good_at;
        self.reader.memory_mut().complete = complete;
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
        let store = Store::open(&self.directory.database())?;
        let head = self.reader.head().sequence;
        let end = store.end().map_err(|error| self.sqlite("read", error))?;
        if end < head {
            return Err(LedgerError::Behind {
                path: self.directory.database(),
                end,
                head,
            });
        }
        let left = store
            .load_after(head)
            .map_err(|error| self.sqlite("read", error))?;
        self.reader.memory_mut().merge(left.entries, left.head);
        self.store = Some(store);
        Ok(())
    }

    fn sqlite(&self, doing: &'static str, source: rusqlite::Error) -> LedgerError {
        LedgerError::Sqlite {
            doing,
            path: self.directory.database(),
            source,
        }
    }
}

/// Opens and reads the file; without a store where SQLite cannot take it for a database.
fn read(directory: &Directory) -> Result<(Option<Store>, Contents), LedgerError> {
    let path = directory.database();
    let store = match Store::open(&path) {
        Ok(store) => store,
        Err(LedgerError::Sqlite { source, .. }) if is_damage(&source) => {
            return Ok((None, Contents::unreadable(&source)));
        }
        Err(error) => return Err(error),
    };
    let contents = store.load().map_err(|source| LedgerError::Sqlite {
        doing: "read",
        path,
        source,
    })?;
    Ok((Some(store), contents))
}
