//! The log that is being written, and its change to a new image.

use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rescind_revocation::{Entry, RevokedSet, packed};
use thiserror::Error;
use tracing::{info, warn};

#[cfg(test)]
use super::steps::Observer;
use super::{
    Restored, State,
    beside::{Beside, Content, Removal},
    directory::{self, Directory},
    image,
    load::{self, Found},
    record::{self, FileHeader, Kind, RECORD_HEADER},
    steps::Steps,
};

/// In the place of the length of marks: they are what they were.
pub(super) const NO_MARKS: u32 = u32::MAX;

/// A log is not changed for an image before it has this many bytes: 200 000 entries, read in a tenth of a second.
const LEAST_LOG: u64 = 4 * 1024 * 1024;

/// A folder with a log and an image in it, for one process.
#[derive(Debug)]
pub struct Journal {
    /// The log that will take the place of the present one. Goes before the folder's lock does.
    next: Option<Next>,
    /// Why the last one was given up, until somebody asks.
    failed: Option<io::Error>,
    removal: Option<Removal>,
    directory: Directory,
    boot: u128,
    log: Option<Log>,
    buffer: Vec<u8>,
    /// The newest marks, for the next image.
    marks: Vec<u8>,
    #[cfg(test)]
    pub(crate) least_log: u64,
    #[cfg(test)]
    pub(crate) observer: Option<Observer>,
}

#[derive(Debug)]
struct Log {
    file: File,
    bytes: u64,
    records: u32,
    image: u128,
    image_bytes: u64,
    /// There is no room for it as long as this file is there.
    #[cfg(test)]
    full_while: Option<PathBuf>,
}

/// An image that is being written, and the log of everything since it was begun.
#[derive(Debug)]
struct Next {
    log: Log,
    image: Beside,
}

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// Another process uses it.
    #[error("{} is used by another process", .0.display())]
    Taken(PathBuf),
    /// It cannot be made or locked.
    #[error("cannot use {}: {source}", .path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Journal {
    /// Takes the folder, and reads what an earlier process left. `boot` tells whether the machine was started since.
    ///
    /// What is damaged is named in a warning and deleted. No log is open yet where there was none, or one of another boot:
    /// [`Self::begin`] opens it.
    pub fn open(path: &Path, boot: u128) -> Result<(Self, Option<Restored>), JournalError> {
        let directory = Directory::take(path)?;
        let mut journal = Self {
            next: None,
            failed: None,
            removal: None,
            directory,
            boot,
            log: None,
            buffer: Vec::new(),
            marks: Vec::new(),
            #[cfg(test)]
            least_log: LEAST_LOG,
            #[cfg(test)]
            observer: None,
        };
        let found = match load::load(&journal.directory, boot) {
            Ok(found) => found,
            Err(reason) => {
                warn!(directory = %path.display(), %reason, "The log is damaged and not used");
                None
            }
        };
        let image = found.as_ref().map(|found| found.image);
        if let Err(error) = journal.directory.tidy(image) {
            warn!(directory = %path.display(), %error, "Old files cannot be removed");
        }
        Ok(match found {
            Some(found) => {
                journal.marks = found.restored.marks.clone();
                if found.restored.same_boot {
                    journal.log = journal.reopen(&found);
                }
                (journal, Some(found.restored))
            }
            None => (journal, None),
        })
    }

    /// The good log goes on where it ended.
    fn reopen(&self, found: &Found) -> Option<Log> {
        let open = || {
            let mut file = directory::create(&self.directory.log())?;
            file.set_len(found.log_bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let opened: io::Result<File> = open();
        match opened {
            Ok(file) => Some(Log {
                file,
                bytes: found.log_bytes,
                records: found.records,
                image: found.image,
                image_bytes: found.image_bytes,
                #[cfg(test)]
                full_while: None,
            }),
            Err(error) => {
                warn!(%error, "The log cannot be opened for writing");
                None
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether there is a log: what is appended will be there after the process.
    pub fn is_open(&self) -> bool {
        self.log.is_some()
    }

    /// Whether an image is being written.
    pub fn is_writing(&self) -> bool {
        self.next.is_some()
    }

    /// The length of the log; 0 where none is open.
    pub fn bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.bytes)
    }

    /// Appends `state` and the entries that brought it; `marks` where they have changed. When it returns, the kernel has it.
    ///
    /// After an error the log is not to be used any more: see [`Self::abandon`].
    pub fn append(
        &mut self,
        entries: &[Entry],
        state: &State,
        marks: Option<&[u8]>,
    ) -> io::Result<()> {
        if self.log.is_none() && self.next.is_none() {
            return Err(io::Error::other("there is no log"));
        }
        body(&mut self.buffer, state, marks, &packed::encode(entries));
        record::seal(&mut self.buffer, Kind::Batch, 0)?;
        if let Some(log) = &mut self.log
            && let Err(error) = log.append(&mut self.buffer)
        {
            self.append_with_more_room(error)?;
        }
        if let Some(next) = &mut self.next
            && let Err(error) = next.log.append(&mut self.buffer)
        {
            self.give_up();
            self.failed = Some(error);
        }
        if let Some(marks) = marks {
            self.marks = marks.to_vec();
        }
        // One huge update need not be paid for ever.
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }

    /// Once more, after `error`, without the image that is being written: it may be what fills the disk, and the log is worth
    /// more.
    fn append_with_more_room(&mut self, error: io::Error) -> io::Result<()> {
        if self.next.is_none() {
            return Err(error);
        }
        self.give_up();
        self.failed = Some(error);
        let log = self.log.as_mut();
        log.map_or(Ok(()), |log| log.append_again(&mut self.buffer))
    }

    /// Whether the log has outgrown its image.
    pub fn wants_image(&self) -> bool {
        #[cfg(test)]
        let least = self.least_log;
        #[cfg(not(test))]
        let least = LEAST_LOG;
        self.log
            .as_ref()
            .is_some_and(|log| log.bytes > least.max(log.image_bytes))
    }

    /// Writes an image of `set` and begins an empty log upon it, while the caller waits. Until the last step the old log
    /// holds.
    pub fn begin(&mut self, set: &RevokedSet, state: &State) -> io::Result<()> {
        self.give_up();
        let header = self.new_header(set);
        let path = self.directory.image(header.image);
        let steps = self.steps();
        let written = image::write(&path, header, set, state, &self.marks, &steps)
            .and_then(|bytes| Ok((bytes, self.new_log(header)?)))
            .and_then(|(bytes, log)| self.switch(log, bytes));
        match &written {
            // What is left over goes at the next start at the latest. Who waits for all the rest may as well wait for this.
            Ok(()) => {
                self.removal = None;
                let _ = self.directory.tidy(Some(header.image));
            }
            Err(_) => self.clear_away(header.image),
        }
        written
    }

    /// Begins an image of `set` on a thread of its own, and with it a new log. Until the image is there, what is appended goes
    /// to both logs, and the old one holds. [`Self::poll`] puts the new one in its place.
    pub fn begin_beside(&mut self, set: &Arc<RevokedSet>, state: &State) -> io::Result<()> {
        self.give_up();
        let header = self.new_header(set);
        let content = Content {
            header,
            set: Arc::clone(set),
            state: state.clone(),
            marks: self.marks.clone(),
        };
        let begun = self.new_log(header).and_then(|log| {
            let path = self.directory.image(header.image);
            let image = Beside::write(path, content, self.steps())?;
            Ok(Next { log, image })
        });
        match begun {
            Ok(next) => {
                self.next = Some(next);
                Ok(())
            }
            Err(error) => {
                self.clear_away(header.image);
                Err(error)
            }
        }
    }

    /// Ends what [`Self::begin_beside`] began, once the image is there. `None` where there is nothing to end yet.
    pub fn poll(&mut self) -> Option<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        let Next { log, image } = self.next.take_if(|next| next.image.is_finished())?;
        let id = log.image;
        let ended = image.finish().and_then(|bytes| self.switch(log, bytes));
        if ended.is_err() {
            self.clear_away(id);
        }
        Some(ended)
    }

    fn new_header(&self, set: &RevokedSet) -> FileHeader {
        FileHeader {
            // Not 0, which says that there is no image.
            image: rand::random::<u128>().max(1),
            boot: self.boot,
            placement: set.placement(),
        }
    }

    fn steps(&self) -> Steps {
        #[cfg(test)]
        return Steps::observed(self.observer.clone());
        #[cfg(not(test))]
        Steps::default()
    }

    /// A log that continues an image, beside the present one.
    fn new_log(&self, header: FileHeader) -> io::Result<Log> {
        let mut file = directory::replace(&self.directory.new_log())?;
        let bytes = header.encode(record::LOG);
        file.write_all(&bytes)?;
        Ok(Log {
            file,
            bytes: bytes.len() as u64,
            records: 0,
            image: header.image,
            image_bytes: 0,
            #[cfg(test)]
            full_while: None,
        })
    }

    /// Puts the new log, whose image is there, in the place of the old one.
    fn switch(&mut self, log: Log, image_bytes: u64) -> io::Result<()> {
        fs::rename(self.directory.new_log(), self.directory.log())?;
        let new = Log { image_bytes, ..log };
        let old = self.log.replace(new);
        info!(bytes = image_bytes, "Image of the revoked set written");
        self.removal = old.map(|old| {
            let image = (old.image != 0).then(|| self.directory.image(old.image));
            Removal::of(old.file, image)
        });
        Ok(())
    }

    /// No image and no log will take the place of the present ones.
    fn give_up(&mut self) {
        if let Some(next) = self.next.take() {
            let image = next.log.image;
            drop(next);
            self.clear_away(image);
        }
    }

    /// Removes what is left of an attempt: it may fill the disk.
    fn clear_away(&self, image: u128) {
        let _ = directory::remove(&self.directory.new_log());
        let _ = directory::remove(&self.directory.image(image));
    }

    /// How many records the log has.
    #[cfg(test)]
    pub(super) fn records(&self) -> u32 {
        self.log.as_ref().map_or(0, |log| log.records)
    }

    /// From now on the disk is full.
    #[cfg(test)]
    pub(crate) fn fill_disk(&mut self) {
        self.log.as_mut().unwrap().file = full();
    }

    /// It is full for the next log alone.
    #[cfg(test)]
    pub(super) fn fill_disk_of_next(&mut self) {
        self.next.as_mut().unwrap().log.file = full();
    }

    /// It is full as long as the image that is being written is there.
    #[cfg(test)]
    pub(super) fn fill_disk_with_image(&mut self) {
        let image = self.directory.image(self.next.as_ref().unwrap().log.image);
        self.log.as_mut().unwrap().full_while = Some(image);
    }

    /// As after a start at which the log could be read, but not opened for writing.
    #[cfg(test)]
    pub(super) fn lose_log(&mut self) {
        self.log = None;
    }

    /// Makes sure that nobody reads the log again: it lacks what could not be written.
    pub fn abandon(&mut self) -> io::Result<()> {
        self.give_up();
        self.failed = None;
        let path = self.directory.log();
        // Where a folder is read-only, a file in it may still be cut to nothing.
        let emptied = self.log.as_ref().map(|log| log.file.set_len(0));
        match (directory::remove(&path), emptied) {
            (Err(error), None | Some(Err(_))) => return Err(error),
            _ => self.log = None,
        }
        // Without its log an image is nothing; it goes so that there is room.
        let _ = self.directory.tidy(None);
        Ok(())
    }
}

impl Log {
    /// Writes a sealed record behind the others.
    fn append(&mut self, record: &mut [u8]) -> io::Result<()> {
        record::renumber(record, self.records);
        #[cfg(test)]
        if self.full_while.as_ref().is_some_and(|path| path.exists()) {
            // A disk takes what fits.
            self.file.write_all(&record[..record.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(record)?;
        self.bytes += record.len() as u64;
        self.records += 1;
        Ok(())
    }

    /// As [`Self::append`], after one that failed and may have left a part of the record.
    fn append_again(&mut self, record: &mut [u8]) -> io::Result<()> {
        self.file.set_len(self.bytes)?;
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.append(record)
    }
}

#[cfg(test)]
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// Puts the body of a batch into `buffer`, behind room for the record's header.
pub(super) fn body(buffer: &mut Vec<u8>, state: &State, marks: Option<&[u8]>, entries: &[u8]) {
    buffer.clear();
    buffer.resize(RECORD_HEADER, 0);
    state.encode(buffer);
    let length = marks.map_or(NO_MARKS, |marks| marks.len() as u32);
    buffer.extend(length.to_be_bytes());
    buffer.extend(marks.unwrap_or_default());
    buffer.extend(entries);
}
